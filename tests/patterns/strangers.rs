//! What only other programs can publish, and so only to RabbitMQ.

use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use trunkline::{message::Content, names::MessageId};
use trunkline_sdk::Body;

use crate::{
    house::House,
    messages::{ORDER, paid},
    on_bus::queue,
    rabbit::Rabbit,
    subject::Subject,
};

const PASS: &str = "flow: pass\nfrom: orders\nto: first\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_an_id_is_parked_and_the_flow_goes_on() {
    // given
    let house = House::<Rabbit>::running(&[PASS]).await;
    let address = house.place.address();
    let (url, _) = address.split_once(' ').unwrap();
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    // when
    let properties = BasicProperties::default()
        .with_content_type("application/protobuf".into())
        .with_type(ORDER.into());
    let exchange = "trunkline.orders".into();
    let key = format!("any.{ORDER}");
    channel
        .basic_publish(
            exchange,
            key.as_str().into(),
            BasicPublishOptions::default(),
            b"\x0a\x011",
            properties,
        )
        .await
        .unwrap();
    house.publish("orders", [paid("2")]).await;
    // then it waits under a name made of its body, and says what it lacks
    let parked = house.parked(&queue("orders", "pass"), 1).await.remove(0);
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "receive");
    assert!(
        cause.what.contains("`message_id`") && cause.hint.is_some(),
        "{cause:?}"
    );
    assert!(
        matches!(&parked.message.content, Content::Native(Body::Bytes { bytes, .. }) if *bytes == b"\x0a\x011"[..])
    );
    assert!(MessageId::as_str(&parked.message.id).starts_with("unnamed-"));
    assert_eq!(house.take("first", 1).await, [paid("2")]);
    house.settled("pass").await;
    connection.close(200, "done".into()).await.unwrap();
    house.end().await;
}

//! A broker that is set up otherwise than we need it.

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use trunkline::bus::Bus;
use trunkline_sdk::Remedy;

use crate::{
    scene::{connect, landscape, opened, order, plain_client, publish},
    support::services::Broker,
};

fn with_password(url: &str, password: &str) -> String {
    let (_, place) = url.split_once('@').unwrap();
    format!("amqp://guest:{password}@{place}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_connect_is_told_why_without_the_password() {
    let vhost = Broker::shared().fresh_vhost().await;
    let (server, _) = vhost.amqp().rsplit_once('/').unwrap();
    let cases = [
        (
            "http://guest:s3cret@localhost".to_owned(),
            Remedy::Stop,
            "`http://`",
        ),
        (
            with_password(vhost.amqp(), "s3cret"),
            Remedy::Stop,
            "user `guest`",
        ),
        (format!("{server}/nowhere"), Remedy::Stop, "no vhost `nowhere`"),
        (
            "amqp://guest:s3cret@127.0.0.1:1/v".to_owned(),
            Remedy::Reopen,
            "127.0.0.1:1",
        ),
    ];
    for (url, remedy, why) in cases {
        let fault = connect(&url).await.err().expect(why);
        assert_eq!(fault.remedy, remedy, "{fault}");
        assert!(fault.what.contains(why), "{why}: {fault}");
        assert!(fault.hint.is_some(), "{fault}");
        assert!(!format!("{fault} {fault:?}").contains("s3cret"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_is_away_is_passed_over() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let (scheme, place) = vhost.amqp().split_once('@').unwrap();
    // when
    let scene = opened(&format!("{scheme}@127.0.0.1:1,{place}")).await;
    // then
    publish(&*scene.bus, order("m")).await.expect("it is confirmed");
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_exists_otherwise_is_told_at_once_and_nothing_is_changed() {
    // given: a queue, a parked queue and an exchange, made by somebody else
    let vhost = Broker::shared().fresh_vhost().await;
    let connection = plain_client(vhost.amqp()).await;
    let channel = connection.create_channel().await.unwrap();
    for queue in ["orders.billing", "orders.billing.dead"] {
        channel
            .queue_declare(
                queue.into(),
                QueueDeclareOptions::durable(),
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            "trunkline.orders".into(),
            ExchangeKind::Fanout,
            durable,
            FieldTable::default(),
        )
        .await
        .unwrap();
    // when
    let scene = connect(vhost.amqp()).await.unwrap();
    let fault = scene
        .bus
        .declare(&landscape())
        .await
        .expect_err("they are otherwise");
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    for thing in [
        "queue `orders.billing`",
        "queue `orders.billing.dead`",
        "exchange `trunkline.orders`",
    ] {
        assert!(fault.what.contains(thing), "{thing}: {fault}");
    }
    assert!(
        fault.what.contains("inequivalent arg 'x-"),
        "it says what differs: {fault}"
    );
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("orders.billing".into(), passive, FieldTable::default())
        .await
        .expect("it is still there");
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_a_queue_is_content_if_it_is_there_and_told_if_it_is_not() {
    // given: a user who may do all but make things
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    let user = format!("{}-user", vhost.name());
    let asked = [
        (
            format!("/api/users/{user}"),
            r#"{"password": "s3cret", "tags": ""}"#,
        ),
        (
            format!("/api/permissions/{}/{user}", vhost.name()),
            r#"{"configure": "^$", "write": ".*", "read": ".*"}"#,
        ),
    ];
    for (path, body) in &asked {
        assert_eq!(broker.manage("PUT", path, body).await.unwrap().0, 201);
    }
    let (_, place) = vhost.amqp().split_once('@').unwrap();
    let url = format!("amqp://{user}:s3cret@{place}");
    // when
    let scene = connect(&url).await.unwrap();
    let fault = scene
        .bus
        .declare(&landscape())
        .await
        .expect_err("nothing is there");
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(
        fault.what.contains("queue `orders.billing` is missing"),
        "{fault}"
    );
    // when: an administrator has made it
    opened(vhost.amqp()).await.bus.close().await;
    // then
    scene.bus.declare(&landscape()).await.expect("it is there");
    publish(&*scene.bus, order("m")).await.expect("it is confirmed");
    scene.bus.close().await;
    broker.manage("DELETE", &asked[0].0, "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_publish_is_refused_and_his_other_messages_are_not() {
    // given: a user who may write to all but `void`
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    opened(vhost.amqp()).await.bus.close().await;
    let user = format!("{}-user", vhost.name());
    let asked = [
        (
            format!("/api/users/{user}"),
            r#"{"password": "s3cret", "tags": ""}"#,
        ),
        (
            format!("/api/permissions/{}/{user}", vhost.name()),
            r#"{"configure": "^$", "write": "^trunkline\\.orders$", "read": ".*"}"#,
        ),
    ];
    for (path, body) in &asked {
        assert_eq!(broker.manage("PUT", path, body).await.unwrap().0, 201);
    }
    let (_, place) = vhost.amqp().split_once('@').unwrap();
    let scene = connect(&format!("amqp://{user}:s3cret@{place}")).await.unwrap();
    // when
    let place = |number| if number == 20 { "void" } else { "orders" };
    let hops = (0..40).map(|number| crate::scene::hop(place(number), order(&format!("m-{number}"))));
    let results = scene.bus.complete(hops.collect()).await;
    // then
    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => assert_ne!(number, 20),
            Err(refused) => {
                assert_eq!(
                    (number, refused.fault.remedy),
                    (20, Remedy::Stop),
                    "{}",
                    refused.fault
                );
                assert!(refused.fault.what.contains("trunkline.void"), "{}", refused.fault);
            }
        }
    }
    scene.bus.close().await;
    broker.manage("DELETE", &asked[0].0, "").await.unwrap();
}

//! Queues unbound, drained and made anew, with nothing lost on the way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::{scene::Scene, support::process::Process};

/// All that a queue holds, by id: how often, and the headers.
async fn contents(channel: &Channel, queue: &str) -> BTreeMap<String, (usize, BTreeMap<String, String>)> {
    let mut found: BTreeMap<_, (usize, _)> = BTreeMap::new();
    while let Some(got) = channel
        .basic_get(queue.into(), BasicGetOptions::default())
        .await
        .unwrap()
    {
        let properties = &got.delivery.properties;
        let id = properties.message_id().clone().unwrap().to_string();
        let headers = properties
            .headers()
            .iter()
            .flatten()
            .filter_map(|(name, value)| match value {
                AMQPValue::LongString(text) => Some((name.to_string(), text.to_string())),
                _ => None,
            })
            .collect();
        let entry = found.entry(id).or_default();
        *entry = (entry.0 + 1, headers);
    }
    found
}

/// The headers that [`Scene::publish`] gives.
fn told() -> BTreeMap<String, String> {
    [("trunkline_attempt", "3"), ("trunkline_fault", "no such sku")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[tokio::test]
async fn a_renamed_flows_queue_is_unbound_and_drained_into_its_successors() {
    // given 450 messages for a flow that is then renamed, and both its queues there
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    scene.publish(&channel, "trunkline.orders", 450).await;
    scene.rename_stock("stocks");
    scene.topology("apply", &[]).await;
    // when
    let unbound = scene.topology("apply", &["--unbind", "orders.stock"]).await;
    // then
    assert_eq!(
        (unbound.code, unbound.talk.as_str()),
        (
            Some(0),
            "unbinding queue `orders.stock` from `trunkline.orders` (key `#`)\n"
        )
    );
    scene.publish(&channel, "trunkline.orders", 1).await;
    // when
    let drain = ["--drain", "orders.stock", "--to", "orders.stocks"];
    let drained = scene.topology("apply", &drain).await;
    // then
    assert_eq!(
        (drained.code, drained.talk.as_str()),
        (
            Some(0),
            "moving what queue `orders.stock` holds to queue `orders.stocks`\n450 messages moved\n"
        )
    );
    let again = scene.topology("apply", &drain).await;
    assert!(again.talk.ends_with("\n0 messages moved\n"), "{}", again.talk);
    let found = contents(&channel, "orders.stocks").await;
    assert_eq!(found.len(), 450);
    for number in 0..450 {
        // What was published to both the new queue and, by its old name, moved there, is the message `m-0`.
        let (count, headers) = &found[&format!("m-{number}")];
        assert_eq!(
            (*count, headers),
            (if number == 0 { 2 } else { 1 }, &told()),
            "m-{number}"
        );
    }
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn what_would_harm_is_refused() {
    // given a consumer of the queue
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    let _consumer = channel
        .basic_consume(
            "orders.stock".into(),
            "reader".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    for (arguments, why) in [
        (
            &["--unbind", "orders.stock"][..],
            "is no orphan of this landscape",
        ),
        (&["--unbind", "nothing"], "there is no queue `nothing`"),
        (
            &["--drain", "orders.stock", "--to", "orders.stock.dead"],
            "is read by 1 consumers",
        ),
        (
            &["--drain", "orders.stock.dead", "--to", "nothing"],
            "there is no queue `nothing`",
        ),
        (
            &["--drain", "orders.stock", "--to", "orders.stock"],
            "into itself",
        ),
        (&["--recreate", "orders.stock"], "need not be made anew"),
        (&["--drain", "orders.stock"], "--to"),
    ] {
        let said = scene.topology("apply", arguments).await;
        assert_eq!(said.code, Some(1), "{arguments:?}");
        assert!(said.talk.contains(why), "{why}: {}", said.talk);
    }
    assert_eq!(
        scene.topology("plan", &[]).await.code,
        Some(0),
        "nothing was changed"
    );
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_made_anew_while_its_channel_is_published_to_although_that_is_interrupted() {
    // given a work queue with the broker's defaults, with messages in it
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    channel
        .queue_delete("orders.stock".into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel
        .queue_declare("orders.stock".into(), QueueDeclareOptions::durable(), arguments)
        .await
        .unwrap();
    scene.topology("apply", &[]).await;
    scene.publish(&channel, "trunkline.orders", 500).await;
    // and a publisher that goes on all the time
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (stop, channel) = (stop.clone(), connection.create_channel().await.unwrap());
        tokio::spawn(publish_until(channel, stop))
    };
    // when it is made anew, and killed in the middle
    let landscape = scene.landscape().to_owned();
    let variables = scene.variables();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let arguments = ["topology", "apply", &landscape, "--recreate", "orders.stock"];
    let mut first = Process::start(&arguments, &variables);
    first.says("moving what queue `orders.stock` holds").await;
    first.kill().await;
    let plan = scene.topology("plan", &[]).await;
    assert!(
        plan.data
            .contains("? queue orders.stock.aside: holds what queue orders.stock held"),
        "{}",
        plan.data
    );
    assert!(
        plan.data
            .contains("finish it: `trunkline topology apply --recreate orders.stock`"),
        "{}",
        plan.data
    );
    // and once more, to its end
    let said = scene.topology("apply", &["--recreate", "orders.stock"]).await;
    // then all is as it should be, and every message that was confirmed is there, unchanged
    assert_eq!(said.code, Some(0), "{}", said.talk);
    stop.store(true, Ordering::Relaxed);
    let published = publisher.await.unwrap();
    let plan = scene.topology("plan", &[]).await;
    assert_eq!((plan.code, plan.data.as_str()), (Some(0), ""));
    let found = contents(&channel, "orders.stock").await;
    for number in 0..500 {
        assert_eq!(
            found.get(&format!("m-{number}")).map(|(_, headers)| headers),
            Some(&told()),
            "m-{number}"
        );
    }
    assert!(published > 20, "{published}");
    for number in 0..published {
        assert!(
            found.contains_key(&format!("p-{number}")),
            "p-{number} of {published}"
        );
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// Publishes `p-0`, `p-1` … with confirms, each as a shop would; how many.
async fn publish_until(channel: Channel, stop: Arc<AtomicBool>) -> usize {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let properties = BasicProperties::default()
            .with_message_id(format!("p-{count}").into())
            .with_delivery_mode(2);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = channel
            .basic_publish(
                "trunkline.orders".into(),
                "any.t".into(),
                options,
                b"body",
                properties,
            )
            .await
            .unwrap();
        // At no moment is there nobody to take it.
        assert_eq!(confirm.await.unwrap(), Confirmation::Ack(None), "p-{count}");
        count += 1;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    count
}

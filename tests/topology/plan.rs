//! The differences between a landscape and its bus, shown and mended.

use lapin::{
    options::{QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{scene::Scene, support::process::output};

#[tokio::test]
async fn an_empty_broker_is_shown_what_it_lacks_and_then_has_it() {
    // given
    let scene = Scene::new().await;
    // when
    let plan = scene.topology("plan", &[]).await;
    // then
    assert_eq!(plan.code, Some(1));
    let orders: Vec<_> = plan
        .data
        .lines()
        .filter(|line| line.contains("orders.stock"))
        .collect();
    assert_eq!(
        orders,
        [
            "+ queue orders.stock.dead (quorum, x-delivery-limit 1000000000, x-max-length-bytes 4294967296, x-overflow \
             reject-publish, x-queue-leader-locator balanced, x-quorum-initial-group-size 3)",
            "+ binding trunkline.dead -> orders.stock.dead (key orders.stock)",
            "+ queue orders.stock (quorum, x-dead-letter-exchange trunkline.dead, x-dead-letter-routing-key orders.stock, \
             x-dead-letter-strategy at-least-once, x-delivery-limit 1000, x-max-length-bytes 4294967296, x-overflow \
             reject-publish, x-queue-leader-locator balanced, x-quorum-initial-group-size 3)",
            "+ binding trunkline.redeliver -> orders.stock (key orders.stock)",
            "+ binding trunkline.orders -> orders.stock (key #)",
        ]
    );
    let lines = plan.data.lines().count();
    assert_eq!(
        plan.talk,
        format!("amqp:…: {lines} missing: `trunkline topology apply` makes them\n")
    );
    // when
    let applied = scene.topology("apply", &[]).await;
    // then it says what it did, which is all of it
    assert_eq!(applied.data, plan.data);
    assert_eq!(
        (applied.code, applied.talk.lines().last()),
        (
            Some(0),
            Some(format!("amqp:…: {lines} made; has all that the landscape needs").as_str())
        )
    );
    let after = scene.topology("plan", &["--json"]).await;
    assert_eq!((after.code, after.data.as_str()), (Some(0), "[]\n"));
}

#[tokio::test]
async fn what_is_otherwise_and_what_is_orphaned_is_shown_with_its_mend_and_left_alone() {
    // given: a work queue of somebody else's making, a renamed flow's queue, an application's queue
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    channel
        .queue_delete(
            "orders.stock".into(),
            lapin::options::QueueDeleteOptions::default(),
        )
        .await
        .unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
    for name in ["orders.stock", "orders.old-flow", "reports.orders"] {
        channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments.clone())
            .await
            .unwrap();
    }
    for name in ["orders.old-flow", "reports.orders"] {
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                name.into(),
                "trunkline.orders".into(),
                "#".into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    // when: it makes the bindings, and changes nothing
    let applied = scene.topology("apply", &[]).await;
    let plan = scene.topology("plan", &[]).await;
    // then
    assert_eq!((applied.code, plan.code), (Some(1), Some(1)));
    assert!(
        applied
            .data
            .starts_with("+ binding trunkline.redeliver -> orders.stock"),
        "{}",
        applied.data
    );
    assert!(applied.data.ends_with(&plan.data), "{}", applied.data);
    assert_eq!(
        plan.data.replace("(0 messages)", "(not counted yet)"),
        "~ queue orders.stock: x-dead-letter-exchange is not set, should be trunkline.dead; x-dead-letter-routing-key \
         is not set, should be orders.stock; x-dead-letter-strategy is not set, should be at-least-once; \
         x-delivery-limit is 20, should be 1000; x-max-length-bytes is not set, should be 4294967296; x-overflow is \
         not set, should be reject-publish; x-queue-leader-locator is not set, should be balanced; \
         x-quorum-initial-group-size is not set, should be 3\n    \
         = mend: stop the processes that read it, then `trunkline topology apply --recreate orders.stock`: it moves the \
         messages aside, makes the queue anew and moves them back\n\
         ? queue orders.old-flow: bound to trunkline.orders, and no flow of the landscape reads it (not counted yet)\n    \
         = mend: stop it from filling: `trunkline topology apply --unbind orders.old-flow`; then give what it holds to its \
         successor: `trunkline topology apply --drain orders.old-flow --to <queue>`\n"
    );
    assert_eq!(plan.talk, "amqp:…: 1 otherwise, 1 orphan\n");
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn who_may_not_look_is_told_whom_to_name() {
    let scene = Scene::new().await;
    let place = scene.vhost.amqp().split_once('@').unwrap().1.to_owned();
    let management = scene.management_as("nobody:s3cret");
    let said = scene
        .topology_on(
            &format!("amqp://guest:guest@{place}"),
            "plan",
            &["--management", &management],
        )
        .await;
    assert_eq!(said.code, Some(1));
    assert!(said.talk.contains("does not let user `nobody`"), "{}", said.talk);
    assert!(
        said.talk.contains("hint: name a user with the tag"),
        "{}",
        said.talk
    );
    assert!(!said.talk.contains("s3cret"), "{}", said.talk);
}

#[tokio::test]
async fn the_embedded_bus_is_shown_the_same_way() {
    // given
    let scene = Scene::new().await;
    let bus = scene.embedded();
    // when
    let plan = scene.topology_on(&bus, "plan", &[]).await;
    let applied = scene.topology_on(&bus, "apply", &[]).await;
    let after = scene.topology_on(&bus, "plan", &[]).await;
    // then
    assert_eq!(
        plan.data,
        "+ channel orders (trunkline.commerce.v1.StockMove)\n\
         + queue drop.orders-in (for parked records only)\n\
         + queue orders.stock (bound to channel orders)\n"
    );
    assert_eq!((plan.code, applied.code, after.code), (Some(1), Some(0), Some(0)));
    assert_eq!((applied.data, after.data.as_str()), (plan.data, ""));
    // when a flow is renamed
    scene.rename_stock("stocks");
    let plan = scene.topology_on(&bus, "plan", &[]).await;
    // then
    assert_eq!(
        plan.data,
        "+ queue orders.stocks (bound to channel orders)\n\
         ? queue orders.stock: bound to channel orders, and no flow of the landscape reads it (0 messages)\n    \
         = mend: run the flow under its old name until its queue is empty\n"
    );
}

#[tokio::test]
async fn whoever_looks_at_what_is_parked_makes_nothing() {
    // given a broker that has nothing
    let scene = Scene::new().await;
    let before = scene.topology("plan", &[]).await;
    let own = scene.variables();
    let variables: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // when
    let (code, data, talk) = output(&["dead-letters", "list", scene.landscape()], &variables).await;
    // then
    assert_eq!(
        (code, data.as_str(), talk.as_str()),
        (
            Some(0),
            "",
            "nothing is parked: no queue of the landscape is there yet; `trunkline run` makes them\n"
        )
    );
    let after = scene.topology("plan", &[]).await;
    assert_eq!(after.data, before.data);
    assert!(after.data.contains("+ queue orders.stock.dead"), "{}", after.data);
}

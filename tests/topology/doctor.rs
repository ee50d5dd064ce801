//! What the doctor tells of a broker, well and ill.

use lapin::{
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use crate::{
    scene::{Said, Scene, until},
    support::services::Broker,
};

/// The findings of this severity, in short.
fn told(said: &Said, severity: &str) -> Vec<String> {
    let findings: Vec<Value> =
        serde_json::from_str(&said.data).unwrap_or_else(|_| panic!("{}{}", said.data, said.talk));
    findings
        .iter()
        .filter(|finding| finding["severity"] == severity)
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_broker_as_the_landscape_wants_it_loses_nothing() {
    // given
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    // when, as soon as the broker has counted the consumers
    let mut said = scene.topology("doctor", &[]).await;
    until(async || {
        said = scene.topology("doctor", &[]).await;
        said.data
            .contains("no process reads")
            .then_some(())
            .ok_or(said.data.clone())
    })
    .await;
    // then
    assert_eq!(said.code, Some(0));
    let findings: Vec<_> = said.data.lines().filter(|line| !line.starts_with(' ')).collect();
    // What is told of the version and of the test's own node is another matter.
    let others: Vec<_> = findings
        .iter()
        .filter(|line| !line.contains("the broker is RabbitMQ") && !line.starts_with("stalls: node `"))
        .copied()
        .collect();
    assert_eq!(
        others,
        [
            "note: the broker is a single node",
            "note: `consumer_timeout` cannot be seen here",
            "note: no process reads orders.stock",
            "note: user `guest` may make and remove queues",
        ]
    );
    assert!(said.data.contains("only at 50 MB of free disk"), "{}", said.data);
    assert_eq!(
        said.talk,
        format!(
            "amqp:…: {} findings, 0 of them would lose messages\n",
            findings.len()
        )
    );
    for part in said.data.lines().filter(|line| line.starts_with(' ')) {
        assert!(
            part.starts_with("    why: ") || part.starts_with("    = mend: "),
            "{part}"
        );
    }
}

#[tokio::test]
async fn queues_of_another_make_lose_and_each_says_how() {
    // given: a classic work queue, a quorum queue with the broker's defaults, an exchange that hides what nobody takes
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    for queue in ["orders.stock", "drop.orders-in.dead"] {
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    let table = |name: &str, value: &str| {
        let mut table = FieldTable::default();
        table.insert(name.into(), AMQPValue::LongString(value.into()));
        table
    };
    for (queue, kind) in [("orders.stock", "classic"), ("drop.orders-in.dead", "quorum")] {
        channel
            .queue_declare(
                queue.into(),
                QueueDeclareOptions::durable(),
                table("x-queue-type", kind),
            )
            .await
            .unwrap();
    }
    channel
        .exchange_delete("trunkline.orders".into(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            "trunkline.orders".into(),
            lapin::ExchangeKind::Topic,
            durable,
            table("alternate-exchange", "amq.fanout"),
        )
        .await
        .unwrap();
    // when
    let said = scene.topology("doctor", &["--json"]).await;
    // then
    assert_eq!(said.code, Some(1));
    assert_eq!(
        told(&said, "loses"),
        [
            "exchange `trunkline.orders` has the alternate exchange \"amq.fanout\"",
            "queue `drop.orders-in.dead` does not refuse when it is full (`x-overflow`)",
            "queue `drop.orders-in.dead` has too low a delivery limit, or none",
            "queue `orders.stock` is classic, not quorum",
            "bindings are missing: trunkline.dead -> drop.orders-in.dead, trunkline.redeliver -> orders.stock, \
             trunkline.orders -> orders.stock",
        ]
    );
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn policies_that_override_are_told_with_what_they_do() {
    // given
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let policies = [
        (
            "policies",
            "keep-short",
            r#"{"pattern": "^orders\\.", "apply-to": "queues", "priority": 1,
                "definition": {"overflow": "drop-head", "max-length": 10, "message-ttl": 1000}}"#,
        ),
        (
            "policies",
            "outranked",
            r#"{"pattern": ".*", "apply-to": "queues", "definition": {"expires": 1000000}}"#,
        ),
        (
            "policies",
            "catch-all",
            r#"{"pattern": "^trunkline\\.orders$", "apply-to": "exchanges",
                "definition": {"alternate-exchange": "amq.fanout"}}"#,
        ),
        (
            "operator-policies",
            "careful",
            r#"{"pattern": "^orders\\.stock$", "apply-to": "queues", "definition": {"delivery-limit": 20}}"#,
        ),
    ];
    for (kind, name, policy) in policies {
        scene.put(kind, name, policy).await;
    }
    // when
    let said = scene.topology("doctor", &["--json"]).await;
    // then
    assert_eq!(said.code, Some(1));
    let losing = told(&said, "loses");
    for told in [
        "policy `keep-short` sets `overflow` of queue `orders.stock` to drop-head",
        "policy `keep-short` sets `overflow` of queue `orders.stock.dead` to drop-head",
        "policy `keep-short` sets `message-ttl` of queue `orders.stock.dead` to 1000",
        "policy `outranked` sets `expires` of queue `drop.orders-in.dead` to 1000000",
        "policy `outranked` sets `expires` of queue `trunkline.retry.5s` to 1000000",
        "policy `catch-all` sets `alternate-exchange` of exchange `trunkline.orders` to amq.fanout",
    ] {
        assert!(
            losing.iter().any(|finding| finding == told),
            "{told}\n{losing:#?}"
        );
    }
    assert_eq!(losing.len(), 3 + 7 + 1, "{losing:#?}");
    let stalling = told(&said, "stalls");
    for told in [
        "policy `keep-short` sets `message-ttl` of queue `orders.stock` to 1000",
        "policy `careful` sets `delivery-limit` of queue `orders.stock` to 20",
    ] {
        assert!(
            stalling.iter().any(|finding| finding == told),
            "{told}\n{stalling:#?}"
        );
    }
}

#[tokio::test]
async fn what_nobody_reads_and_who_may_not_are_told() {
    // given: messages in a queue without a reader, a forgotten queue, an application that refuses when it is full
    let scene = Scene::new().await;
    scene.topology("apply", &[]).await;
    let (connection, channel) = scene.client().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(10));
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    for queue in ["orders.old-flow", "reports.orders"] {
        channel
            .queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments.clone())
            .await
            .unwrap();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.into(),
                "trunkline.orders".into(),
                "#".into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    scene.publish(&channel, "trunkline.orders", 3).await;
    // and a user who may do something else
    let user = format!("{}-other", scene.vhost.name());
    let broker = Broker::shared();
    let _accounts = broker.accounts(scene.vhost.name(), &["other"]);
    let path = format!("/api/users/{user}");
    let made = broker
        .manage("PUT", &path, r#"{"password": "s3cret", "tags": ""}"#)
        .await
        .unwrap();
    assert_eq!(made.0, 201);
    scene
        .put(
            "permissions",
            &user,
            r#"{"configure": "^$", "write": "^trunkline\\.(dead|retry\\..*)$", "read": "^orders\\."}"#,
        )
        .await;
    let bus = scene.amqp_as(&user, "s3cret");
    let variables = [("TRUNKLINE_BUS", bus.as_str())];
    // when, as soon as the broker has counted
    let mut stalling = Vec::new();
    until(async || {
        let said = scene.topology_with(&variables, "doctor", &["--json"]).await;
        assert_eq!(said.code, Some(0), "{}", said.data);
        stalling = told(&said, "stalls");
        let counted = stalling.iter().any(|finding| finding.contains("messages wait"));
        counted.then_some(()).ok_or(said.data)
    })
    .await;
    // then
    stalling.retain(|finding| !finding.starts_with("node `"));
    assert_eq!(
        stalling,
        [
            "queue `orders.old-flow` fills, and no flow of the landscape reads it",
            "3 messages wait in queue `orders.stock`, and no process reads it",
            "queue `reports.orders` of another program, bound to `trunkline.orders`, refuses when it is full",
            &format!("user `{user}` may not write to trunkline.orders"),
        ]
    );
    // when it is the user of process `stock`, which publishes nothing, then it may do what it needs
    let said = scene
        .topology_with(&variables, "doctor", &["--json", "--process", "stock"])
        .await;
    assert!(!said.data.contains("may not"), "{}", said.data);
    connection.close(200, "done".into()).await.unwrap();
}

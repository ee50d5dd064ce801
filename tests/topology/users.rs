//! The users that `trunkline topology users` makes, each trying what it must not do.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};
use serde_json::{Value, json};

use crate::{
    scene::Scene,
    support::services::{Accounts, Broker},
};

const PASSWORD: &str = "s3cret-of-the-test";
const PASSWORDS: [(&str, &str); 4] = [
    ("TRUNKLINE_PASSWORD_SHOP", PASSWORD),
    ("TRUNKLINE_PASSWORD_STOCK", PASSWORD),
    ("TRUNKLINE_PASSWORD_OPERATOR", PASSWORD),
    ("TRUNKLINE_PASSWORD_TOPOLOGY", PASSWORD),
];

/// The users of a scene begin with the name of its virtual host.
fn accounts(scene: &Scene) -> Accounts {
    Broker::shared().accounts(scene.vhost.name(), &["shop", "stock", "operator", "topology"])
}

async fn connect(scene: &Scene, role: &str) -> Connection {
    let user = format!("{}-{role}", scene.vhost.name());
    Connection::connect(&scene.amqp_as(&user, PASSWORD), ConnectionProperties::default())
        .await
        .unwrap_or_else(|error| panic!("{role}: {error}"))
}

/// Something that a user tries.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish(&'static str),
    Take(&'static str),
    MakeQueue(&'static str),
    RemoveQueue(&'static str),
    MakeExchange(&'static str),
    RemoveExchange(&'static str),
    Bind(&'static str, &'static str),
    Unbind(&'static str, &'static str),
}

async fn attempt(channel: &Channel, act: Act) -> Result<(), lapin::Error> {
    let none = FieldTable::default;
    match act {
        Act::Publish(exchange) => {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let properties = BasicProperties::default().with_message_id("m".into());
            let options = BasicPublishOptions::default();
            let confirm = channel
                .basic_publish(exchange.into(), "orders.stock".into(), options, b"m", properties)
                .await?;
            confirm.await.map(drop)
        }
        Act::Take(queue) => channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await
            .map(drop),
        Act::MakeQueue(queue) => channel
            .queue_declare(queue.into(), QueueDeclareOptions::durable(), none())
            .await
            .map(drop),
        Act::RemoveQueue(queue) => channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .map(drop),
        Act::MakeExchange(exchange) => {
            let options = ExchangeDeclareOptions::default();
            channel
                .exchange_declare(exchange.into(), ExchangeKind::Topic, options, none())
                .await
        }
        Act::RemoveExchange(exchange) => {
            channel
                .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
                .await
        }
        Act::Bind(queue, exchange) => {
            let options = QueueBindOptions::default();
            channel
                .queue_bind(queue.into(), exchange.into(), "#".into(), options, none())
                .await
        }
        Act::Unbind(queue, exchange) => {
            channel
                .queue_unbind(queue.into(), exchange.into(), "#".into(), none())
                .await
        }
    }
}

fn is_refusal(error: &lapin::Error) -> bool {
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(refusal) if refusal.get_id() == 403)
}

#[tokio::test]
async fn each_user_is_refused_what_its_role_does_not_need_and_let_do_what_it_does() {
    // given the landscape, made by an administrator, with its users
    let scene = Scene::new().await;
    let _accounts = accounts(&scene);
    assert_eq!(scene.topology("apply", &[]).await.code, Some(0));
    let made = scene
        .topology_with(&PASSWORDS, "users", &["--apply", "--prefix", scene.vhost.name()])
        .await;
    assert_eq!(made.code, Some(0), "{}", made.talk);
    assert_eq!(made.data, "", "no password that was not asked for");
    assert!(!made.talk.contains(PASSWORD));
    // when each tries everything
    let acts = [
        Act::Publish("trunkline.orders"),
        Act::Publish("trunkline.dead"),
        Act::Publish("trunkline.retry.5s"),
        Act::Publish("trunkline.redeliver"),
        Act::Publish(""),
        Act::Publish("amq.topic"),
        Act::Take("orders.stock"),
        Act::Take("orders.stock.dead"),
        Act::Take("drop.orders-in.dead"),
        Act::Take("trunkline.retry.5s"),
        Act::MakeQueue("orders.more"),
        Act::MakeQueue("reports"),
        Act::RemoveQueue("orders.stock.dead"),
        Act::MakeExchange("trunkline.more"),
        Act::RemoveExchange("trunkline.orders"),
        Act::Bind("orders.stock", "trunkline.orders"),
        Act::Unbind("orders.stock", "trunkline.orders"),
    ];
    let allowed = |role: &str, act: Act| {
        let act = format!("{act:?}");
        let may: &[&str] = match role {
            "shop" => &[
                r#"Publish("trunkline.orders")"#,
                r#"Publish("trunkline.dead")"#,
                r#"Publish("trunkline.retry.5s")"#,
            ],
            "stock" => &[
                r#"Publish("trunkline.dead")"#,
                r#"Publish("trunkline.retry.5s")"#,
                r#"Take("orders.stock")"#,
            ],
            _ => &[
                r#"Publish("trunkline.dead")"#,
                r#"Publish("trunkline.redeliver")"#,
                r#"Take("orders.stock.dead")"#,
                r#"Take("drop.orders-in.dead")"#,
            ],
        };
        may.contains(&act.as_str())
    };
    for role in ["shop", "stock", "operator"] {
        let connection = connect(&scene, role).await;
        for act in acts {
            let channel = connection.create_channel().await.unwrap();
            // then it is refused with 403, or done
            match attempt(&channel, act).await {
                Ok(()) => assert!(allowed(role, act), "{role} may {act:?}"),
                Err(error) => {
                    assert!(is_refusal(&error), "{role}, {act:?}: {error}");
                    assert!(!allowed(role, act), "{role} may not {act:?}: {error}");
                }
            }
        }
        connection.close(200, "done".into()).await.unwrap();
    }
    // then: the topology's own user makes what is missing, and looks
    let (connection, channel) = scene.client().await;
    attempt(&channel, Act::RemoveExchange("trunkline.orders"))
        .await
        .unwrap();
    let user = format!("{}-topology", scene.vhost.name());
    let as_user = [
        ("TRUNKLINE_BUS", scene.amqp_as(&user, PASSWORD)),
        (
            "TRUNKLINE_MANAGEMENT",
            scene.management_as(&format!("{user}:{PASSWORD}")),
        ),
    ];
    let as_user: Vec<_> = as_user
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let applied = scene.topology_with(&as_user, "apply", &[]).await;
    assert_eq!(
        (applied.code, applied.data.as_str()),
        (
            Some(0),
            "+ exchange trunkline.orders (topic)\n+ binding trunkline.orders -> orders.stock (key #)\n"
        ),
        "{}",
        applied.talk
    );
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn an_administrator_is_given_commands_without_a_password() {
    let scene = Scene::new().await;
    let vhost = scene.vhost.name();
    let said = scene.topology_with(&PASSWORDS, "users", &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.talk);
    assert_eq!(
        said.data,
        format!(
            "printf '%s\\n' \"$TRUNKLINE_PASSWORD_SHOP\" | rabbitmqctl add_user trunkline-shop\n\
             rabbitmqctl set_permissions -p '{vhost}' trunkline-shop '^$' '^(orders\\.stock|trunkline\\.dead|\
             trunkline\\.orders|trunkline\\.retry\\.10m|trunkline\\.retry\\.1h|trunkline\\.retry\\.1s|trunkline\\.retry\\.2m|\
             trunkline\\.retry\\.30s|trunkline\\.retry\\.5s)$' '^$'\n\
             printf '%s\\n' \"$TRUNKLINE_PASSWORD_STOCK\" | rabbitmqctl add_user trunkline-stock\n\
             rabbitmqctl set_permissions -p '{vhost}' trunkline-stock '^$' '^(trunkline\\.dead|\
             trunkline\\.retry\\.10m|trunkline\\.retry\\.1h|trunkline\\.retry\\.1s|trunkline\\.retry\\.2m|\
             trunkline\\.retry\\.30s|trunkline\\.retry\\.5s)$' '^orders\\.stock$'\n\
             printf '%s\\n' \"$TRUNKLINE_PASSWORD_OPERATOR\" | rabbitmqctl add_user trunkline-operator\n\
             rabbitmqctl set_permissions -p '{vhost}' trunkline-operator '^$' '^(trunkline\\.dead|\
             trunkline\\.redeliver)$' '^(drop\\.orders-in\\.dead|orders\\.stock\\.dead)$'\n\
             printf '%s\\n' \"$TRUNKLINE_PASSWORD_TOPOLOGY\" | rabbitmqctl add_user trunkline-topology\n\
             rabbitmqctl set_permissions -p '{vhost}' trunkline-topology '.*' '.*' '.*'\n\
             rabbitmqctl set_user_tags trunkline-topology monitoring policymaker\n"
        )
    );
}

#[tokio::test]
async fn definitions_hold_hashes_and_can_be_imported() {
    // given
    let scene = Scene::new().await;
    let _accounts = accounts(&scene);
    let prefix = scene.vhost.name();
    // when no password is set, and none is to be shown
    let refused = scene.topology("users", &["--json", "--prefix", prefix]).await;
    // then
    assert_eq!((refused.code, refused.data.as_str()), (Some(1), ""));
    assert!(
        refused.talk.contains("TRUNKLINE_PASSWORD_SHOP"),
        "{}",
        refused.talk
    );
    // when one is set and the others are to be shown
    let said = scene
        .topology_with(
            &PASSWORDS[..1],
            "users",
            &["--json", "--show-passwords", "--prefix", prefix],
        )
        .await;
    // then
    assert_eq!(said.code, Some(0), "{}", said.talk);
    assert!(!said.data.contains(PASSWORD) && !said.talk.contains(PASSWORD));
    assert_eq!(
        said.talk.matches("TRUNKLINE_PASSWORD_").count(),
        3,
        "{}",
        said.talk
    );
    let definitions: Value = serde_json::from_str(&said.data).unwrap();
    assert_eq!(definitions["users"].as_array().map(Vec::len), Some(4));
    let (status, answer) = scene
        .broker
        .manage("POST", "/api/definitions", &said.data)
        .await
        .unwrap();
    assert!((200..300).contains(&status), "{status} {answer}");
    connect(&scene, "shop")
        .await
        .close(200, "done".into())
        .await
        .unwrap();
    let (_, rights) = scene
        .broker
        .manage("GET", &format!("/api/users/{prefix}-stock/permissions"), "")
        .await
        .unwrap();
    let rights: Value = serde_json::from_str(&rights).unwrap();
    assert_eq!(rights[0]["read"], json!("^orders\\.stock$"));
    // when the users are there, then their rights are set again without any password
    let again = scene.topology("users", &["--apply", "--prefix", prefix]).await;
    assert_eq!(again.code, Some(0), "{}", again.talk);
    connect(&scene, "shop")
        .await
        .close(200, "done".into())
        .await
        .unwrap();
}

//! A landscape grows: from the embedded bus to RabbitMQ.

use trunkline::{
    bus::{Bus, Channel, Destination, Hop, Outgoing, Queue, Takes, Topology, embedded::EmbeddedBus},
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, QueueName, TypeName},
};

use crate::{scene::Scene, support::services::Broker};

/// Three orders wait for the flow `route-orders` of the shop.
async fn three_orders_wait(scene: &Scene) {
    let channel = ChannelName::new("orders").expect("it is a word");
    let flow = FlowName::new("route-orders").expect("it is a word");
    let type_name = TypeName::new("trunkline.commerce.v1.Order");
    let bus = EmbeddedBus::open(&scene.home().join("data")).expect("it opens");
    let landscape = Topology {
        channels: vec![Channel {
            name: channel.clone(),
            type_name: type_name.clone(),
        }],
        queues: vec![Queue {
            name: QueueName::of_subscriber(&channel, &flow),
            channel: Some(channel.clone()),
            takes: Takes::All,
        }],
    };
    bus.declare(&landscape).await.expect("it is new");
    for id in ["a", "b", "c"] {
        let content = Content::Canonical {
            type_name: type_name.clone(),
            bytes: Vec::new().into(),
        };
        let id = MessageId::foreign(id).expect("it is short");
        let time = "2026-11-25T13:00:00Z".parse().expect("it is a time");
        let hop = Hop {
            inputs: Vec::new(),
            outputs: vec![Outgoing {
                to: Destination::Channel(channel.clone()),
                message: Message::new(id, "/test", time, content),
            }],
            state: None,
        };
        assert!(bus.complete(vec![hop]).await.iter().all(Result::is_ok));
    }
    bus.close().await;
}

#[tokio::test]
async fn a_drain_says_what_it_moved_and_a_second_one_finds_nothing() {
    // given
    let scene = Scene::shop();
    three_orders_wait(&scene).await;
    let vhost = Broker::shared().fresh_vhost().await;
    let there = vhost.amqp();
    // when, then
    for moved in ["3 messages moved", "0 messages moved"] {
        let (code, data, talk) = scene
            .command(&["bus", "drain", "embedded:./data", there], &[])
            .await;
        assert_eq!((code, data.as_str()), (Some(0), ""), "{talk}");
        let rest = "(0 of them waited for another attempt), 0 parked, 0 positions\n";
        assert_eq!(talk, format!("{moved} {rest}"));
    }
    // when, then: and back
    let (code, _, talk) = scene
        .command(&["bus", "drain", there, "embedded:./data"], &[])
        .await;
    assert_eq!(code, Some(0), "{talk}");
    assert!(talk.starts_with("3 messages moved"), "{talk}");
}

#[tokio::test]
async fn a_drain_from_nowhere_or_to_itself_is_refused() {
    let scene = Scene::shop();
    let password = "c4nary-9f3b";
    let secret = format!("kafka://u:{password}@h");
    for (from, to, told) in [
        (
            "embedded:./nowhere",
            "embedded:./data",
            "there is no embedded bus in",
        ),
        ("embedded:./data", "embedded:./data", "both are the same bus"),
        ("embedded:", "embedded:./data", "no address of a bus"),
        (secret.as_str(), "embedded:./data", "no address of a bus"),
    ] {
        let (code, data, talk) = scene.command(&["bus", "drain", from, to], &[]).await;
        assert_eq!((code, data.as_str()), (Some(1), ""), "{talk}");
        assert!(talk.contains(told), "{talk}");
        assert!(talk.contains("  = hint: "), "{talk}");
        assert!(!talk.contains(password), "{talk}");
    }
    assert!(!scene.home().join("data").exists(), "nothing was made");
}

//! A message on the wire is a public interface: a plain Python client takes part with the `.proto` files and
//! the README alone.
//!
//! The client (`client.py`) knows nothing of Trunkline; all names it is given stand in the README, and the
//! README's own example is run as it stands.

mod client;
mod document;
mod landscape;
mod order;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeSet, os::unix::fs::symlink, path::Path, process::Command};

use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::block_in_place;
use trunkline::{
    bus::{Bus, Cause, Hop},
    message::{Content, Message, Trace},
    names::{MessageId, TypeName},
};

use crate::{
    client::{Client, python, root},
    landscape::{Landscape, stock},
    order::{ORDER, decoded, order, order_json, publication},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_trunkline_publishes_is_read_by_a_plain_python_client() {
    // given a client with a queue of its own on the channel's exchange
    let landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());
    client.ask(&json!({
        "do": "listen", "queue": "reports.orders", "exchange": "trunkline.orders", "key": format!("*.{ORDER}"),
    }));

    // when Trunkline publishes an order that has every attribute
    let body = order().encode_to_vec();
    let content = Content::Canonical {
        type_name: TypeName::new(ORDER),
        bytes: body.clone().into(),
    };
    let id = MessageId::foreign("452339d3-77a9-8746-bc0f-44f8fd8b6a02").unwrap();
    let time = "2026-11-25T13:00:00.25Z".parse().unwrap();
    let mut message = Message::new(id, "/shop/orders-in", time, content);
    message.subject = Some("orders/create".into());
    message.key = Some("1001".into());
    message.correlation_id = Some("journey-1".into());
    message.causation_id = MessageId::foreign("web/orders/1001/paid");
    message.expires_at = Some("2026-11-26T13:00:00Z".parse().unwrap());
    message.reply_to = Some("answers".into());
    message.trace = Some(Trace {
        parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        state: Some("vendor=1".into()),
    });
    landscape.publish(message).await;

    // then the client reads it, by the .proto files, with properties and headers as documented
    let received = client.ask(&json!({ "do": "receive", "queue": "reports.orders" }));
    assert_eq!(received["message"], order_json());
    assert_eq!(received["body"], hex(&body));
    assert_eq!(received["routing_key"], format!("62.{ORDER}"));
    let properties = json!({
        "content_type": "application/protobuf",
        "type": ORDER,
        "message_id": "452339d3-77a9-8746-bc0f-44f8fd8b6a02",
        "correlation_id": "journey-1",
        "timestamp": 1_795_611_600,
        "app_id": "trunkline",
        "reply_to": "answers",
        "delivery_mode": 2,
    });
    assert_eq!(received["properties"], properties);
    let headers = json!({
        "cloudEvents_source": "/shop/orders-in",
        "cloudEvents_subject": "orders/create",
        "cloudEvents_time": "2026-11-25T13:00:00.25Z",
        "cloudEvents_partitionkey": "1001",
        "cloudEvents_causationid": "web/orders/1001/paid",
        "cloudEvents_expirytime": "2026-11-26T13:00:00Z",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": "vendor=1",
        "trunkline_body_hash": hash(&body),
    });
    assert_eq!(received["headers"], headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_plain_python_client_publishes_is_received_with_its_attributes() {
    // given
    let mut landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());

    // when the client publishes an order with every attribute that it may set
    let mut publication = publication();
    let properties = publication["properties"].as_object_mut().unwrap();
    properties.extend([
        ("correlation_id".to_owned(), json!("journey-1")),
        ("timestamp".to_owned(), json!(1_795_611_600)),
        ("app_id".to_owned(), json!("web")),
        ("reply_to".to_owned(), json!("answers")),
    ]);
    properties.insert(
        "headers".to_owned(),
        json!({
            "cloudEvents_source": "/web",
            "cloudEvents_subject": "orders/1001",
            "cloudEvents_time": "2026-11-25T14:00:00.25+01:00",
            "cloudEvents_partitionkey": "1001",
            "cloudEvents_causationid": "click-7",
            "cloudEvents_expirytime": "2026-11-26T13:00:00Z",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "tracestate": "vendor=1",
            "trunkline_body_hash": hash(&order().encode_to_vec()),
        }),
    );
    let answer = client.ask(&publication);

    // then a subscription of Trunkline receives it, canonical and whole
    assert_eq!(answer["outcome"], "confirmed");
    let delivery = landscape.receive().await;
    assert!(delivery.unreadable.is_none(), "{:?}", delivery.unreadable);
    assert_eq!(decoded(&delivery), order());
    assert_eq!(delivery.attempt, 1);
    let message = &delivery.message;
    assert_eq!(message.id.as_str(), "web/orders/1001/paid");
    assert_eq!(&*message.source, "/web");
    assert_eq!(message.subject.as_deref(), Some("orders/1001"));
    assert_eq!(message.time, "2026-11-25T13:00:00.25Z".parse().unwrap());
    assert_eq!(message.key.as_deref(), Some("1001"));
    assert_eq!(message.correlation_id.as_deref(), Some("journey-1"));
    assert_eq!(message.causation_id, MessageId::foreign("click-7"));
    assert_eq!(message.expires_at, Some("2026-11-26T13:00:00Z".parse().unwrap()));
    assert_eq!(message.reply_to.as_deref(), Some("answers"));
    let trace = message.trace.as_ref().unwrap();
    assert_eq!(
        &*trace.parent,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    );
    assert_eq!(trace.state.as_deref(), Some("vendor=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_need_not_set_may_be_left_out() {
    // given
    let mut landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());

    // when it sets what is required, first nothing else, then headers in other forms than text too
    client.ask(&publication());
    let mut odd = publication();
    odd["properties"]["app_id"] = json!("web");
    odd["properties"]["timestamp"] = json!(1_795_611_600);
    odd["properties"]["headers"] =
        json!({ "cloudEvents_partitionkey": 1001, "retries": [1, 2], "colour": "red" });
    client.ask(&odd);

    // then both are accepted, and what is missing has the documented value
    let bare = landscape.receive().await;
    assert!(bare.unreadable.is_none(), "{:?}", bare.unreadable);
    assert_eq!(decoded(&bare), order());
    assert_eq!(&*bare.message.source, "unknown");
    assert_eq!(bare.message.time, "1970-01-01T00:00:00Z".parse().unwrap());
    assert_eq!((&bare.message.key, &bare.message.correlation_id), (&None, &None));
    let odd = landscape.receive().await;
    assert!(odd.unreadable.is_none(), "{:?}", odd.unreadable);
    assert_eq!(&*odd.message.source, "web");
    assert_eq!(odd.message.time, "2026-11-25T13:00:00Z".parse().unwrap());
    assert_eq!(odd.message.key, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_lacks_something_is_parked_with_its_body_and_says_what_it_lacks() {
    type Spoil = fn(&mut Value);
    let cases: [(&str, Spoil); 4] = [
        ("no `message_id`", |properties| {
            properties.as_object_mut().unwrap().remove("message_id");
        }),
        ("no `type`", |properties| {
            properties.as_object_mut().unwrap().remove("type");
        }),
        ("`content_type` is not `application/protobuf`", |properties| {
            properties["content_type"] = json!("application/json");
        }),
        ("does not match its header `trunkline_body_hash`", |properties| {
            properties["headers"] = json!({ "trunkline_body_hash": hash(b"another order") });
        }),
    ];
    let mut landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());
    for (reason, spoil) in cases {
        // given a publication that lacks something
        let mut publication = publication();
        spoil(&mut publication["properties"]);

        // when the client publishes it, and Trunkline parks what it cannot accept
        let answer = client.ask(&publication);
        let delivery = landscape.receive().await;
        let fault = delivery.unreadable.as_ref().expect(reason);
        let cause = Cause {
            what: fault.what.clone(),
            hint: fault.hint.clone(),
            flow: stock(),
            step: "receive".to_owned(),
            at: "2026-11-25T13:00:00Z".parse().unwrap(),
        };
        landscape
            .bus
            .complete(vec![Hop::park(delivery, cause)])
            .await
            .remove(0)
            .unwrap();

        // then it waits for a person, its body as it came and with the reason
        assert_eq!(answer["outcome"], "confirmed");
        let parked = client.ask(&json!({ "do": "receive", "queue": "orders.stock.dead" }));
        assert_eq!(parked["body"], answer["body"]);
        assert_eq!(parked["properties"]["delivery_mode"], 2);
        let headers = &parked["headers"];
        let told = headers["trunkline_fault"].as_str().unwrap();
        assert!(told.contains(reason), "{told} does not say: {reason}");
        assert!(headers["trunkline_fault_hint"].is_string(), "{reason}");
        assert_eq!(headers["trunkline_fault_flow"], "stock");
        assert_eq!(headers["trunkline_fault_step"], "receive");
        assert_eq!(headers["trunkline_fault_time"], "2026-11-25T13:00:00Z");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_type_is_received_as_the_type_it_names() {
    // given
    let mut landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());

    // when the client sends a shipment to the channel of orders
    const SHIPMENT: &str = "trunkline.logistics.v1.Shipment";
    let mut publication = publication();
    publication["routing_key"] = json!(format!("any.{SHIPMENT}"));
    publication["properties"]["type"] = json!(SHIPMENT);
    publication["encode"] = json!(SHIPMENT);
    publication["message"] = json!({ "shipment_id": "S-1" });
    client.ask(&publication);

    // then it is no order to Trunkline either, whatever its bytes would decode to: its flow can refuse it
    let delivery = landscape.receive().await;
    assert!(delivery.unreadable.is_none(), "{:?}", delivery.unreadable);
    assert!(matches!(&delivery.message.content,
        Content::Canonical { type_name, .. } if type_name.as_str() == SHIPMENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_channel_that_nobody_reads_comes_back_to_its_publisher() {
    // given
    let landscape = Landscape::start().await;
    let mut client = Client::start(landscape.vhost.amqp());

    // when
    let mut publication = publication();
    publication["exchange"] = json!("trunkline.returns");
    let answer = client.ask(&publication);

    // then
    assert_eq!(answer["outcome"], "returned");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publisher_in_the_readme_runs_as_it_stands() {
    // given a folder with the .proto files and the two blocks of the README
    let mut landscape = Landscape::start().await;
    let folder = TempDir::new().unwrap();
    symlink(root().join("proto"), folder.path().join("proto")).unwrap();
    std::fs::write(folder.path().join("publish.py"), document::block("publish")).unwrap();

    // when a person runs them
    shell(
        folder.path(),
        landscape.vhost.amqp(),
        &document::block("generate"),
    );
    shell(folder.path(), landscape.vhost.amqp(), &document::block("run"));

    // then the order is on the bus, with the attributes that the example sets
    let delivery = landscape.receive().await;
    assert!(delivery.unreadable.is_none(), "{:?}", delivery.unreadable);
    let order = decoded(&delivery);
    assert_eq!((&*order.order_id, order.lines.len()), ("1001", 1));
    assert_eq!(delivery.message.id.as_str(), "web/orders/1001/placed");
    assert_eq!(&*delivery.message.source, "web");
    assert_eq!(
        delivery.message.time.as_second(),
        order.placed_at.unwrap().seconds
    );
}

#[test]
fn the_readme_names_every_property_and_header() {
    // given what the envelope's source spells out as names on the wire
    let source = std::fs::read_to_string(root().join("src/bus/envelope.rs")).unwrap();
    let (source, _tests) = source.split_once("#[cfg(test)]").unwrap();
    let headers = source
        .lines()
        .filter_map(|line| line.strip_prefix("const ")?.split('"').nth(1));
    let properties = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/// `")?.split('`').next());
    let names: BTreeSet<_> = headers.chain(properties).collect();
    assert!(names.contains("cloudEvents_source") && names.contains("message_id"));

    // when they are looked up in the README
    let section = document::section();
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| !section.contains(&format!("`{name}`")))
        .collect();

    // then none is missing
    assert_eq!(missing, Vec::<&str>::new());
}

/// What `trunkline_body_hash` says of a body.
fn hash(body: &[u8]) -> String {
    let hex: String = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn hex(body: &[u8]) -> String {
    body.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs commands in a folder, with the tests' Python as `python`.
fn shell(folder: &Path, amqp: &str, commands: &str) {
    let python = python();
    let tools = python.parent().expect("it is in a folder").display().to_string();
    let path = std::env::var("PATH").expect("it is set");
    let status = block_in_place(|| {
        Command::new("sh")
            .args(["-e", "-c", commands])
            .current_dir(folder)
            .env("PATH", format!("{tools}:{path}"))
            .env("AMQP_URL", amqp)
            .status()
    });
    assert!(
        matches!(status, Ok(status) if status.success()),
        "it fails: {commands}"
    );
}

//! The messages that the sentences send and look for.

use bytes::Bytes;
use prost::Message as _;
use trunkline::{
    message::{Content, Message, Trace},
    names::{MessageId, TypeName},
};
use trunkline_proto::commerce::v1::{Order, OrderLine, OrderStatus, StockMove};

pub(crate) const ORDER: &str = "trunkline.commerce.v1.Order";
pub(crate) const MOVE: &str = "trunkline.commerce.v1.StockMove";

/// A paid order of one piece each of these articles.
pub(crate) fn order(id: &str, articles: &[&str]) -> Order {
    let line = |sku: &&str| OrderLine {
        sku: (*sku).to_owned(),
        quantity: 1,
        ..OrderLine::default()
    };
    Order {
        order_id: id.to_owned(),
        status: OrderStatus::Paid.into(),
        lines: articles.iter().map(line).collect(),
        ..Order::default()
    }
}

/// An order on its way, with every attribute that a journey has; the message's id is `m-<order>`.
pub(crate) fn message(order: &Order) -> Message {
    let content = canonical(ORDER, order.encode_to_vec());
    let time = "2026-11-25T13:00:00.25Z".parse().unwrap();
    let mut message = Message::new(id(&format!("m-{}", order.order_id)), "/web", time, content);
    message.subject = Some("orders/create".into());
    message.key = Some(order.order_id.as_str().into());
    message.correlation_id = Some("journey".into());
    message.trace = Some(Trace {
        parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        state: Some("vendor=1".into()),
    });
    message
}

/// A message of a paid order for one article.
pub(crate) fn paid(id: &str) -> Message {
    message(&order(id, &["TEA"]))
}

/// A message of an order that nobody has paid.
pub(crate) fn pending(id: &str) -> Message {
    message(&Order {
        status: OrderStatus::Pending.into(),
        ..order(id, &["TEA"])
    })
}

/// A message of an order without lines, which no mapping of ours can take.
pub(crate) fn bare(id: &str) -> Message {
    message(&order(id, &[]))
}

/// A message of a stock move, with no attribute beside.
pub(crate) fn moved(order_id: &str) -> Message {
    let moved = StockMove {
        order_id: order_id.to_owned(),
        sku: "TEA".to_owned(),
        quantity: 1,
        ..StockMove::default()
    };
    let time = "2026-11-25T13:00:00.25Z".parse().unwrap();
    Message::new(
        id(&format!("m-{order_id}")),
        "/web",
        time,
        canonical(MOVE, moved.encode_to_vec()),
    )
}

pub(crate) fn canonical(type_name: &str, bytes: impl Into<Bytes>) -> Content {
    Content::Canonical {
        type_name: TypeName::new(type_name),
        bytes: bytes.into(),
    }
}

pub(crate) fn id(text: &str) -> MessageId {
    MessageId::foreign(text).unwrap()
}

/// The stock move that a message carries.
pub(crate) fn stock_move(message: &Message) -> StockMove {
    match &message.content {
        Content::Canonical { type_name, bytes } if type_name.as_str() == MOVE => {
            StockMove::decode(bytes.clone()).unwrap()
        }
        other => panic!("no stock move, but {other:?}"),
    }
}

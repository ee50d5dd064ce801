//! One order, as each side writes it.

use prost::Message as _;
use serde_json::{Value, json};
use trunkline::{bus::Delivery, message::Content};
use trunkline_proto::{
    commerce::v1::{Order, OrderLine, OrderStatus},
    google::r#type::Money,
};

/// Its type.
pub(crate) const ORDER: &str = "trunkline.commerce.v1.Order";

/// An order as protobuf's JSON, for the Python side.
pub(crate) fn order_json() -> Value {
    json!({
        "order_id": "1001",
        "placed_at": "2026-11-25T13:00:00.250Z",
        "status": "ORDER_STATUS_PAID",
        "lines": [{
            "sku": "TEA-1",
            "quantity": 2,
            "unit_price": { "currency_code": "DKK", "units": "125", "nanos": 500_000_000 },
        }],
        "total": { "currency_code": "DKK", "units": "251" },
    })
}

/// The same order, for the Rust side.
pub(crate) fn order() -> Order {
    let money = |units, nanos| Money {
        currency_code: "DKK".to_owned(),
        units,
        nanos,
    };
    Order {
        order_id: "1001".to_owned(),
        placed_at: Some(prost_types::Timestamp {
            seconds: 1_795_611_600,
            nanos: 250_000_000,
        }),
        status: OrderStatus::Paid.into(),
        lines: vec![OrderLine {
            sku: "TEA-1".to_owned(),
            quantity: 2,
            unit_price: Some(money(125, 500_000_000)),
            ..OrderLine::default()
        }],
        total: Some(money(251, 0)),
        ..Order::default()
    }
}

/// What a client publishes: the order above, with the properties that the README requires.
pub(crate) fn publication() -> Value {
    json!({
        "do": "publish",
        "exchange": "trunkline.orders",
        "routing_key": format!("any.{ORDER}"),
        "properties": {
            "content_type": "application/protobuf",
            "type": ORDER,
            "message_id": "web/orders/1001/paid",
            "delivery_mode": 2,
        },
        "encode": ORDER,
        "message": order_json(),
    })
}

/// The order in a delivery, which is whole.
pub(crate) fn decoded(delivery: &Delivery) -> Order {
    match &delivery.message.content {
        Content::Canonical { type_name, bytes } => {
            assert_eq!(type_name.as_str(), ORDER);
            Order::decode(&**bytes).expect("it is an order")
        }
        Content::Native(_) => panic!("not canonical: {:?}", delivery.unreadable),
    }
}

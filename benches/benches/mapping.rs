//! What the mapping language costs beside Rust written by hand for the one order and the one flow.
//!
//! `cargo bench -p trunkline-bench --bench mapping` prints a line per way: rate, and ratio to the first.
//! Limits (one core): a predicate of two fields 2 M/s; JSON to canonical bytes 0.65 of hand-written Rust.
#![allow(clippy::print_stdout, reason = "a bench is read on the terminal")]

use std::{borrow::Cow, hint::black_box};

use prost::Message;
use serde::Deserialize;
use trunkline::mapping::{
    Environment, Input, Mapping, NoFacts, Predicate, Source, Table, Tables, This, Translated,
};
use trunkline_bench::race;
use trunkline_proto::{
    commerce::v1::{Order, OrderLine, OrderStatus},
    google::r#type::Money,
    party::v1::{Address, Customer},
};

const JSON: &str = include_str!("order.json");

const MAPPING: &str = include_str!("order.cel");

#[derive(Deserialize)]
struct ShopOrder<'a> {
    id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    created_at: &'a str,
    financial_status: &'a str,
    currency: &'a str,
    total_price: &'a str,
    total_tax: &'a str,
    taxes_included: bool,
    note: Option<Cow<'a, str>>,
    customer: ShopCustomer<'a>,
    shipping_address: ShopAddress<'a>,
    line_items: Vec<ShopLine<'a>>,
}

#[derive(Deserialize)]
struct ShopCustomer<'a> {
    id: u64,
    #[serde(borrow)]
    email: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ShopAddress<'a> {
    #[serde(borrow)]
    address1: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    zip: &'a str,
    country_code: &'a str,
}

#[derive(Deserialize)]
struct ShopLine<'a> {
    id: u64,
    sku: &'a str,
    #[serde(borrow)]
    title: Cow<'a, str>,
    quantity: u32,
    price: &'a str,
}

fn money(amount: &str, currency: &str) -> Option<Money> {
    let (units, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let mut nanos: i32 = 0;
    for at in 0..9 {
        let digit = part
            .as_bytes()
            .get(at)
            .map_or(0, |digit| digit.wrapping_sub(b'0'));
        nanos = nanos * 10 + i32::from(digit);
    }
    let units: i64 = units.parse().ok()?;
    Some(Money {
        currency_code: currency.to_owned(),
        units,
        nanos: if amount.starts_with('-') { -nanos } else { nanos },
    })
}

fn by_hand(json: &str) -> Option<Vec<u8>> {
    let shop: ShopOrder<'_> = serde_json::from_str(json).ok()?;
    let placed_at = trunkline::canonical::time::Instant::parse(shop.created_at)?;
    let lines = shop.line_items.into_iter().map(|line| {
        Some(OrderLine {
            line_id: line.id.to_string(),
            sku: line.sku.to_owned(),
            name: line.title.into_owned(),
            quantity: line.quantity,
            unit_price: Some(money(line.price, shop.currency)?),
            ..OrderLine::default()
        })
    });
    let status = match shop.financial_status {
        "paid" => OrderStatus::Paid,
        "pending" => OrderStatus::Pending,
        _ => return None,
    };
    let order = Order {
        order_id: shop.id.to_string(),
        order_number: shop.name.into_owned(),
        placed_at: Some(prost_types::Timestamp {
            seconds: placed_at.seconds,
            nanos: placed_at.nanos,
        }),
        status: status.into(),
        buyer: Some(Customer {
            customer_id: shop.customer.id.to_string(),
            email: shop.customer.email.into_owned(),
            ..Customer::default()
        }),
        lines: lines.collect::<Option<_>>()?,
        ship_to: Some(Address {
            address_lines: vec![shop.shipping_address.address1.into_owned()],
            locality: shop.shipping_address.city.into_owned(),
            postal_code: shop.shipping_address.zip.to_owned(),
            country_code: shop.shipping_address.country_code.to_owned(),
            ..Address::default()
        }),
        total: Some(money(shop.total_price, shop.currency)?),
        tax_total: Some(money(shop.total_tax, shop.currency)?),
        prices_include_tax: shop.taxes_included,
        currency_code: shop.currency.to_owned(),
        note: shop.note.map(Cow::into_owned).unwrap_or_default(),
        ..Order::default()
    };
    Some(order.encode_to_vec())
}

fn main() {
    let pool = trunkline_proto::descriptor_pool();
    let mut tables = Tables::default();
    tables.insert(
        "order-status",
        Table::of([("paid", "PAID"), ("pending", "PENDING")]),
    );
    let order = pool
        .get_message_by_name("trunkline.commerce.v1.Order")
        .expect("the model has orders");
    let shop = Environment {
        pool,
        this: This::Record,
        tables: &tables,
        zone: None,
    };
    let mapping = Mapping::compile(&Source::file("order.cel", MAPPING), &shop, Some(&order))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let translate = || {
        let record = trunkline_formats::json::read(JSON.as_bytes()).expect("the order is JSON");
        match mapping.run(Input::Record(&record), &NoFacts) {
            Ok(Translated::Message(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    };
    let record = trunkline_formats::json::read(JSON.as_bytes()).expect("the order is JSON");
    let encoded = by_hand(JSON).expect("the order can be mapped");
    assert_eq!(translate(), encoded, "both ways give the same bytes");

    println!(
        "JSON order ({} B) to canonical bytes ({} B):",
        JSON.len(),
        encoded.len()
    );
    let standing = race(vec![
        (
            "by hand: serde structs, prost",
            Box::new(|| drop(black_box(by_hand(black_box(JSON))))),
        ),
        (
            "mapping: JSON tree, CEL plan",
            Box::new(|| drop(black_box(translate()))),
        ),
        (
            "  of it the JSON tree",
            Box::new(|| {
                drop(black_box(trunkline_formats::json::read(black_box(
                    JSON.as_bytes(),
                ))));
            }),
        ),
        (
            "  of it the CEL plan",
            Box::new(|| {
                drop(black_box(
                    mapping.run(Input::Record(black_box(&record)), &NoFacts),
                ));
            }),
        ),
    ]);
    print!("{}", standing.lines());

    let rules = trunkline::canonical::rules::Rules::compile(&order)
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
        .expect("the model's orders have rules");
    let check = |bytes: &[u8]| {
        let found = rules.check(bytes, std::time::SystemTime::now);
        assert!(
            found.is_ok_and(|found| found.is_empty()),
            "the order obeys the rules"
        );
    };
    println!("the rules of the encoded order:");
    let standing = race(vec![
        ("mapping, as before", Box::new(|| drop(black_box(translate())))),
        (
            "mapping, and its rules",
            Box::new(|| check(black_box(&translate()))),
        ),
        ("  of it the rules", Box::new(|| check(black_box(&encoded)))),
    ]);
    print!("{}", standing.lines());

    let canonical = Environment {
        pool,
        this: This::Message(order.clone()),
        tables: &tables,
        zone: None,
    };
    let predicate = |text: &str| {
        Predicate::compile(&Source::file("flow.yaml", text), &canonical)
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    };
    let two = predicate("this.status == \"PAID\" && this.ship_to.country_code == \"DK\"");
    let choice = predicate("this.ship_to.country_code in [\"DE\", \"SE\"] || this.total.units > 1000");
    let exists = predicate("this.lines.exists(line, line.quantity > 2 && line.sku.startsWith(\"CABLE\"))");
    let test = |predicate: &Predicate| {
        let _ = black_box(predicate.test(Input::Message(black_box(&encoded)), &NoFacts));
    };
    println!("predicates on the encoded order:");
    let standing = race(vec![
        (
            "by hand: prost decode, two fields",
            Box::new(|| {
                let order = Order::decode(black_box(encoded.as_slice())).expect("it was encoded here");
                black_box(
                    order.status() == OrderStatus::Paid
                        && order
                            .ship_to
                            .as_ref()
                            .is_some_and(|address| address.country_code == "DK"),
                );
            }),
        ),
        ("two fields", Box::new(|| test(&two))),
        ("a field in a list, or another", Box::new(|| test(&choice))),
        ("exists over three lines", Box::new(|| test(&exists))),
    ]);
    print!("{}", standing.lines());

    let tree = trunkline::canonical::Tree::new(&order);
    println!("the encoded order as a native tree:");
    let standing = race(vec![
        (
            "by hand: prost decode",
            Box::new(|| drop(black_box(Order::decode(black_box(encoded.as_slice()))))),
        ),
        (
            "tree",
            Box::new(|| drop(black_box(tree.read(black_box(&encoded))))),
        ),
    ]);
    print!("{}", standing.lines());
}

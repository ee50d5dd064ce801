//! What reading a file and mapping its records costs beside Rust written by hand for the one file and the one type.
//!
//! `cargo bench -p trunkline-bench --bench records` prints a line per way: rate, and ratio to the first.
//! Limit (one core): CSV rows and XML elements to canonical bytes 0.5 of hand-written Rust.
#![allow(clippy::print_stdout, reason = "a bench is read on the terminal")]

use std::{fmt::Write, hint::black_box};

use prost::Message;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use trunkline::mapping::{Environment, Input, Mapping, NoFacts, Source, Table, Tables, This, Translated};
use trunkline_bench::race;
use trunkline_formats::{
    Encoding,
    csv::Rows,
    xml::{Path, Records},
};
use trunkline_proto::{
    commerce::v1::{Order, OrderLine, OrderStatus, Product},
    google::r#type::Money,
    party::v1::{Address, Customer},
};
use trunkline_sdk::Value;

/// How many records a file has.
const RECORDS: usize = 100;

const LIMIT: usize = 1 << 20;

fn csv_file() -> String {
    let mut file = "id,sku,name,brand,gtin,price,currency,unit,weight\n".to_owned();
    for n in 0..RECORDS {
        let _ = writeln!(
            file,
            "{n:08},CABLE-USB-{n}M,\"Cable, {n} m, black\",Acme,40063813{n:05},{n}.99,EUR,H87,{}",
            n + 80
        );
    }
    file
}

fn xml_file() -> String {
    let mut file = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Orders>\n".to_owned();
    for n in 0..RECORDS {
        let _ = write!(
            file,
            "  <Order id=\"82098291194{n:04}\" number=\"#1{n:03}\">\n    <PlacedAt>2026-03-01T12:30:00+01:00</PlacedAt>\n    \
             <Status>paid</Status>\n    <Currency>EUR</Currency>\n    <Customer id=\"115310627314723954\">\n      \
             <Email>john{n}@example.com</Email>\n    </Customer>\n    <ShipTo>\n      <Street>123 Shipping Street</Street>\n      \
             <City>Shippington</City>\n      <Zip>40003</Zip>\n      <Country>DK</Country>\n    </ShipTo>\n"
        );
        for (id, sku, title, quantity, price) in [
            (1, "IPOD2008PINK", "IPod Nano - 8GB", 1, "99.99"),
            (2, "IPOD2008BLUE", "IPod Nano - 8GB", 2, "40.00"),
            (3, "CABLE-USB-1M", "Cable &amp; plug, 1 m", 3, "6.66"),
        ] {
            let _ = write!(
                file,
                "    <Line id=\"{id}\">\n      <Sku>{sku}</Sku>\n      <Title>{title}</Title>\n      \
                 <Quantity>{quantity}</Quantity>\n      <Price>{price}</Price>\n    </Line>\n"
            );
        }
        let _ = write!(file, "    <Total>199.97</Total>\n  </Order>\n");
    }
    file.push_str("</Orders>\n");
    file
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

/// CSV by hand: the crate's reader with one record used again, columns by number.
fn products_by_hand(file: &str) -> Option<Vec<Vec<u8>>> {
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let mut row = csv::StringRecord::new();
    let mut all = Vec::new();
    while reader.read_record(&mut row).ok()? {
        let product = Product {
            product_id: row.get(0)?.to_owned(),
            sku: row.get(1)?.to_owned(),
            name: row.get(2)?.to_owned(),
            brand: row.get(3)?.to_owned(),
            gtin: row.get(4)?.to_owned(),
            price: Some(money(row.get(5)?, row.get(6)?)?),
            unit_code: row.get(7)?.to_owned(),
            weight_grams: row.get(8)?.parse().ok()?,
            ..Product::default()
        };
        all.push(product.encode_to_vec());
    }
    Some(all)
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    Some(
        attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .ok()?
            .into_owned(),
    )
}

/// XML by hand: quick-xml's events over the file in memory, fields by the name of their element.
fn orders_by_hand(file: &str) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader::from_str(file);
    let mut all = Vec::new();
    let mut order = Order::default();
    let mut currency = String::new();
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                text.clear();
                match tag.name().0 {
                    "Order" => {
                        order = Order {
                            order_id: attribute(&tag, "id")?,
                            order_number: attribute(&tag, "number")?,
                            ..Order::default()
                        };
                    }
                    "Customer" => {
                        order.buyer = Some(Customer {
                            customer_id: attribute(&tag, "id")?,
                            ..Customer::default()
                        });
                    }
                    "ShipTo" => order.ship_to = Some(Address::default()),
                    "Line" => order.lines.push(OrderLine {
                        line_id: attribute(&tag, "id")?,
                        ..OrderLine::default()
                    }),
                    _ => {}
                }
            }
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(quick_xml::escape::resolve_predefined_entity(&name)?),
            },
            Event::End(tag) => match tag.name().0 {
                "PlacedAt" => {
                    let at = trunkline::canonical::time::Instant::parse(&text)?;
                    order.placed_at = Some(prost_types::Timestamp {
                        seconds: at.seconds,
                        nanos: at.nanos,
                    });
                }
                "Status" => {
                    let status = match text.as_str() {
                        "paid" => OrderStatus::Paid,
                        "pending" => OrderStatus::Pending,
                        _ => return None,
                    };
                    order.status = status.into();
                }
                "Currency" => {
                    currency.clone_from(&text);
                    order.currency_code.clone_from(&text);
                }
                "Email" => order.buyer.as_mut()?.email.clone_from(&text),
                "Street" => order.ship_to.as_mut()?.address_lines.push(text.clone()),
                "City" => order.ship_to.as_mut()?.locality.clone_from(&text),
                "Zip" => order.ship_to.as_mut()?.postal_code.clone_from(&text),
                "Country" => order.ship_to.as_mut()?.country_code.clone_from(&text),
                "Sku" => order.lines.last_mut()?.sku.clone_from(&text),
                "Title" => order.lines.last_mut()?.name.clone_from(&text),
                "Quantity" => order.lines.last_mut()?.quantity = text.parse().ok()?,
                "Price" => order.lines.last_mut()?.unit_price = Some(money(&text, &currency)?),
                "Total" => order.total = Some(money(&text, &currency)?),
                "Order" => all.push(std::mem::take(&mut order).encode_to_vec()),
                _ => {}
            },
            Event::Eof => return Some(all),
            _ => {}
        }
    }
}

fn compiled(name: &str, text: &str, target: &str, tables: &Tables) -> Mapping {
    let pool = trunkline_proto::descriptor_pool();
    let environment = Environment {
        pool,
        this: This::Record,
        tables,
        zone: None,
    };
    let target = pool.get_message_by_name(target).expect("the model has it");
    Mapping::compile(&Source::file(name, text), &environment, Some(&target))
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn mapped(mapping: &Mapping, value: &Value<'_>) -> Vec<u8> {
    match mapping.run(Input::Record(value), &NoFacts) {
        Ok(Translated::Message(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

fn rows(file: &str) -> impl Iterator<Item = Value<'static>> {
    let mut rows = Rows::new(file.as_bytes(), b',', LIMIT).expect("a right header");
    std::iter::from_fn(move || rows.read().expect("memory")).map(|row| row.content.expect("a right row"))
}

fn elements(file: &str) -> impl Iterator<Item = Value<'static>> {
    let path = Path::parse("Orders/Order").expect("a right path");
    let lists = vec!["Line".to_owned()];
    let mut records = Records::new(file.as_bytes(), Encoding::Utf8, path, lists, LIMIT);
    std::iter::from_fn(move || records.read().expect("memory")).map(|each| each.content.expect("right"))
}

fn main() {
    let mut tables = Tables::default();
    tables.insert(
        "order-status",
        Table::of([("paid", "PAID"), ("pending", "PENDING")]),
    );
    let product = compiled(
        "product.cel",
        include_str!("product.cel"),
        "trunkline.commerce.v1.Product",
        &tables,
    );
    let order = compiled(
        "order-xml.cel",
        include_str!("order-xml.cel"),
        "trunkline.commerce.v1.Order",
        &tables,
    );

    let csv = csv_file();
    let by_hand = products_by_hand(&csv).expect("the products can be mapped");
    let ours: Vec<_> = rows(&csv).map(|row| mapped(&product, &row)).collect();
    assert_eq!(by_hand, ours, "both ways give the same bytes");
    println!(
        "{RECORDS} CSV rows ({} B) to canonical bytes, in files:",
        csv.len()
    );
    let standing = race(vec![
        (
            "by hand: csv, prost",
            Box::new(|| drop(black_box(products_by_hand(black_box(&csv))))),
        ),
        (
            "rows, CEL plan",
            Box::new(|| {
                for row in rows(black_box(&csv)) {
                    black_box(mapped(&product, &row));
                }
            }),
        ),
        (
            "  of it the rows",
            Box::new(|| rows(black_box(&csv)).for_each(|row| drop(black_box(row)))),
        ),
    ]);
    print!("{}", standing.lines());

    let xml = xml_file();
    let by_hand = orders_by_hand(&xml).expect("the orders can be mapped");
    let ours: Vec<_> = elements(&xml).map(|element| mapped(&order, &element)).collect();
    assert_eq!(by_hand, ours, "both ways give the same bytes");
    println!(
        "{RECORDS} XML orders ({} B) to canonical bytes, in files:",
        xml.len()
    );
    let standing = race(vec![
        (
            "by hand: quick-xml, prost",
            Box::new(|| drop(black_box(orders_by_hand(black_box(&xml))))),
        ),
        (
            "elements, CEL plan",
            Box::new(|| {
                for element in elements(black_box(&xml)) {
                    black_box(mapped(&order, &element));
                }
            }),
        ),
        (
            "  of it the elements",
            Box::new(|| elements(black_box(&xml)).for_each(|element| drop(black_box(element)))),
        ),
    ]);
    print!("{}", standing.lines());
}

//! A shop for tests: orders in Shopify's shape, signed and sent over real HTTP, again and again until they are
//! accepted, as a shop does.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

/// What the shop signs with.
pub(crate) const SECRET: &str = "s3cr3t-of-the-shop";

const ARTICLES: [&str; 5] = ["TEA-GREEN", "TEA-BLACK", "TEA-MINT", "CUP-WHITE", "POT-IRON"];

/// What order number `index` takes off the stock.
pub(crate) fn takes(index: usize) -> BTreeMap<&'static str, i64> {
    let lines = 1 + index % 3;
    (0..lines)
        .map(|line| (ARTICLES[(index + line) % ARTICLES.len()], quantity(index, line)))
        .collect()
}

fn quantity(index: usize, line: usize) -> i64 {
    1 + ((index + line) % 4) as i64
}

/// Order number `index`: paid, to one of four countries, one to three lines.
pub(crate) fn order(index: usize) -> serde_json::Value {
    let lines: Vec<_> = (0..1 + index % 3)
        .map(|line| {
            json!({
                "id": index * 10 + line,
                "sku": ARTICLES[(index + line) % ARTICLES.len()],
                "title": "An article",
                "quantity": quantity(index, line),
                "price": "10.00",
            })
        })
        .collect();
    json!({
        "id": 1_000_000 + index,
        "name": format!("#{index}"),
        "created_at": "2026-11-25T12:00:00+01:00",
        "currency": "DKK",
        "financial_status": "paid",
        "subtotal_price": "10.00",
        "total_tax": "2.00",
        "total_price": "10.00",
        "customer": { "id": index % 100, "email": format!("customer{index}@example.com") },
        "shipping_address": {
            "name": "A Customer",
            "address1": "Havnegade 1",
            "city": "Aarhus",
            "zip": "8000",
            "country_code": (["DK", "DE", "SE", "NO"][index % 4]),
        },
        "line_items": lines,
    })
}

/// Sends one order, once; an error is a connection that failed.
pub(crate) async fn send(
    address: &str,
    index: usize,
    body: &[u8],
    signature: &str,
) -> Result<Response<Bytes>, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| told(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| told(&error))?;
    tokio::spawn(connection);
    let request = Request::post("/orders/create")
        .header("host", address)
        .header("content-type", "application/json")
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "tea-house.myshopify.com")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-webhook-id", format!("delivery-{index}"))
        .header("x-shopify-hmac-sha256", signature)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .expect("it is a request");
    let answer = sender.send_request(request).await.map_err(|error| told(&error))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| told(&error))?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Sends one order, signed, once.
pub(crate) async fn send_signed(address: &str, index: usize) -> Result<Response<Bytes>, String> {
    let body = order(index).to_string();
    send(
        address,
        index,
        body.as_bytes(),
        &trunkline_webhook::signature::shopify(SECRET, body.as_bytes()),
    )
    .await
}

/// Sends one order until it is accepted.
pub(crate) async fn deliver(address: &str, index: usize) {
    loop {
        match send_signed(address, index).await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => assert_eq!(
                answer.status().as_u16(),
                503,
                "order {index}: {:?}",
                answer.body()
            ),
            Err(_) => {}
        }
        // A shop that was not heard waits before it calls again.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

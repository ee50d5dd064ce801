//! A stand-in for the shop: orders in the shape Shopify publishes for its webhook `orders/create`, signed as
//! Shopify signs, sent over real HTTP. Every number is made from the order's index, so each run is the same.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use trunkline_sdk::Fault;

/// The articles of the example's `erp.sql`, with their prices in øre.
const ARTICLES: [(&str, &str, u64); 5] = [
    ("TEA-GREEN", "Green tea", 4_950),
    ("TEA-BLACK", "Black tea", 3_900),
    ("TEA-MINT", "Mint tea", 3_550),
    ("CUP-WHITE", "White cup", 8_900),
    ("POT-IRON", "Iron pot", 64_900),
];
const COUNTRIES: [(&str, &str); 6] = [
    ("DK", "Aarhus"),
    ("DK", "København"),
    ("DE", "Hamburg"),
    ("SE", "Malmö"),
    ("NO", "Oslo"),
    ("US", "Portland"),
];

/// What is wrong with an order, so that the demo has something to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// Not paid yet: no flaw of ours, but nothing is picked.
    Unpaid,
    /// An article that the ERP does not know.
    UnknownArticle,
    /// The body ends in the middle.
    CutShort,
    /// A price with a comma.
    PriceWithComma,
    /// Signed with another secret.
    Forged,
    /// Sent twice, as a shop does that has not heard our answer.
    SentTwice,
}

/// One order.
pub(super) struct Order {
    pub(super) index: usize,
    pub(super) flaw: Flaw,
    lines: Vec<(usize, u64)>,
}

impl Order {
    pub(super) fn new(index: usize) -> Self {
        let flaw = match index % 50 {
            7 => Flaw::UnknownArticle,
            17 => Flaw::CutShort,
            27 => Flaw::PriceWithComma,
            37 => Flaw::Forged,
            12 | 32 => Flaw::SentTwice,
            n if n % 10 == 3 => Flaw::Unpaid,
            _ => Flaw::None,
        };
        let lines = (0..1 + index % 3).map(|line| {
            (
                (index + line) % ARTICLES.len(),
                1 + ((index / 3 + line) % 3) as u64,
            )
        });
        Self {
            index,
            flaw,
            lines: lines.collect(),
        }
    }

    /// Whether it comes as a line of a file instead of a call.
    pub(super) fn is_by_file(&self) -> bool {
        self.index % 5 == 4
    }

    /// What it takes off the stock when all goes well.
    pub(super) fn takes(&self) -> BTreeMap<&'static str, u64> {
        let mut takes = BTreeMap::new();
        if matches!(self.flaw, Flaw::None | Flaw::SentTwice) {
            for (article, quantity) in &self.lines {
                *takes.entry(ARTICLES[*article].0).or_default() += quantity;
            }
        }
        takes
    }

    /// The order as Shopify writes it.
    pub(super) fn body(&self) -> Vec<u8> {
        let (country, city) = COUNTRIES[self.index % COUNTRIES.len()];
        let id = 5_000_000_000_000_u64 + self.index as u64;
        let total: u64 = self
            .lines
            .iter()
            .map(|(article, quantity)| ARTICLES[*article].2 * quantity)
            .sum();
        let lines: Vec<Value> = self
            .lines
            .iter()
            .enumerate()
            .map(|line| self.line(line))
            .collect();
        let order = json!({
            "id": id,
            "name": format!("#{}", 1001 + self.index),
            "order_number": 1001 + self.index,
            "email": format!("customer{}@example.com", self.index),
            "created_at": format!("2026-11-{:02}T{:02}:{:02}:00+01:00", 1 + self.index % 25, self.index % 24, self.index % 60),
            "currency": "DKK",
            "financial_status": if self.flaw == Flaw::Unpaid { "pending" } else { "paid" },
            "fulfillment_status": null,
            "subtotal_price": amount(total),
            "total_tax": amount(total / 5),
            "total_price": if self.flaw == Flaw::PriceWithComma { amount(total).replace('.', ",") } else { amount(total) },
            "taxes_included": true,
            "customer": {
                "id": 7_000_000_000_000_u64 + self.index as u64 % 60,
                "email": format!("customer{}@example.com", self.index % 60),
            },
            "shipping_address": {
                "name": format!("Customer {}", self.index % 60),
                "address1": format!("Havnegade {}", 1 + self.index % 90),
                "city": city,
                "zip": format!("{}", 1000 + self.index),
                "country_code": country,
            },
            "line_items": lines,
        });
        let mut body = serde_json::to_vec(&order).unwrap_or_default();
        if self.flaw == Flaw::CutShort {
            body.truncate(body.len() / 2);
        }
        body
    }

    fn line(&self, (number, (article, quantity)): (usize, &(usize, u64))) -> Value {
        let (sku, title, price) = ARTICLES[*article];
        let unknown = self.flaw == Flaw::UnknownArticle && number == 0;
        json!({
            "id": 9_000_000_000_000_u64 + (self.index * 10 + number) as u64,
            "sku": if unknown { "TEA-OOLONG" } else { sku },
            "title": title,
            "quantity": quantity,
            "price": amount(price),
        })
    }
}

fn amount(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The shop's connection to the webhook.
pub(super) struct Shop {
    address: SocketAddr,
    secret: &'static str,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Shop {
    pub(super) fn new(address: SocketAddr, secret: &'static str) -> Self {
        Self {
            address,
            secret,
            sender: None,
        }
    }

    /// The connection, opened again where the webhook has closed it: it does so after what it refuses.
    async fn connection(&mut self) -> Result<&mut http1::SendRequest<Full<Bytes>>, Fault> {
        let address = self.address;
        let cannot =
            |error: &dyn std::error::Error| Fault::stop(format!("the shop cannot call {address}: {error}"));
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_err()
        {
            self.sender = None;
        }
        if self.sender.is_none() {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| cannot(&error))?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| cannot(&error))?;
            // It ends when `sender` is dropped.
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender
            .as_mut()
            .ok_or_else(|| Fault::stop("the shop has no connection"))
    }

    /// Sends an order; the answer is what the shop would act on.
    pub(super) async fn send(&mut self, order: &Order) -> Result<StatusCode, Fault> {
        let body = order.body();
        let secret = if order.flaw == Flaw::Forged {
            "guessed"
        } else {
            self.secret
        };
        let request = Request::post("/orders/create")
            .header("host", "trunkline.example")
            .header(CONTENT_TYPE, "application/json")
            .header("x-shopify-topic", "orders/create")
            .header("x-shopify-shop-domain", "tea-house.myshopify.com")
            .header("x-shopify-api-version", "2026-10")
            .header("x-shopify-webhook-id", format!("demo-{}", order.index))
            .header(
                "x-shopify-hmac-sha256",
                trunkline_webhook::signature::shopify(secret, &body),
            )
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Fault::stop(format!("the shop's request is not one: {error}")))?;
        let lost = |error: hyper::Error| Fault::stop(format!("the webhook did not answer the shop: {error}"));
        let answer = self
            .connection()
            .await?
            .send_request(request)
            .await
            .map_err(lost)?;
        let status = answer.status();
        answer.into_body().collect().await.map_err(lost)?;
        Ok(status)
    }
}

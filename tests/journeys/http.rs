//! From a list of one system into requests to another: each order is shipped once, whatever is lost on the way.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

use crate::support::process::Process;

const ORDERS: usize = 300;
const PAGE: usize = 50;

const LANDSCAPE: &str = "\
bus: embedded:./data
systems:
  shop: { http: { base_url: \"${PEER}\", allow_private: true } }
  carrier: { http: { base_url: \"${PEER}/v1\", allow_private: true } }
channels:
  orders: { type: trunkline.commerce.v1.Order }
";

const ORDERS_IN: &str = "\
flow: orders-in
from:
  system: shop
  path: /orders
  every: 200ms
  records: orders
  id: id
  cursor: { field: changed, parameter: since }
  page: { by: offset }
steps:
  - translate: maps/order.cel
to: orders
";

const MAP: &str = "\
Order{
  order_id:  string(this.id),
  placed_at: timestamp(this.changed),
  status:    'PAID',
  lines:     [OrderLine{ line_id: '1', sku: 'A', quantity: 1u, unit_price: money('1.00', 'DKK') }],
  total:     money('1.00', 'DKK'),
}
";

const SHIPPING: &str = "\
flow: shipping
from: orders
to: { system: carrier, path: \"/shipments/{order_id}\", idempotency_key: Idempotency-Key }
";

/// What the carrier has done: per key the order, and how often it was asked.
type Shipments = BTreeMap<String, (String, usize)>;

struct Carrier {
    shipments: Mutex<Shipments>,
    count: watch::Sender<usize>,
    /// While it is not, only a third of the orders is answered.
    is_open: watch::Sender<bool>,
}

impl Carrier {
    /// Ships. Of one order in ten the first answer is lost.
    fn ship(&self, order: &str, key: &str) -> bool {
        let mut shipments = self.shipments.lock().expect("no panic");
        let (_, asked) = shipments
            .entry(key.to_owned())
            .or_insert_with(|| (order.to_owned(), 0));
        *asked += 1;
        let is_told = *asked > 1 || !order.ends_with('7');
        self.count.send_replace(shipments.len());
        is_told
    }
}

async fn respond(
    carrier: Arc<Carrier>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    let path = head.uri.path();
    let answer = |status: u16, text: String| {
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        Ok(response.body(Full::new(Bytes::from(text))).expect("it is right"))
    };
    if let Some(order) = path.strip_prefix("/v1/shipments/") {
        let key = head.headers["idempotency-key"].to_str().expect("text");
        let is_told = carrier.ship(order, key);
        if *carrier.count.borrow() >= ORDERS / 3 {
            let _ = carrier.is_open.subscribe().wait_for(|is_open| *is_open).await;
        }
        return if is_told {
            answer(201, format!(r#"{{"tracking":"T{order}"}}"#))
        } else {
            Err(std::io::Error::other("the answer is lost"))
        };
    }
    let query = head.uri.query().unwrap_or_default();
    let offset = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("offset=")?.parse().ok())
        .unwrap_or(0);
    let orders: Vec<_> = (0..ORDERS)
        .skip(offset)
        .take(PAGE)
        .map(|number| format!(r#"{{"id":{number},"changed":"2026-07-01T10:00:00Z"}}"#))
        .collect();
    answer(200, format!(r#"{{"orders":[{}]}}"#, orders.join(",")))
}

async fn serve(carrier: Arc<Carrier>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let carrier = carrier.clone();
            let service = service_fn(move |request| respond(carrier.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

#[tokio::test]
async fn each_order_of_the_list_is_shipped_once_though_answers_are_lost_and_the_process_is_killed() {
    // given
    let carrier = Arc::new(Carrier {
        shipments: Mutex::default(),
        count: watch::Sender::new(0),
        is_open: watch::Sender::new(false),
    });
    let peer = serve(carrier.clone()).await;
    let home = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("trunkline.yaml", LANDSCAPE),
        ("flows/orders-in.yaml", ORDERS_IN),
        ("flows/shipping.yaml", SHIPPING),
        ("maps/order.cel", MAP),
    ] {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(path, text).expect("it can be written");
    }
    let variables = [("PEER", peer.as_str())];
    let wait_for = async |shipments: usize| {
        let mut count = carrier.count.subscribe();
        let reached = tokio::time::timeout(
            std::time::Duration::from_secs(60),
            count.wait_for(|count| *count >= shipments),
        );
        let reached = reached.await.is_ok();
        assert!(reached, "{} of {shipments}", *carrier.count.borrow());
    };
    // when
    let process = Process::run(home.path(), None, &variables).await;
    wait_for(ORDERS / 3).await;
    process.kill().await;
    carrier.is_open.send_replace(true);
    let process = Process::run(home.path(), None, &variables).await;
    wait_for(ORDERS).await;
    assert!(process.terminate().await.success());
    // then
    let shipments = carrier.shipments.lock().expect("no panic").clone();
    let orders: std::collections::BTreeSet<_> = shipments.values().map(|(order, _)| order).collect();
    assert_eq!(
        (shipments.len(), orders.len()),
        (ORDERS, ORDERS),
        "one key for each order"
    );
    assert!(
        shipments.values().any(|(_, asked)| *asked > 1),
        "no answer was lost"
    );
}

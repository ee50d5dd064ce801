//! `examples/shop` as its user runs it, with everything that goes wrong.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};
use trunkline::{
    bus::{Bus, Depth, rabbitmq::RabbitBus},
    names::{ChannelName, FlowName, ProcessName, QueueName},
    store::SqliteStore,
};

use crate::support::{
    process::Process,
    services::{Broker, Database, Postgres, Vhost},
    shop,
};

/// The example in a folder of the test's own, between a broker and a database of the test's own.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) amqp: String,
    database: Database,
    pub(crate) address: String,
    vhost: Option<Vhost>,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let vhost = Broker::shared().fresh_vhost().await;
        Self {
            amqp: vhost.amqp().to_owned(),
            vhost: Some(vhost),
            ..Self::on("").await
        }
    }

    async fn on(amqp: &str) -> Self {
        let folder = TempDir::new().expect("there is a place for temporary files");
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop"),
            folder.path(),
        );
        let database = Postgres::fresh_database().await;
        let shop = Self {
            folder,
            amqp: amqp.to_owned(),
            database,
            address: free_address(),
            vhost: None,
        };
        let erp = include_str!("../../examples/shop/erp.sql");
        shop.erp()
            .await
            .batch_execute(erp)
            .await
            .expect("the example's SQL is everyone's SQL");
        shop
    }

    async fn start(&self, process: &str) -> Process {
        self.start_as(process, &self.amqp).await
    }

    pub(crate) async fn start_as(&self, process: &str, amqp: &str) -> Process {
        let drop = self.folder.path().join("drop");
        let variables = [
            ("TRUNKLINE_BUS", amqp),
            ("ERP_URL", self.database.url()),
            ("SHOP_LISTEN", &self.address),
            ("SHOP_SECRET", shop::SECRET),
            ("DROP_FOLDER", drop.to_str().expect("the path is text")),
        ];
        Process::run(self.folder.path(), Some(process), &variables).await
    }

    pub(crate) fn vhost(&self) -> &Vhost {
        self.vhost.as_ref().expect("it was made by `new`")
    }

    async fn erp(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(self.database.url(), NoTls)
            .await
            .expect("it is there");
        tokio::spawn(connection);
        client
    }

    /// Waits until this many orders were picked and the stock has gone down by this much in all.
    pub(crate) async fn wait_for(&self, picked: i64, taken: i64) {
        let erp = self.erp().await;
        let began = Instant::now();
        loop {
            let row = erp
                .query_one(
                    "SELECT (SELECT count(*) FROM picks), (SELECT 50000 - sum(on_hand) FROM stock)",
                    &[],
                )
                .await
                .expect("the ERP answers");
            let found: (i64, i64) = (row.get(0), row.get(1));
            if found == (picked, taken) {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "{found:?} instead of {:?}",
                (picked, taken)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn stock(&self) -> BTreeMap<String, i64> {
        let rows = self
            .erp()
            .await
            .query("SELECT sku, on_hand::bigint FROM stock", &[])
            .await
            .expect("it answers");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// What the queues hold, by their names, where they hold anything.
    async fn queues(&self) -> Vec<(String, Depth)> {
        let store = Arc::new(SqliteStore::open(&self.folder.path().join("look")).expect("there is a place"));
        let process = ProcessName::new("test").expect("it is a name");
        let bus = RabbitBus::connect(&self.amqp, &process, store)
            .await
            .expect("the broker is there");
        let mut found = Vec::new();
        for queue in queues() {
            let depth = bus.depth(&queue).await.expect("the queue exists");
            if depth != Depth::default() {
                found.push((queue.to_string(), depth));
            }
        }
        bus.close().await;
        found
    }
}

fn queues() -> Vec<QueueName> {
    let flow = |name: &str| FlowName::new(name).expect("it is a name");
    let channel = |name: &str| ChannelName::new(name).expect("it is a name");
    let mut queues = vec![
        QueueName::of_subscriber(&channel("orders"), &flow("route-orders")),
        QueueName::of_subscriber(&channel("orders"), &flow("stock")),
    ];
    for route in ["domestic", "eu", "export"] {
        queues.push(QueueName::of_subscriber(
            &channel(&format!("{route}-orders")),
            &flow(&format!("pick-{route}")),
        ));
    }
    queues
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the test may write there");
    for entry in std::fs::read_dir(from).expect("the example is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            if entry.file_name() != "data" {
                copy(&entry.path(), &target);
            }
        } else {
            std::fs::copy(entry.path(), target).expect("the test may write there");
        }
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// Sends orders from eight callers at once; `accepted` counts.
fn send_all(address: &str, orders: usize, accepted: &watch::Sender<usize>) -> tokio::task::JoinSet<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (next, address, accepted) = (next.clone(), address.to_owned(), accepted.clone());
        callers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= orders {
                    return;
                }
                shop::deliver(&address, index).await;
                accepted.send_modify(|accepted| *accepted += 1);
            }
        });
    }
    callers
}

pub(crate) fn expected(orders: usize) -> BTreeMap<String, i64> {
    let mut stock: BTreeMap<String, i64> = ["TEA-GREEN", "TEA-BLACK", "TEA-MINT", "CUP-WHITE", "POT-IRON"]
        .map(|sku| (sku.to_owned(), 10_000))
        .into();
    for (sku, quantity) in (0..orders).flat_map(shop::takes) {
        *stock.get_mut(sku).expect("the shop sells what there is") -= quantity;
    }
    stock
}

pub(crate) fn taken(orders: usize) -> i64 {
    (0..orders)
        .flat_map(shop::takes)
        .map(|(_, quantity)| quantity)
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_applied_once_although_their_processes_are_killed_five_times() {
    const ORDERS: usize = 2_000;
    // given both processes at work, the one that reads first
    let example = Shop::new().await;
    let mut stock = example.start("stock").await;
    let mut webhook = example.start("shop").await;
    // when 2,000 orders are sent, and in the middle one of the two is killed, five times
    let accepted = watch::Sender::new(0);
    let mut progress = accepted.subscribe();
    let mut callers = send_all(&example.address, ORDERS, &accepted);
    for (number, at) in [200, 600, 1_000, 1_400, 1_800].into_iter().enumerate() {
        progress
            .wait_for(|accepted| *accepted >= at)
            .await
            .expect("the callers go on");
        if number % 2 == 0 {
            stock.kill().await;
            stock = example.start("stock").await;
        } else {
            webhook.kill().await;
            webhook = example.start("shop").await;
        }
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("every order was accepted in the end");
    }
    // then the stock is exactly right, and nothing is left anywhere
    example.wait_for(ORDERS as i64, taken(ORDERS)).await;
    assert_eq!(example.stock().await, expected(ORDERS));
    assert!(webhook.terminate().await.success());
    assert!(stock.terminate().await.success());
    assert_eq!(example.queues().await, []);
    assert_eq!(example.stock().await, expected(ORDERS));
}

#[tokio::test]
async fn a_right_signature_moves_the_stock_and_one_flipped_bit_moves_nothing() {
    // given
    let example = Shop::new().await;
    let webhook = example.start("shop").await;
    let stock = example.start("stock").await;
    let body = shop::order(7).to_string();
    let signature = trunkline_webhook::signature::shopify(shop::SECRET, body.as_bytes());
    // when the body differs in one bit from what was signed
    let mut flipped = body.clone().into_bytes();
    let last = flipped.len() - 2;
    flipped[last] ^= 1;
    let refused = shop::send(&example.address, 7, &flipped, &signature)
        .await
        .expect("it answers");
    // then it is refused
    assert_eq!(refused.status(), 401);
    // when it is what was signed, then it arrives, and only it
    let accepted = shop::send(&example.address, 7, body.as_bytes(), &signature)
        .await
        .expect("it answers");
    assert_eq!(accepted.status(), 200);
    example.wait_for(1, taken(8) - taken(7)).await;
    assert!(webhook.terminate().await.success());
    assert!(stock.terminate().await.success());
    assert_eq!(example.queues().await, []);
}

#[tokio::test]
async fn while_the_broker_is_stopped_the_shop_is_asked_to_call_again_and_nothing_is_lost() {
    // given
    let broker = Broker::own().await;
    let example = Shop::on(broker.amqp()).await;
    let webhook = example.start("shop").await;
    let stock = example.start("stock").await;
    shop::deliver(&example.address, 0).await;
    // when
    broker.stop().await;
    let began = Instant::now();
    let answer = shop::send_signed(&example.address, 1).await.expect("it answers");
    // then
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    // when the broker is back, then what was sent again and what was there before arrive, once each
    broker.start().await;
    shop::deliver(&example.address, 1).await;
    example.wait_for(2, taken(2)).await;
    assert!(webhook.terminate().await.success());
    assert!(stock.terminate().await.success());
    assert_eq!(example.queues().await, []);
}

#[tokio::test]
async fn orders_dropped_as_a_file_arrive_once_although_the_reader_is_killed() {
    const ORDERS: usize = 3_000;
    // given a file of orders, whole when it is seen
    let example = Shop::new().await;
    let stock = example.start("stock").await;
    let drop: PathBuf = example.folder.path().join("drop");
    std::fs::create_dir_all(&drop).expect("the test may write there");
    let lines: String = (0..ORDERS)
        .map(|index| shop::order(index).to_string() + "\n")
        .collect();
    std::fs::write(drop.join("orders.jsonl.part"), lines).expect("the test may write there");
    std::fs::rename(drop.join("orders.jsonl.part"), drop.join("orders.jsonl"))
        .expect("the test may write there");
    // when its reader is killed as soon as the first orders have arrived
    let reader = example.start("shop").await;
    let erp = example.erp().await;
    loop {
        let row = erp
            .query_one("SELECT count(*) FROM picks", &[])
            .await
            .expect("the ERP answers");
        if row.get::<_, i64>(0) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    reader.kill().await;
    let reader = example.start("shop").await;
    // then every order has been applied once, and the file is put away
    example.wait_for(ORDERS as i64, taken(ORDERS)).await;
    assert_eq!(example.stock().await, expected(ORDERS));
    assert!(reader.terminate().await.success());
    assert!(stock.terminate().await.success());
    assert!(!drop.join("orders.jsonl").exists());
    assert_eq!(example.queues().await, []);
}

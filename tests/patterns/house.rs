//! A landscape at work: flows of the sentence's own, on a bus of the sentence's own, between a drop folder, a webhook
//! and a database. Each channel is read by the sentence too, through the queue `<channel>.test`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use trunkline::{
    bus::{Bus, Depth, Parked, Queue, Takes},
    config::{self, Files, Landscape, Plan, Variables},
    flow::Steps,
    message::Message,
    names::{QueueName, SystemName},
    observe::Counts,
    runtime::Runtime,
    store::SqliteStore,
};
use trunkline_sdk::Adapter;

use crate::{
    on_bus::{self, PATIENCE, assert_empty, channel, flow, queue},
    sender,
    subject::Subject,
};

/// How long something may take that goes by way of a server which is started or recovers, on a busy machine.
const LONGEST: Duration = Duration::from_secs(90);

const LANDSCAPE: &str = r#"
systems:
  shop:  { webhook: { listen: 127.0.0.1:0, verify: { none: true }, patience: "${PATIENCE:-20s}" } }
  drop:  { file: { folder: drop } }
  erp:   { sql: { url: sqlite:erp.db, create: erp.sql, timeout: "${ERP_TIMEOUT:-30s}" } }
  books: { sql: { url: "${BOOKS:-postgres://nobody@nowhere/books}", timeout: 5s } }
channels:
  orders: { type: trunkline.commerce.v1.Order, external: true }
  first:  { type: trunkline.commerce.v1.Order, external: true }
  second: { type: trunkline.commerce.v1.Order, external: true }
  third:  { type: trunkline.commerce.v1.Order, external: true }
  kept:   { type: trunkline.commerce.v1.Order, external: true, key: buyer_reference, partitions: 4 }
  moves:  { type: trunkline.commerce.v1.StockMove, external: true }
  void:   { type: trunkline.commerce.v1.StockMove, external: true }
  single-moves: { type: trunkline.commerce.v1.StockMove, external: true }
  third-moves: { type: trunkline.commerce.v1.StockMove, external: true }
  repairs: { type: acme.v1.Repair, external: true }
  checked: { type: acme.v1.Repair, external: true, validate: true }
  parts: { type: acme.v1.Part, external: true }
  notes: { type: acme.v1.Note, external: true }
  single-parts: { type: acme.v1.Part, external: true }
"#;

const ERP: &str = "
CREATE TABLE stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL CHECK (on_hand >= 0));
INSERT INTO stock VALUES ('TEA', 1000000), ('CUP', 1000000), ('SOLD-OUT', 0);
CREATE TABLE orders (order_id TEXT NOT NULL);
CREATE TABLE kept (number INTEGER PRIMARY KEY AUTOINCREMENT, buyer TEXT NOT NULL, order_id TEXT NOT NULL);
CREATE TABLE closed (order_id TEXT PRIMARY KEY);
CREATE TRIGGER refuse BEFORE INSERT ON kept WHEN NEW.order_id IN (SELECT order_id FROM closed)
  BEGIN SELECT RAISE(ABORT, 'closed'); END;
";

/// A landscape with its bus.
pub(crate) struct House<S> {
    pub(crate) place: S,
    pub(crate) bus: Arc<dyn Bus>,
    home: TempDir,
    plan: Plan,
    runtime: Option<Runtime>,
}

impl<S: Subject> House<S> {
    /// A landscape of these flow files, at work.
    pub(crate) async fn running(flows: &[&str]) -> Self {
        let mut house = Self::built(flows, &[]).await;
        house.run().await;
        house
    }

    /// A landscape of these flow files and variables, before it is started.
    pub(crate) async fn built(flows: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::built_of(flows, variables, None).await
    }

    async fn built_of(
        flows: &[&str],
        variables: &[(&str, &str)],
        peer: Option<&'static dyn Adapter>,
    ) -> Self {
        let home = TempDir::new().expect("there is a place for temporary files");
        std::fs::create_dir(home.path().join("drop")).expect("the folder is new");
        std::fs::write(home.path().join("erp.sql"), ERP).expect("the folder is new");
        let plan = plan(home.path(), flows, variables, peer);
        let place = S::fresh().await;
        let bus = place.open().await;
        bus.declare(&plan.topology).await.expect("the place is fresh");
        Self {
            place,
            bus,
            home,
            plan,
            runtime: None,
        }
    }

    /// Gives every flow these steps in place of its own.
    pub(crate) fn replace_steps(&mut self, steps: impl Fn() -> Steps) {
        for flow in &mut self.plan.flows {
            flow.steps = steps();
        }
    }

    /// As [`House::built`], with this adapter, of which system `peer` is.
    pub(crate) async fn built_with(flows: &[&str], adapter: &'static dyn Adapter) -> Self {
        Self::built_of(flows, &[], Some(adapter)).await
    }

    /// Starts these flows alone.
    pub(crate) async fn run_only(&mut self, flows: &[&str]) {
        self.runtime = Some(self.instance_of(self.bus.clone(), flows).await);
    }

    /// An instance of these flows alone, on this bus.
    pub(crate) async fn instance_of(&self, bus: Arc<dyn Bus>, flows: &[&str]) -> Runtime {
        let mut plan = self.plan.clone();
        plan.flows.retain(|flow| flows.contains(&flow.name.as_str()));
        assert_eq!(plan.flows.len(), flows.len(), "each of them is there");
        Runtime::start_on(bus, &plan, None).await.expect("they start")
    }

    /// Starts the flows.
    pub(crate) async fn run(&mut self) {
        self.run_behind(self.bus.clone()).await;
    }

    /// Starts the flows on this bus, which leads to ours.
    pub(crate) async fn run_behind(&mut self, bus: Arc<dyn Bus>) {
        self.runtime = Some(self.instance(bus).await);
    }

    /// One more instance of the flows, on this bus.
    pub(crate) async fn instance(&self, bus: Arc<dyn Bus>) -> Runtime {
        Runtime::start_on(bus, &self.plan, None)
            .await
            .expect("the landscape starts")
    }

    /// Makes a queue of the sentence's own for a channel that had none.
    pub(crate) async fn read_also(&mut self, channel_name: &str) {
        self.plan.topology.queues.push(test_queue(channel_name));
        self.bus.declare(&self.plan.topology).await.expect("it is new");
    }

    /// Takes the runtime away, to be stopped by the sentence itself.
    pub(crate) fn take_runtime(&mut self) -> Runtime {
        self.runtime.take().expect("it is running")
    }

    /// Stops as a SIGTERM does, and opens the bus again for a look. Whether all under way was finished.
    pub(crate) async fn stop(&mut self) -> bool {
        let finished = self.take_runtime().stop().await;
        self.reopen().await;
        finished
    }

    /// Ends all flows wherever they are, as a crash does, and opens the bus again.
    pub(crate) async fn crash(&mut self) {
        drop(self.take_runtime());
        self.bus.close().await;
        self.reopen().await;
    }

    /// Opens the bus again after it was closed.
    pub(crate) async fn reopen(&mut self) {
        self.bus = self.place.open().await;
        self.bus
            .declare(&self.plan.topology)
            .await
            .expect("it is as it was");
    }

    /// Stops for good; all under way must be finished.
    pub(crate) async fn end(mut self) {
        assert!(self.take_runtime().stop().await, "something was not finished");
    }

    /// Publishes messages, and waits for the confirms.
    pub(crate) async fn publish(
        &self,
        channel_name: &str,
        messages: impl IntoIterator<Item = Message> + Send,
    ) {
        on_bus::publish(&*self.bus, channel_name, messages).await;
    }

    /// Waits for this many messages of a channel.
    pub(crate) async fn take(&self, channel_name: &str, count: usize) -> Vec<Message> {
        let mut taken = self.take_whole(channel_name, count).await;
        for message in &mut taken {
            message.history = None;
        }
        taken
    }

    /// The same, with the history that each flow adds to.
    pub(crate) async fn take_whole(&self, channel_name: &str, count: usize) -> Vec<Message> {
        on_bus::take(&*self.bus, &queue(channel_name, "test"), count).await
    }

    /// Nothing came out on this channel that was not taken.
    pub(crate) async fn nothing_in(&self, channel_name: &str) {
        assert_empty(&*self.bus, channel_name, &queue(channel_name, "test")).await;
    }

    /// Waits until a flow has settled all that its channel `orders` holds for it.
    pub(crate) async fn settled(&self, flow_name: &str) {
        on_bus::drained(&*self.bus, &queue("orders", flow_name)).await;
    }

    /// What the queue of a flow that reads `orders` holds.
    pub(crate) async fn depth(&self, flow_name: &str) -> Depth {
        self.depth_of(&queue("orders", flow_name)).await
    }

    /// What a queue holds.
    pub(crate) async fn depth_of(&self, queue: &QueueName) -> Depth {
        self.bus.depth(queue).await.expect("the queue is there")
    }

    /// Waits for this many parked messages of a queue.
    pub(crate) async fn parked(&self, queue: &QueueName, count: usize) -> Vec<Parked> {
        let parked = until("a message is parked", async || {
            let parked = self.bus.parked(queue, 100).await.expect("it can be read");
            (parked.len() >= count).then_some(parked)
        });
        let parked = parked.await;
        assert_eq!(parked.len(), count, "{parked:#?}");
        parked
    }

    /// What a flow has done so far.
    pub(crate) fn counts(&self, flow_name: &str) -> Counts {
        let runtime = self.runtime.as_ref().expect("it is running");
        runtime.tallies()[&flow(flow_name)].read()
    }

    /// Waits until a flow has come so far.
    pub(crate) async fn until_counts(&self, flow_name: &str, is_enough: impl Fn(&Counts) -> bool) -> Counts {
        until("the flow has come so far", async || {
            Some(self.counts(flow_name)).filter(&is_enough)
        })
        .await
    }

    /// Where the webhook listens, once its flow reads from the path.
    pub(crate) async fn address(&self) -> String {
        let runtime = self.runtime.as_ref().expect("it is running");
        let shop = runtime.system(&system("shop")).expect("a flow reads from it");
        let told = shop.test().await.expect("it listens");
        let (_, rest) = told.split_once("http://").expect("it tells where");
        let address = rest.split(',').next().expect("a split has a first part");
        until("the path is open", async || {
            sender::is_open(address).await.then_some(())
        })
        .await;
        address.to_owned()
    }

    /// The store of the landscape, beside the running one.
    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.plan.store).expect("the folder may be written")
    }

    /// Where the drop folder is.
    pub(crate) fn drop_folder(&self) -> PathBuf {
        self.home.path().join("drop")
    }

    /// Drops a file as a whole.
    pub(crate) fn drop_file(&self, name: &str, text: &str) {
        let folder = self.drop_folder();
        let part = folder.join(format!("{name}.part"));
        std::fs::write(&part, text).expect("there is room");
        std::fs::rename(part, folder.join(name)).expect("the name is free");
    }

    /// The database, for the test's own statements.
    pub(crate) fn erp(&self) -> Connection {
        let connection = Connection::open(self.home.path().join("erp.db")).expect("a flow has made it");
        connection.busy_timeout(PATIENCE).expect("it is a duration");
        connection
    }

    /// One number from the database.
    pub(crate) fn number(&self, query: &str) -> i64 {
        let number = self.erp().query_row(query, [], |row| row.get(0));
        number.expect("the query gives one number")
    }

    /// Waits until a query of the database gives this number.
    pub(crate) async fn until_number(&self, query: &str, expected: i64) {
        until(query, async || (self.number(query) == expected).then_some(())).await;
    }
}

/// The queue under which an inbound flow parks.
pub(crate) fn inbound(system_name: &str, flow_name: &str) -> QueueName {
    QueueName::of_source(&system(system_name), &flow(flow_name))
}

pub(crate) fn system(name: &str) -> SystemName {
    SystemName::new(name).unwrap()
}

/// Looks again and again until there is something. Counters and databases tell nobody when they change.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONGEST;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {LONGEST:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The checked plan, with a queue for the sentence on each channel but `void`.
fn plan(home: &Path, flows: &[&str], variables: &[(&str, &str)], peer: Option<&'static dyn Adapter>) -> Plan {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let names: Vec<_> = (0..flows.len())
        .map(|number| format!("flows/{number}.yaml"))
        .collect();
    let files = names.iter().map(String::as_str).zip(flows.iter().copied());
    let own = ("proto/acme/v1/repair.proto", include_str!("repair.proto"));
    let word = peer.map_or("file", |peer| peer.describe().name);
    let settings = if peer.is_some() { "" } else { "folder: ." };
    let text = LANDSCAPE.replace(
        "systems:",
        &format!("systems:\n  peer: {{ {word}: {{ {settings} }} }}"),
    );
    let files = Files::of(files.chain([("trunkline.yaml", text.as_str()), own]));
    let mut landscape = Landscape::of(home.to_owned(), files, &Variables::new(&lookup), Vec::new());
    peer.into_iter().for_each(|peer| landscape.adapters.add(peer));
    let told = |problems: &[_]| config::report(&landscape, problems);
    let mut plan = config::check(&landscape, trunkline_proto::descriptor_pool())
        .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let read = [
        "orders",
        "first",
        "second",
        "third",
        "moves",
        "kept",
        "repairs",
        "parts",
        "single-parts",
        "notes",
    ];
    plan.topology.queues.extend(read.map(test_queue));
    plan
}

fn test_queue(channel_name: &str) -> Queue {
    Queue {
        name: queue(channel_name, "test"),
        channel: Some(channel(channel_name)),
        takes: Takes::All,
    }
}

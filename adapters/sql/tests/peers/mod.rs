//! The databases behind the adapter, in a test's hand.
#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

pub(crate) mod mariadb;
pub(crate) mod sources;

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio_postgres::{Client, Config, NoTls, config::Host};
use trunkline_sdk::{
    Adapter, Body, Context, Delivered, Effect, Fault, Record, Settings, Sink, System, Value,
    contract::{
        Cable,
        sink::{PRIVATE, SinkPeer},
    },
};
use trunkline_sql::Sql;

/// Where effects are counted: a row per effect; a negative quantity is refused by the table.
const TABLE: &str =
    "CREATE TABLE effects (id varchar(255) NOT NULL, note text, quantity integer CHECK (quantity > 0))";
const STATEMENT: &str = "INSERT INTO effects (id, note, quantity) VALUES (:id, :note, :quantity)";

pub(crate) const PASSWORD: &str = "canary-of-the-password";

/// A record with these fields.
pub(crate) fn record(id: &str, fields: Vec<(&'static str, Value<'static>)>) -> Record {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
    Record::new(id, Body::Value(Value::Object(fields)))
}

/// A message of its own, with these fields.
pub(crate) fn message(id: &str, fields: Vec<(&'static str, Value<'static>)>) -> Delivered {
    part(id, id, fields)
}

/// A part of a message that was split.
pub(crate) fn part(unit: &str, id: &str, fields: Vec<(&'static str, Value<'static>)>) -> Delivered {
    Delivered {
        record: record(id, fields),
        context: Context {
            message_id: id.to_owned(),
            unit: unit.to_owned(),
            attempt: 1,
        },
    }
}

pub(crate) fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

pub(crate) fn number(digits: &str) -> Value<'static> {
    Value::Number(digits.to_owned().into())
}

fn effect(id: &str, quantity: &str) -> Record {
    record(
        id,
        vec![
            ("id", text(id)),
            ("note", text(PRIVATE)),
            ("quantity", number(quantity)),
        ],
    )
}

/// A database, for sentences that hold for each.
#[async_trait]
pub(crate) trait Peer: Send + Sync {
    async fn open(&self) -> Box<dyn System>;

    /// One statement.
    async fn execute(&self, sql: &str);

    /// The one number that this query finds.
    async fn count(&self, sql: &str) -> i64;

    /// What a column of times is.
    fn time_type(&self) -> &'static str;

    /// What a column of JSON is.
    fn json_type(&self) -> &'static str;
}

#[async_trait]
impl Peer for SqlitePeer {
    async fn open(&self) -> Box<dyn System> {
        self.system().await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.run(sql);
    }

    async fn count(&self, sql: &str) -> i64 {
        self.ask(sql)
    }

    fn time_type(&self) -> &'static str {
        "text"
    }

    fn json_type(&self) -> &'static str {
        "text"
    }
}

#[async_trait]
impl Peer for PostgresPeer {
    async fn open(&self) -> Box<dyn System> {
        self.system_as(self.config.get_user().unwrap_or("postgres"), "10s")
            .await
            .unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.run(sql).await;
    }

    async fn count(&self, sql: &str) -> i64 {
        self.ask(sql).await.parse().unwrap()
    }

    fn time_type(&self) -> &'static str {
        "timestamp"
    }

    fn json_type(&self) -> &'static str {
        "jsonb"
    }
}

/// A file in a folder of its own. It is away while somebody else holds its lock.
pub(crate) struct SqlitePeer {
    pub(crate) folder: tempfile::TempDir,
    /// The test's own connection.
    pub(crate) connection: Mutex<Connection>,
    locker: Mutex<Connection>,
}

impl SqlitePeer {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let connection = Connection::open(folder.path().join("peer.db")).unwrap();
            connection
                .busy_timeout(std::time::Duration::from_secs(30))
                .unwrap();
            Mutex::new(connection)
        };
        let (connection, locker) = (open(), open());
        connection.lock().unwrap().execute_batch(TABLE).unwrap();
        Self {
            folder,
            connection,
            locker,
        }
    }

    pub(crate) async fn system(&self) -> Result<Box<dyn System>, Fault> {
        let settings = Settings::of([("url", "sqlite:peer.db"), ("timeout", "50ms")]);
        Sql.open(&settings, self.folder.path()).await
    }

    pub(crate) fn run(&self, sql: &str) {
        self.connection.lock().unwrap().execute_batch(sql).unwrap();
    }

    pub(crate) fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.connection
            .lock()
            .unwrap()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }
}

#[async_trait]
impl SinkPeer for SqlitePeer {
    fn effect(&self) -> Effect {
        Sql.describe().effect
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        let system = self.system().await.unwrap();
        system
            .sink(flow, &Settings::of([("statement", STATEMENT)]))
            .await
            .unwrap()
    }

    fn accepted(&self, id: &str) -> Record {
        effect(id, "1")
    }

    fn refused(&self, id: &str) -> Record {
        effect(id, "-1")
    }

    async fn effects(&self, id: &str) -> usize {
        let connection = self.connection.lock().unwrap();
        let query = "SELECT count(*) FROM effects WHERE id = ?1";
        let count: i64 = connection.query_row(query, [id], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    async fn leave(&self) {
        self.locker
            .lock()
            .unwrap()
            .execute_batch("BEGIN IMMEDIATE")
            .unwrap();
    }

    async fn come_back(&self) {
        let locker = self.locker.lock().unwrap();
        if !locker.is_autocommit() {
            locker.execute_batch("ROLLBACK").unwrap();
        }
    }
}

/// The server of the tests.
pub(crate) fn server() -> Config {
    let url = std::env::var("TRUNKLINE_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "TRUNKLINE_TEST_POSTGRES is not set: start a PostgreSQL and set it to a URL as \
             postgres://postgres@127.0.0.1:5432/postgres, or call tests/run, which does both"
        )
    });
    url.parse().expect("TRUNKLINE_TEST_POSTGRES is a PostgreSQL URL")
}

/// Does something to its end where nothing can be awaited: in a `drop`.
pub(crate) fn in_between(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    std::thread::spawn(move || runtime().unwrap().block_on(work))
        .join()
        .unwrap();
}

/// A schema of a server, reached through a cable. It is away while the cable is cut.
pub(crate) struct PostgresPeer {
    pub(crate) schema: String,
    pub(crate) cable: Cable,
    /// The test's own connection, not through the cable.
    pub(crate) client: Client,
    pub(crate) config: Config,
}

impl PostgresPeer {
    pub(crate) async fn new() -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let schema = format!(
            "t{}_{}",
            std::process::id(),
            TESTS.fetch_add(1, Ordering::Relaxed)
        );
        let mut config = server();
        let (client, connection) = config
            .connect(NoTls)
            .await
            .expect("TRUNKLINE_TEST_POSTGRES is reachable");
        tokio::spawn(connection);
        client
            .batch_execute(&format!(
                "CREATE SCHEMA {schema}; SET search_path = {schema}; {TABLE}"
            ))
            .await
            .unwrap();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let host = match config.get_hosts() {
            [Host::Tcp(host), ..] => host.clone(),
            _ => panic!("TRUNKLINE_TEST_POSTGRES must name a host, not a socket file"),
        };
        let cable = Cable::to(format!("{host}:{port}")).await.unwrap();
        // The sink's user has a password that no other word contains.
        let database = config
            .get_dbname()
            .or(config.get_user())
            .unwrap_or("postgres")
            .to_owned();
        config.dbname(database).user(&schema).password(PASSWORD);
        let role = format!("CREATE ROLE {schema} LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
        client.batch_execute(&role).await.unwrap();
        Self {
            schema,
            cable,
            client,
            config,
        }
    }

    pub(crate) fn password(&self) -> String {
        PASSWORD.to_owned()
    }

    /// The settings of a system, for this user, through the cable.
    pub(crate) async fn system_as(&self, user: &str, timeout: &str) -> Result<Box<dyn System>, Fault> {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect::<String>()
        };
        let url = format!(
            "postgres://{}:{}@{}/{}?options=-csearch_path%3D{}",
            encode(user),
            encode(&self.password()),
            self.cable.address(),
            encode(self.config.get_dbname().unwrap_or(user)),
            self.schema
        );
        Sql.open(
            &Settings::of([("url", url.as_str()), ("timeout", timeout)]),
            &PathBuf::new(),
        )
        .await
    }

    pub(crate) async fn system(&self) -> Box<dyn System> {
        let user = self.config.get_user().unwrap_or("postgres");
        self.system_as(user, "10s").await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// The one value that this query finds, as a text.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let row = self
            .client
            .query_one(&format!("SELECT ({sql})::text"), &[])
            .await
            .unwrap();
        row.get(0)
    }
}

#[async_trait]
impl SinkPeer for PostgresPeer {
    fn effect(&self) -> Effect {
        Sql.describe().effect
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        let endpoint = Settings::of([("statement", STATEMENT)]);
        self.system().await.sink(flow, &endpoint).await.unwrap()
    }

    fn accepted(&self, id: &str) -> Record {
        effect(id, "1")
    }

    fn refused(&self, id: &str) -> Record {
        effect(id, "-1")
    }

    async fn effects(&self, id: &str) -> usize {
        let row = self
            .client
            .query_one("SELECT count(*) FROM effects WHERE id = $1", &[&id])
            .await
            .unwrap();
        usize::try_from(row.get::<_, i64>(0)).unwrap()
    }

    async fn leave(&self) {
        self.cable.cut();
    }

    async fn come_back(&self) {
        self.cable.mend();
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.password()]
    }

    async fn close(&self) {
        self.run(&format!("DROP SCHEMA {0} CASCADE; DROP ROLE {0}", self.schema))
            .await;
    }
}

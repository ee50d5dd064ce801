//! A database of a MariaDB server, reached through a cable.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use tokio::sync::Mutex;
use trunkline_sdk::{
    Adapter, Effect, Fault, Record, Settings, Sink, Source, System,
    contract::{Cable, sink::SinkPeer, source::SourcePeer},
};
use trunkline_sql::Sql;

use super::{
    PASSWORD, Peer, STATEMENT, TABLE, effect, in_between,
    sources::{self, outbox_of_readme},
};

/// It is away while the cable is cut.
pub(crate) struct MariaDbPeer {
    /// The name of the database, and of its user.
    pub(crate) name: String,
    pub(crate) cable: Cable,
    /// The test's own connection, not through the cable.
    connection: Mutex<Conn>,
}

/// The server of the tests.
pub(crate) fn server() -> Opts {
    let url = std::env::var("TRUNKLINE_TEST_MARIADB").unwrap_or_else(|_| {
        panic!(
            "TRUNKLINE_TEST_MARIADB is not set: start a MariaDB and set it to a URL as \
             mysql://root:password@127.0.0.1:3306/test, or call tests/run, which does both"
        )
    });
    Opts::from_url(&url).expect("TRUNKLINE_TEST_MARIADB is a MariaDB URL")
}

impl MariaDbPeer {
    pub(crate) async fn new() -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "t{}_{}",
            std::process::id(),
            TESTS.fetch_add(1, Ordering::Relaxed)
        );
        let opts = server();
        let mut connection = Conn::new(opts.clone())
            .await
            .expect("TRUNKLINE_TEST_MARIADB is reachable");
        for sql in [
            format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
            format!("CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("CREATE USER {name}@localhost IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT ALL ON {name}.* TO {name}@'%'"),
            format!("GRANT ALL ON {name}.* TO {name}@localhost"),
            format!("USE {name}"),
            "SET time_zone = '+00:00'".to_owned(),
            TABLE.to_owned(),
        ] {
            connection.query_drop(sql).await.unwrap();
        }
        let cable = Cable::to(format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port()))
            .await
            .unwrap();
        Self {
            name,
            cable,
            connection: Mutex::new(connection),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("mysql://{0}:{PASSWORD}@{1}/{0}", self.name, self.cable.address())
    }

    pub(crate) async fn system_with(&self, settings: &[(&str, &str)]) -> Result<Box<dyn System>, Fault> {
        let url = self.url();
        let settings = [[("url", url.as_str())].as_slice(), settings].concat();
        Sql.open(&Settings::of(settings), Path::new("")).await
    }

    pub(crate) async fn run(&self, sql: &str) {
        for sql in sql.split(';').map(str::trim).filter(|sql| !sql.is_empty()) {
            self.connection.lock().await.query_drop(sql).await.unwrap();
        }
    }

    /// The one value that this query finds, as a text.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let asked = format!("SELECT CAST(({sql}) AS CHAR)");
        let answer: Option<String> = self.connection.lock().await.query_first(asked).await.unwrap();
        answer.unwrap()
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Conn {
        let opts = OptsBuilder::from_opts(server()).db_name(Some(&self.name));
        Conn::new(opts).await.unwrap()
    }
}

/// Each sentence cleans up after itself.
impl Drop for MariaDbPeer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let name = self.name.clone();
            in_between(async move {
                let mut connection = Conn::new(server()).await.unwrap();
                let users = format!("DROP USER {name}@'%', {name}@localhost");
                connection.query_drop(users).await.unwrap();
                connection
                    .query_drop(format!("DROP DATABASE {name}"))
                    .await
                    .unwrap();
                connection.disconnect().await.unwrap();
            });
        }
    }
}

#[async_trait]
impl Peer for MariaDbPeer {
    async fn open(&self) -> Box<dyn System> {
        self.system_with(&[("timeout", "10s")]).await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.connection.lock().await.query_drop(sql).await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        self.ask(sql).await.parse().unwrap()
    }

    fn time_type(&self) -> &'static str {
        "datetime(6)"
    }

    fn json_type(&self) -> &'static str {
        "json"
    }
}

#[async_trait]
impl SinkPeer for MariaDbPeer {
    fn effect(&self) -> Effect {
        Sql.describe().effect
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        let endpoint = Settings::of([("statement", STATEMENT)]);
        self.open().await.sink(flow, &endpoint).await.unwrap()
    }

    fn accepted(&self, id: &str) -> Record {
        effect(id, "1")
    }

    fn refused(&self, id: &str) -> Record {
        effect(id, "-1")
    }

    async fn effects(&self, id: &str) -> usize {
        let count = format!("SELECT count(*) FROM effects WHERE id = '{id}'");
        self.ask(&count).await.parse().unwrap()
    }

    async fn leave(&self) {
        self.cable.cut();
    }

    async fn come_back(&self) {
        self.cable.mend();
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }
}

/// A table that a source reads.
pub(crate) struct MariaDbRows(pub(crate) MariaDbPeer, bool);

impl MariaDbRows {
    pub(crate) async fn table() -> Self {
        let peer = MariaDbPeer::new().await;
        peer.run(
            "CREATE TABLE `rows` (id bigint AUTO_INCREMENT PRIMARY KEY, note varchar(40),
                                  updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
                                  INDEX (updated_at, id))",
        )
        .await;
        Self(peer, false)
    }

    pub(crate) async fn outbox() -> Self {
        let peer = MariaDbPeer::new().await;
        peer.run(outbox_of_readme(2)).await;
        peer.run("CREATE TABLE offered (n bigint); INSERT INTO offered VALUES (0)")
            .await;
        Self(peer, true)
    }
}

#[async_trait]
impl SourcePeer for MariaDbRows {
    async fn offer(&mut self, records: usize) {
        let numbers =
            format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records})");
        let sql = if self.1 {
            format!(
                "UPDATE offered SET n = n + {records};
                 INSERT INTO outbox (message_key, payload) {numbers} SELECT i, CONCAT('{{\"n\":', i, '}}') FROM n"
            )
        } else {
            format!("INSERT INTO `rows` (note) {numbers} SELECT 'n' FROM n")
        };
        self.0.run("SET max_recursive_iterations = 100000").await;
        self.0.run(&sql).await;
    }

    async fn open(&mut self) -> Box<dyn Source> {
        let settings = if self.1 {
            Settings::of(sources::OUTBOX)
        } else {
            Settings::of(sources::TABLE)
        };
        Peer::open(&self.0).await.source(&settings).await.unwrap()
    }

    async fn told(&mut self) -> Option<usize> {
        if !self.1 {
            return None;
        }
        let told = self
            .0
            .ask("SELECT n - (SELECT count(*) FROM outbox) FROM offered")
            .await;
        Some(told.parse().unwrap())
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }

    async fn spoil(&mut self) -> bool {
        self.0
            .run(if self.1 {
                "DROP TABLE outbox"
            } else {
                "DROP TABLE `rows`"
            })
            .await;
        true
    }
}

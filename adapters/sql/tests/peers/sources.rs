//! The databases behind a source, in a test's hand: a table that grows, and an outbox that empties.

use async_trait::async_trait;
use trunkline_sdk::{Settings, Source, contract::source::SourcePeer};

use super::{PostgresPeer, SqlitePeer, in_between};

/// How a source of these tests reads a table.
pub(crate) const TABLE: [(&str, &str); 4] = [
    ("table", "rows"),
    ("cursor", "updated_at"),
    ("key", "id"),
    ("every", "20ms"),
];
/// How a source of these tests reads an outbox.
pub(crate) const OUTBOX: [(&str, &str); 2] = [("outbox", "outbox"), ("every", "20ms")];

/// The table of an outbox that the README shows as the first, second …
pub(crate) fn outbox_of_readme(number: usize) -> &'static str {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```sql\n").skip(1);
    let mut tables = blocks.filter(|block| block.starts_with("CREATE TABLE outbox"));
    let block = tables.nth(number).expect("the README shows it");
    block.split("```").next().expect("a block has an end")
}

/// A table that a source reads, in a file.
pub(crate) struct SqliteRows(pub(crate) SqlitePeer, bool);

impl SqliteRows {
    pub(crate) fn table() -> Self {
        let peer = SqlitePeer::new();
        peer.run("CREATE TABLE rows (id INTEGER PRIMARY KEY, note text, updated_at text NOT NULL)");
        Self(peer, false)
    }

    pub(crate) fn outbox() -> Self {
        let peer = SqlitePeer::new();
        peer.run(outbox_of_readme(1));
        peer.run("CREATE TABLE offered (n integer); INSERT INTO offered VALUES (0)");
        Self(peer, true)
    }
}

#[async_trait]
impl SourcePeer for SqliteRows {
    async fn offer(&mut self, records: usize) {
        self.0.run(&if self.1 {
            format!(
                "UPDATE offered SET n = n + {records};
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records})
                 INSERT INTO outbox (message_key, payload) SELECT i, '{{\"n\":' || i || '}}' FROM n"
            )
        } else {
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records})
                 INSERT INTO rows (note, updated_at) SELECT 'n', strftime('%Y-%m-%d %H:%M:%S', 'now') FROM n"
            )
        });
    }

    async fn open(&mut self) -> Box<dyn Source> {
        let settings = if self.1 {
            Settings::of(OUTBOX)
        } else {
            Settings::of(TABLE)
        };
        let system = self.0.system().await.unwrap();
        system.source(&settings).await.unwrap()
    }

    async fn told(&mut self) -> Option<usize> {
        let count = "SELECT n - (SELECT count(*) FROM outbox) FROM offered";
        self.1.then(|| usize::try_from(self.0.ask::<i64>(count)).unwrap())
    }

    async fn spoil(&mut self) -> bool {
        self.0.run(if self.1 {
            "DROP TABLE outbox"
        } else {
            "DROP TABLE rows"
        });
        true
    }
}

/// A table that a source reads, on a server.
pub(crate) struct PostgresRows(pub(crate) PostgresPeer, bool);

impl PostgresRows {
    pub(crate) async fn table() -> Self {
        let peer = PostgresPeer::new().await;
        peer.run(
            "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text,
                                updated_at timestamptz NOT NULL DEFAULT now());
             CREATE INDEX ON rows (updated_at, id)",
        )
        .await;
        Self(peer, false)
    }

    pub(crate) async fn outbox() -> Self {
        let peer = PostgresPeer::new().await;
        peer.run(outbox_of_readme(0)).await;
        peer.run("CREATE TABLE offered (n bigint); INSERT INTO offered VALUES (0)")
            .await;
        Self(peer, true)
    }
}

/// The sentences of a source take their peer: it cleans up after itself.
impl Drop for PostgresRows {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let schema = self.0.schema.clone();
            in_between(async move {
                let (client, connection) = super::server().connect(tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                let drop = format!("DROP SCHEMA {schema} CASCADE; DROP ROLE {schema}");
                client.batch_execute(&drop).await.unwrap();
                connection.abort();
            });
        }
    }
}

#[async_trait]
impl SourcePeer for PostgresRows {
    async fn offer(&mut self, records: usize) {
        let sql = if self.1 {
            format!(
                "UPDATE offered SET n = n + {records};
                 INSERT INTO outbox (message_key, payload) SELECT n, jsonb_build_object('n', n)
                 FROM generate_series(1, {records}) n"
            )
        } else {
            format!("INSERT INTO rows (note) SELECT 'n' FROM generate_series(1, {records})")
        };
        self.0.run(&sql).await;
    }

    async fn open(&mut self) -> Box<dyn Source> {
        let settings = if self.1 {
            Settings::of(OUTBOX)
        } else {
            Settings::of(TABLE)
        };
        self.0.system().await.source(&settings).await.unwrap()
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
        vec![self.0.password()]
    }

    async fn spoil(&mut self) -> bool {
        self.0
            .run(if self.1 {
                "DROP TABLE outbox"
            } else {
                "DROP TABLE rows"
            })
            .await;
        true
    }
}

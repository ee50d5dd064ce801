//! The sentences of a sink and of a source, over SQLite and over a real PostgreSQL.
//!
//! PostgreSQL is given by `TRUNKLINE_TEST_POSTGRES`, a URL whose user may create schemas: each test has its own.

mod peers;

use peers::{
    PostgresPeer, SqlitePeer,
    sources::{PostgresRows, SqliteRows},
};

trunkline_sdk::sink_contract!(sqlite, std::future::ready(SqlitePeer::new()));
trunkline_sdk::sink_contract!(postgres, PostgresPeer::new());

mod sqlite_table {
    use super::*;
    trunkline_sdk::source_contract!(SqliteRows::table());
}
mod sqlite_outbox {
    use super::*;
    trunkline_sdk::source_contract!(SqliteRows::outbox());
}
mod postgres_table {
    use super::*;
    trunkline_sdk::source_contract!(PostgresRows::table().await);
}
mod postgres_outbox {
    use super::*;
    trunkline_sdk::source_contract!(PostgresRows::outbox().await);
}

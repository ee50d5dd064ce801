//! The sentences of a sink and of a source, over SQLite and over a real PostgreSQL and MariaDB.
//!
//! The servers are given by `TRUNKLINE_TEST_POSTGRES` and `TRUNKLINE_TEST_MARIADB`, URLs whose users may create schemas
//! or databases: each test has its own.

mod peers;

use peers::{
    PostgresPeer, SqlitePeer,
    mariadb::{MariaDbPeer, MariaDbRows},
    sources::{PostgresRows, SqliteRows},
};

trunkline_sdk::sink_contract!(sqlite, std::future::ready(SqlitePeer::new()));
trunkline_sdk::sink_contract!(postgres, PostgresPeer::new());
trunkline_sdk::sink_contract!(mariadb, MariaDbPeer::new());

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
mod mariadb_table {
    use super::*;
    trunkline_sdk::source_contract!(MariaDbRows::table().await);
}
mod mariadb_outbox {
    use super::*;
    trunkline_sdk::source_contract!(MariaDbRows::outbox().await);
}

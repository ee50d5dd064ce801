//! The sentences of a sink, over SQLite and over a real PostgreSQL.
//!
//! PostgreSQL is given by `TRUNKLINE_TEST_POSTGRES`, a URL whose user may create schemas: each test has its own.

mod peers;

use peers::{PostgresPeer, SqlitePeer};

trunkline_sdk::sink_contract!(sqlite, std::future::ready(SqlitePeer::new()));
trunkline_sdk::sink_contract!(postgres, PostgresPeer::new());

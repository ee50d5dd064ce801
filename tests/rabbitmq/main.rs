//! What only RabbitMQ can do to us: outages, strangers on our queues, a broker that is set up otherwise.
//!
//! The promises of every bus are in `tests/bus`.

#![allow(clippy::unwrap_used, reason = "what fails to unwrap here fails its test")]
#![allow(clippy::print_stdout, reason = "how long an outage took is worth reading")]

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod cuts;
mod outage;
mod partitions;
mod scene;
mod setup;
mod strangers;
mod suspects;
mod tls;
mod window;

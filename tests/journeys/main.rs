//! Orders on their whole way, through real processes, RabbitMQ and PostgreSQL.

#[path = "../support/mod.rs"]
mod support;

mod http;
mod shop;
mod users;

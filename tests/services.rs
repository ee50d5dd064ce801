//! The servers that all other tests stand on do what `support::services` promises.

mod support;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use support::services::{Broker, Postgres};
use tokio_postgres::NoTls;

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

#[tokio::test]
async fn every_test_has_a_virtual_host_of_its_own() {
    // given a queue in one virtual host
    let broker = Broker::shared();
    let (mine, other) = (broker.fresh_vhost().await, broker.fresh_vhost().await);
    let connection = connect(mine.amqp()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .queue_declare(
            "orders".into(),
            QueueDeclareOptions::default(),
            Default::default(),
        )
        .await
        .unwrap();

    // when another test looks for it in its own
    let passive = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let theirs = connect(other.amqp())
        .await
        .unwrap()
        .create_channel()
        .await
        .unwrap();
    let found = theirs
        .queue_declare("orders".into(), passive, Default::default())
        .await;

    // then it is not there
    assert!(found.is_err());
}

#[tokio::test]
async fn a_dropped_virtual_host_is_gone() {
    // given a virtual host in use
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    let path = format!("/api/vhosts/{}", vhost.name());
    let url = vhost.amqp().to_owned();
    let _connection = connect(&url).await.unwrap();
    assert_eq!(broker.manage("GET", &path, "").await.unwrap().0, 200);

    // when
    drop(vhost);

    // then
    assert_eq!(broker.manage("GET", &path, "").await.unwrap().0, 404);
    assert!(connect(&url).await.is_err());
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    // given a database in use
    let database = Postgres::fresh_database().await;
    let url = database.url().to_owned();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE stock (sku text)")
        .await
        .unwrap();

    // when
    drop(database);

    // then
    assert!(connection.await.unwrap().is_err());
    let refused = tokio_postgres::connect(&url, NoTls)
        .await
        .err()
        .expect("the database is gone");
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::INVALID_CATALOG_NAME)
    );
}

#[tokio::test]
async fn a_broker_of_ones_own_keeps_what_was_confirmed_through_a_kill() {
    // given a confirmed message in a durable queue
    let broker = Broker::own().await;
    let durable = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let channel = connect(broker.amqp())
        .await
        .unwrap()
        .create_channel()
        .await
        .unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    channel
        .queue_declare("orders".into(), durable, Default::default())
        .await
        .unwrap();
    let publish = channel.basic_publish(
        "".into(),
        "orders".into(),
        BasicPublishOptions::default(),
        b"1001",
        persistent,
    );
    assert!(publish.await.unwrap().await.unwrap().is_ack());

    // when the node is killed, and started again
    broker.kill().await;
    assert!(connect(broker.amqp()).await.is_err());
    broker.start().await;

    // then it is still there
    let channel = connect(broker.amqp())
        .await
        .unwrap()
        .create_channel()
        .await
        .unwrap();
    let found = channel
        .basic_get("orders".into(), BasicGetOptions { no_ack: true })
        .await
        .unwrap();
    assert_eq!(found.expect("the queue holds the message").data, b"1001");
}

#[tokio::test]
async fn a_postgres_of_ones_own_keeps_what_was_committed_through_a_kill() {
    // given a committed row
    let server = Postgres::own().await;
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE stock (sku text); INSERT INTO stock VALUES ('MUG')")
        .await
        .unwrap();

    // when the server is killed, and started again
    server.kill().await;
    assert!(connection.await.unwrap().is_err());
    assert!(tokio_postgres::connect(server.url(), NoTls).await.is_err());
    server.start().await;

    // then it is still there
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SELECT sku FROM stock", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "MUG");
}

//! Whose turn it is at a channel that keeps order: of the messages of a flow, and of two instances.

use std::time::Duration;

use serde_json::Value;
use tokio::{runtime::Handle, time::sleep};
use tokio_postgres::NoTls;
use trunkline::{
    bus::{Bucket, Partition},
    message::Message,
    names::QueueName,
    runtime::Runtime,
};
use trunkline_proto::commerce::v1::Order;

use crate::{
    house::{House, until},
    messages::{message, order},
    on_bus::{channel, flow},
    rabbit::Rabbit,
    subject::Subject,
    support::services::{Broker, Database, Postgres},
};

/// The first order of buyer `a` fails in passing the first time; those of buyers `slow…` take 4 seconds.
const BOOK: &str = "
CREATE SEQUENCE tries;
CREATE FUNCTION book(id text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  IF id = 'a-1' AND nextval('tries') = 1 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END IF;
  IF id LIKE 'slow%' THEN PERFORM pg_sleep(4); END IF;
END $$";

async fn books() -> Database {
    let database = Postgres::fresh_database().await;
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(BOOK).await.unwrap();
    database
}

/// The flow `keep`, which tries again after so long.
fn keep(wait: &str) -> String {
    format!(
        r#"
flow: keep
from: kept
to: {{ system: books, statement: "SELECT book(:order_id)" }}
retry: {{ attempts: 2, first: {wait} }}
"#
    )
}

fn orders(buyer: &str, count: usize) -> Vec<Message> {
    let one = |number| {
        let mut message = message(&Order {
            buyer_reference: buyer.to_owned(),
            ..order(&format!("{buyer}-{number}"), &["TEA"])
        });
        message.key = Some(buyer.into());
        message
    };
    (1..=count).map(one).collect()
}

fn home(key: &str) -> QueueName {
    let partition = Partition::of_bucket(Bucket::of(key), 4);
    QueueName::of_partition(&channel("kept"), &flow("keep"), partition.index)
}

/// How long the workers of this test were busy so far.
fn busy() -> Duration {
    let metrics = Handle::current().metrics();
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_total_busy_duration(worker))
        .sum()
}

pub(crate) async fn a_flow_is_at_rest_while_its_system_is_slow_and_an_attempt_is_due<S: Subject>() {
    // given an order that is to be tried again in a second
    let database = books().await;
    let mut house = House::<S>::built(&[&keep("1s")], &[("BOOKS", database.url())]).await;
    house.run().await;
    let slow = (0..)
        .map(|number| format!("slow{number}"))
        .find(|key| home(key) == home("a"))
        .unwrap();
    house.publish("kept", orders("a", 1)).await;
    house.until_counts("keep", |counts| counts.retried == 1).await;
    // when the system takes longer than that for one of another key
    let before = busy();
    house.publish("kept", orders(&slow, 1)).await;
    house.until_counts("keep", |counts| counts.delivered == 2).await;
    // then
    let busy = busy() - before;
    assert!(busy < Duration::from_millis(1_500), "{busy:?}");
    house.end().await;
}

/// Cuts the connection by which this queue is read.
async fn cut_reader(house: &House<Rabbit>, queue: &QueueName) {
    let broker = Broker::shared();
    let address = house.place.address();
    let (url, _) = address.split_once(' ').unwrap();
    let vhost = url.rsplit('/').next().unwrap();
    let connection = until("the broker tells who reads", async || {
        let path = format!("/api/consumers/{vhost}");
        let (_, found) = broker.manage("GET", &path, "").await.unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        let mut found = found.as_array()?.iter();
        let reader = found.find(|consumer| {
            consumer["queue"]["name"] == queue.as_str() && consumer["activity_status"] == "single_active"
        })?;
        Some(reader["channel_details"]["connection_name"].as_str()?.to_owned())
    })
    .await;
    let path = format!(
        "/api/connections/{}",
        connection.replace(' ', "%20").replace('>', "%3E")
    );
    let (status, told) = broker.manage("DELETE", &path, "").await.unwrap();
    assert_eq!(status, 204, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_has_lost_its_partition_works_on_nothing_of_it_any_more() {
    // given two instances; one of them waits for the second attempt of the first of ten messages
    let database = books().await;
    let mut house = House::<Rabbit>::built(&[&keep("5s")], &[("BOOKS", database.url())]).await;
    house.run().await;
    let beside = house.place.beside(&house.bus).await;
    let second = house.instance(beside).await;
    house.publish("kept", orders("a", 10)).await;
    let delivered = |runtime: &Runtime| runtime.tallies()[&flow("keep")].read().delivered;
    house.until_counts("keep", |counts| counts.retried == 1).await;
    // when its connection is cut
    cut_reader(&house, &home("a")).await;
    until("the other has done all", async || {
        (delivered(&second) == 10).then_some(())
    })
    .await;
    // then that one does none of it when its time has come: that nothing happens tells nobody
    sleep(Duration::from_secs(6)).await;
    assert_eq!(house.counts("keep").delivered, 0);
    assert!(second.stop().await);
    house.end().await;
}

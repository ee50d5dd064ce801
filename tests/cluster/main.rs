//! Three nodes that are one cluster: killed, frozen, cut off from each other, under traffic.
//!
//! What must hold is the same each time: of what was confirmed nothing is lost, a repeat has its first id, and what
//! was published after the fault arrives. How long nothing was confirmed, or nothing came, is printed:
//! `tests/run --test cluster -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "what fails to unwrap here fails its test")]
#![allow(
    clippy::print_stdout,
    reason = "how long each fault held us up is worth reading"
)]

#[path = "../rabbitmq/scene.rs"]
#[allow(
    dead_code,
    reason = "the landscape of `tests/rabbitmq`, of which this takes a part"
)]
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod traffic;

use std::time::Duration;

use serde_json::Value;
use support::services::{Cluster, Vhost};
use trunkline::bus::Bus;

use crate::{
    scene::{billing, opened, order, publish_at_last, until},
    traffic::Traffic,
};

/// The longest time in which nothing may be confirmed, or nothing come.
const STALL: Duration = Duration::from_secs(10);

/// The same, where the cluster has to give a node up first. Or where the node goes on taking consumers and has nothing
/// for them, as from RabbitMQ 4.3 on one does that is cut off: a consumer looks twice before it believes that.
const UNNOTICED: Duration = Duration::from_secs(35);

/// One cluster for all of it, since forming one takes longer than a fault: the sentences are spoken in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_loses_nothing_that_was_confirmed() {
    let cluster = Cluster::start().await;
    a_killed_node_is_left_for_another_and_found_again(&cluster).await;
    a_leader_that_is_killed_elsewhere_holds_nobody_up(&cluster).await;
    a_frozen_node_is_given_up_for_another(&cluster).await;
    a_node_that_is_cut_off_from_the_others_is_left(&cluster).await;
}

async fn a_killed_node_is_left_for_another_and_found_again(cluster: &Cluster) {
    // given: we are on the node that leads the queue
    let (vhost, [leader, next, last]) = led(cluster).await;
    let nodes = cluster.url(&vhost, [leader, next, last]);
    let traffic = Traffic::begin(&nodes).await;
    // when
    cluster.node(leader).kill().await;
    traffic.goes_on().await;
    // then: who starts now finds the others
    let late = opened(&nodes).await;
    publish_at_last(&*late.bus, order("late")).await;
    late.bus.close().await;
    // when
    cluster.node(leader).start().await;
    // then
    traffic.goes_on().await;
    traffic
        .end("leader killed with its clients, and back", STALL)
        .await;
    whole(cluster, &vhost).await;
}

async fn a_leader_that_is_killed_elsewhere_holds_nobody_up(cluster: &Cluster) {
    // given: we are not on the node that leads the queue
    let (vhost, [leader, next, last]) = led(cluster).await;
    let traffic = Traffic::begin(&cluster.url(&vhost, [next, last, leader])).await;
    // when
    cluster.node(leader).kill().await;
    // then
    traffic.goes_on().await;
    cluster.node(leader).start().await;
    traffic.end("leader killed elsewhere", STALL).await;
    whole(cluster, &vhost).await;
}

async fn a_frozen_node_is_given_up_for_another(cluster: &Cluster) {
    // given: it leads the queue; then RabbitMQ 3.10 answers nobody who is new to the queue, on any node, before the
    // cluster has given the node up, after its `net_ticktime`
    let (vhost, [leader, next, last]) = led(cluster).await;
    let traffic = Traffic::begin(&cluster.url(&vhost, [leader, next, last])).await;
    // when
    cluster.node(leader).pause().await;
    // then
    traffic.goes_on().await;
    // when
    cluster.node(leader).resume().await;
    // then
    traffic.goes_on().await;
    // when: to the cluster it is partitioned, until it is started anew; `topology doctor` says so
    cluster.node(leader).kill().await;
    cluster.node(leader).start().await;
    // then
    traffic.goes_on().await;
    traffic.end("leader frozen with its clients", UNNOTICED).await;
    whole(cluster, &vhost).await;
}

async fn a_node_that_is_cut_off_from_the_others_is_left(cluster: &Cluster) {
    // given
    let vhost = cluster.fresh_vhost().await;
    let traffic = Traffic::begin(&cluster.url(&vhost, [0, 1, 2])).await;
    // when
    cluster.cut_off(0).await;
    // then
    traffic.goes_on().await;
    // when
    cluster.rejoin(0).await;
    whole(cluster, &vhost).await;
    // then
    traffic.goes_on().await;
    traffic.end("node cut off from the others", UNNOTICED).await;
}

/// Waits until all three nodes of the queue are there again.
async fn whole(cluster: &Cluster, vhost: &Vhost) {
    until("the queue has three members that are there", || async {
        queue(cluster, vhost).await["online"]
            .as_array()
            .is_some_and(|online| online.len() == 3)
    })
    .await;
}

/// A virtual host with the landscape declared, and the nodes, the one that leads the queue first.
async fn led(cluster: &Cluster) -> (Vhost, [usize; 3]) {
    let vhost = cluster.fresh_vhost().await;
    opened(&cluster.url(&vhost, [0, 1, 2])).await.bus.close().await;
    let queue = queue(cluster, &vhost).await;
    let name = queue["leader"].as_str().expect("it has a leader");
    let leader = (0..3)
        .find(|node| name == cluster.name(*node))
        .expect("it is one of ours");
    (vhost, [leader, (leader + 1) % 3, (leader + 2) % 3])
}

/// What the management API says of the queue; null, if it does not answer.
async fn queue(cluster: &Cluster, vhost: &Vhost) -> Value {
    let path = format!("/api/queues/{}/{}", vhost.name(), billing());
    let answer = cluster.node(1).manage("GET", &path, "").await;
    answer.map_or(Value::Null, |(_, body)| {
        serde_json::from_str(&body).unwrap_or_default()
    })
}

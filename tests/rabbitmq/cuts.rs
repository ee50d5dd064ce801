//! The network between us and the broker: connections cut at any byte, half closed, gone, slow.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    time::{Instant, timeout},
};
use trunkline::bus::{Bus, Subscription};

use crate::{
    scene::{
        PATIENCE, billing, connect, drained, hop, opened, order, publish, publish_at_last, receive,
        receive_one, receive_until, settle,
    },
    support::{
        network::{Cut, Network, Way, Weather},
        services::{Broker, Vhost},
    },
};

/// Behind which byte a connection is cut: in the head of a frame, in its body, at its end, between frames; later ones
/// fall where the bytes of the moment happen to be.
const BYTES: [u64; 14] = [
    1, 6, 7, 8, 9, 20, 57, 150, 333, 1_000, 2_500, 6_000, 12_000, 20_000,
];
const MESSAGES: usize = 60;

/// The shared broker behind these networks.
fn behind(networks: &[&Network], vhost: &Vhost) -> String {
    let (credentials, rest) = vhost.amqp().split_once('@').unwrap();
    let addresses: Vec<_> = networks
        .iter()
        .map(|network| network.address().to_string())
        .collect();
    let (_, path) = rest.split_once('/').unwrap();
    format!("{credentials}@{}/{path}", addresses.join(","))
}

async fn to_the_broker(vhost: &Vhost) -> Network {
    let (_, rest) = vhost.amqp().split_once('@').unwrap();
    Network::to(rest.split('/').next().unwrap()).await
}

async fn publish_all(bus: &dyn Bus, ids: impl Iterator<Item = &String>) {
    let hops = ids.map(|id| hop("orders", order(id))).collect();
    for result in bus.complete(hops).await {
        result.expect("it is confirmed");
    }
}

/// Everything that comes until all these ids have come: how often each did.
async fn take_all(
    bus: &dyn Bus,
    subscription: &mut Subscription,
    ids: &BTreeSet<String>,
) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    while !ids.iter().all(|id| seen.contains_key(id)) {
        let delivery = receive_one(subscription).await;
        assert_eq!(delivery.attempt, 1, "a cut is no attempt");
        *seen.entry(delivery.message.id.to_string()).or_default() += 1;
        settle(bus, vec![delivery]).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_whose_connection_is_cut_at_any_byte_loses_nothing_and_invents_nothing() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let network = to_the_broker(&vhost).await;
    let near = opened(&behind(&[&network], &vhost)).await;
    let far = opened(vhost.amqp()).await;
    let mut subscription = far.bus.subscribe(&billing(), 100).await.unwrap();
    let (mut confirmed_at_once, mut repeats, mut longest) = (0, 0, Duration::ZERO);
    for (way, cut) in [
        (Way::Sent, Cut::Reset),
        (Way::Sent, Cut::Close),
        (Way::Sent, Cut::Half),
        (Way::Received, Cut::Reset),
        (Way::Received, Cut::Half),
    ] {
        // What comes back is a few confirms.
        for after in BYTES
            .iter()
            .copied()
            .filter(|after| way == Way::Sent || *after <= 20)
        {
            let name = |number| format!("{way:?}-{cut:?}-{after}-{number}");
            let ids: BTreeSet<_> = (0..MESSAGES).map(name).collect();
            // when
            let cuts = network.cuts();
            network.cut_after(way, after, cut);
            let began = Instant::now();
            let hops = ids.iter().map(|id| hop("orders", order(id))).collect();
            for (result, id) in near.bus.complete(hops).await.into_iter().zip(&ids) {
                match result {
                    Ok(()) => confirmed_at_once += 1,
                    Err(_) => publish_at_last(&*near.bus, order(id)).await,
                }
            }
            longest = longest.max(began.elapsed());
            // then
            timeout(PATIENCE, network.was_cut(cuts + 1))
                .await
                .expect("it is cut");
            let seen = take_all(&*far.bus, &mut subscription, &ids).await;
            let known: BTreeSet<_> = seen.keys().filter(|id| ids.contains(*id)).collect();
            assert_eq!(known.len(), MESSAGES);
            repeats += seen.values().map(|count| count - 1).sum::<u32>();
        }
    }
    // then: a publisher that publishes once more after a cut is the rule, and a sender that must the exception
    assert!(confirmed_at_once > 0);
    println!(
        "publishing: {} cuts, {repeats} repeats seen, longest stall {longest:?}",
        network.cuts()
    );
    subscription.close().await;
    near.bus.close().await;
    far.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_connection_is_cut_at_any_byte_gets_everything_and_settles_nothing_early() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let network = to_the_broker(&vhost).await;
    let near = opened(&behind(&[&network], &vhost)).await;
    let far = opened(vhost.amqp()).await;
    let mut subscription = near.bus.subscribe(&billing(), 20).await.unwrap();
    let (mut repeats, mut longest) = (0, Duration::ZERO);
    for (way, cut) in [
        (Way::Received, Cut::Reset),
        (Way::Received, Cut::Close),
        (Way::Received, Cut::Half),
        (Way::Sent, Cut::Reset),
        (Way::Sent, Cut::Half),
    ] {
        // What we send is a few acks.
        for after in BYTES
            .iter()
            .copied()
            .filter(|after| way == Way::Received || *after <= 57)
        {
            let name = |number| format!("{way:?}-{cut:?}-{after}-{number}");
            let ids: BTreeSet<_> = (0..MESSAGES).map(name).collect();
            // given: five are in our hands
            let (first, later) = (ids.iter().take(5), ids.iter().skip(5));
            publish_all(&*far.bus, first).await;
            let held = receive(&mut subscription, 5).await;
            let kept: BTreeSet<_> = held.iter().map(|held| held.message.id.to_string()).collect();
            // when: the connection is cut while the others come, and are settled
            let cuts = network.cuts();
            network.cut_after(way, after, cut);
            let began = Instant::now();
            publish_all(&*far.bus, later).await;
            let mut seen: BTreeMap<String, u32> = BTreeMap::new();
            while network.cuts() == cuts {
                tokio::select! {
                    () = network.was_cut(cuts + 1) => {}
                    delivery = receive_one(&mut subscription) => {
                        *seen.entry(delivery.message.id.to_string()).or_default() += 1;
                        settle(&*near.bus, vec![delivery]).await;
                    }
                }
            }
            // then: those come again, as the first attempt, and all others come
            let missing = ids
                .iter()
                .filter(|id| !seen.contains_key(*id) || kept.contains(*id));
            let missing: BTreeSet<_> = missing.cloned().collect();
            let again = take_all(&*near.bus, &mut subscription, &missing).await;
            longest = longest.max(began.elapsed());
            settle(&*near.bus, held).await;
            repeats += again.values().map(|count| count - 1).sum::<u32>();
            repeats += again.keys().filter(|id| seen.contains_key(*id)).count() as u32;
        }
    }
    drained(&*near.bus).await;
    println!(
        "consuming: {} cuts, {repeats} repeats seen, longest {longest:?}",
        network.cuts()
    );
    subscription.close().await;
    near.bus.close().await;
    far.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_network_is_gone_the_other_address_serves() {
    // given: two ways to the broker, and we are on the first
    let vhost = Broker::shared().fresh_vhost().await;
    let (one, other) = (to_the_broker(&vhost).await, to_the_broker(&vhost).await);
    other.weather(Weather::Gone);
    let url = format!("{}?heartbeat=2s", behind(&[&one, &other], &vhost));
    let scene = opened(&url).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    receive_until(&*scene.bus, &mut subscription, "before").await;
    // when
    other.weather(Weather::Fair);
    one.weather(Weather::Gone);
    let began = Instant::now();
    // then
    publish_at_last(&*scene.bus, order("after")).await;
    let published = began.elapsed();
    receive_until(&*scene.bus, &mut subscription, "after").await;
    println!(
        "gone: published again after {published:?}, received after {:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(20));
    // when: what was held back arrives after all
    one.weather(Weather::Fair);
    // then: it does no harm
    publish(&*scene.bus, order("later"))
        .await
        .expect("it is confirmed");
    receive_until(&*scene.bus, &mut subscription, "later").await;
    drained(&*scene.bus).await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_way_slows_a_batch_by_one_round_trip_not_one_for_each_message() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let network = to_the_broker(&vhost).await;
    let scene = opened(&behind(&[&network], &vhost)).await;
    // when
    network.weather(Weather::Slow(Duration::from_millis(100)));
    let began = Instant::now();
    let hops = (0..200).map(|number| hop("orders", order(&number.to_string())));
    for result in scene.bus.complete(hops.collect()).await {
        result.expect("it is confirmed");
    }
    // then
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_to_reach_a_silent_broker_leaves_no_connection_behind() {
    // given: somebody who accepts, and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://guest:guest@{}/", silent.local_addr().unwrap());
    // when
    let connecting = tokio::spawn(async move { connect(&url).await.map(drop) });
    let (mut connection, _) = silent.accept().await.unwrap();
    let refused = connecting.await.unwrap().expect_err("nobody answers");
    assert!(refused.what.contains("does not answer"), "{refused}");
    // then
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, connection.read_to_end(&mut heard)).await;
    ended.expect("it is closed").unwrap();
    assert_eq!(heard, b"AMQP\0\0\x09\x01");
}

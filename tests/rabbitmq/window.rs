//! Confirms and returns, many at a time.

use std::collections::BTreeSet;

use trunkline::bus::Bus;
use trunkline_sdk::Remedy;

use crate::{
    scene::{billing, drained, hop, opened, order, receive, settle},
    support::services::Broker,
};

const TASKS: usize = 4;
const ROUNDS: usize = 10;
const HOPS: usize = 256;

/// Whether this one goes where nobody reads; runs of different lengths, no pattern over a window.
fn is_unroutable(task: usize, round: usize, number: usize) -> bool {
    (number * (3 + task) / (2 + round % 5) + number / 7).is_multiple_of(3)
}

// lapin hands a return to whichever confirm it resolves next, so each single one must find its owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thousands_in_a_full_window_exactly_the_unroutable_ones_are_refused() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 1_000).await.unwrap();
    // when
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let bus = scene.bus.clone();
            tokio::spawn(async move {
                let mut confirmed = Vec::new();
                for round in 0..ROUNDS {
                    let id = |number| format!("{task}-{round}-{number}");
                    let place = |number| {
                        if is_unroutable(task, round, number) {
                            "void"
                        } else {
                            "orders"
                        }
                    };
                    let hops = (0..HOPS)
                        .map(|number| hop(place(number), order(&id(number))))
                        .collect();
                    for (number, result) in bus.complete(hops).await.into_iter().enumerate() {
                        // then
                        match result {
                            Ok(()) => {
                                assert_eq!(place(number), "orders", "{} is lost", id(number));
                                confirmed.push(id(number));
                            }
                            Err(refused) => {
                                assert_eq!(place(number), "void", "{}: {}", id(number), refused.fault);
                                assert_eq!(refused.fault.remedy, Remedy::Stop);
                            }
                        }
                    }
                }
                confirmed
            })
        })
        .collect();
    let mut confirmed = BTreeSet::new();
    for task in tasks {
        confirmed.extend(task.await.expect("each is told the truth"));
    }
    // then: and each confirmed one is there, once
    assert!(confirmed.len() > TASKS * ROUNDS * HOPS / 4);
    let mut there = BTreeSet::new();
    while there.len() < confirmed.len() {
        let batch = receive(&mut subscription, 1).await;
        assert!(there.insert(batch[0].message.id.to_string()), "it came twice");
        settle(&*scene.bus, batch).await;
    }
    assert_eq!(there, confirmed);
    subscription.close().await;
    drained(&*scene.bus).await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_no_loss_but_a_reason_to_wait() {
    // given: a queue that takes one message
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let policy = format!("/api/policies/{}/small", vhost.name());
    let body = r#"{"pattern": "^orders\\.billing$", "definition": {"max-length": 1}, "apply-to": "queues"}"#;
    let (status, answer) = broker.manage("PUT", &policy, body).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    // when: the limit overshoots by what is in flight, so one after the other
    let mut accepted = Vec::new();
    let refused = loop {
        let id = format!("m-{}", accepted.len());
        match crate::scene::publish(&*scene.bus, order(&id)).await {
            Ok(()) => accepted.push(id),
            Err(refused) => break refused,
        }
        assert!(accepted.len() < 1_000, "the policy has no effect");
    };
    // then
    assert_eq!(refused.fault.remedy, Remedy::Wait);
    assert!(refused.fault.what.contains("orders"), "{}", refused.fault);
    // when: there is room again
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    let batch = receive(&mut subscription, accepted.len()).await;
    settle(&*scene.bus, batch).await;
    drained(&*scene.bus).await;
    // then: the same hop is accepted
    crate::scene::until("it is accepted", || async {
        crate::scene::publish(&*scene.bus, order("later")).await.is_ok()
    })
    .await;
    subscription.close().await;
    scene.bus.close().await;
}

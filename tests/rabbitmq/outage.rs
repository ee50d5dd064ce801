//! The broker goes away, freezes, runs out of memory, closes connections, loses a queue. What proves the
//! recovery is always a message that was published after it.

use std::{collections::BTreeSet, time::Duration};

use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};
use tokio::time::{Instant, timeout};
use trunkline::bus::{Bus, Queue, Takes};
use trunkline_sdk::Remedy;

use crate::{
    scene::{
        billing, channel, connect, drained, landscape, opened, order, plain_client, publish, publish_at_last,
        reader, receive, receive_one, receive_until, settle, until,
    },
    support::services::Broker,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_stopped_is_found_again_and_nothing_is_lost() {
    // given: 20 messages on the bus, 5 of them in our hands
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    for number in 0..20 {
        publish(&*scene.bus, order(&format!("before-{number}")))
            .await
            .expect("it is confirmed");
    }
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    let held = receive(&mut subscription, 5).await;
    // when
    broker.stop().await;
    // then: during the outage a sender has its answer in time
    let began = Instant::now();
    let refused = publish(&*scene.bus, order("during"))
        .await
        .expect_err("the broker is away");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(refused.fault.remedy, Remedy::Reopen, "{}", refused.fault);
    // when
    let publishing = {
        let bus = scene.bus.clone();
        tokio::spawn(async move { publish_at_last(&*bus, order("waited")).await })
    };
    broker.start().await;
    // then: what waited goes out, what is published now arrives, what was not settled comes again
    timeout(Duration::from_secs(15), publishing)
        .await
        .expect("it goes out")
        .unwrap();
    publish(&*scene.bus, order("after"))
        .await
        .expect("it is confirmed");
    settle(&*scene.bus, held).await;
    let seen: BTreeSet<_> = receive_until(&*scene.bus, &mut subscription, "after")
        .await
        .into_iter()
        .collect();
    for number in 0..20 {
        assert!(
            seen.contains(&format!("before-{number}")),
            "before-{number} is lost"
        );
    }
    assert!(seen.contains("waited"));
    drained(&*scene.bus).await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_seconds_after_the_broker_answers_again_messages_go_through() {
    // given: forty flows, all of them at work
    let broker = Broker::own().await;
    let scene = connect(broker.amqp()).await.unwrap();
    let flows: Vec<_> = (0..40).map(|number| reader(&format!("flow-{number}"))).collect();
    let mut topology = landscape();
    topology.queues = flows
        .iter()
        .map(|name| Queue {
            name: name.clone(),
            channel: Some(channel("orders")),
            takes: Takes::All,
        })
        .collect();
    scene.bus.declare(&topology).await.expect("it is declared");
    let mut subscriptions = Vec::new();
    for flow in &flows {
        subscriptions.push(scene.bus.subscribe(flow, 5).await.unwrap());
    }
    // when
    broker.stop().await;
    let publishing = {
        let bus = scene.bus.clone();
        tokio::spawn(async move { publish_at_last(&*bus, order("after")).await })
    };
    let answers = {
        let url = broker.amqp().to_owned();
        tokio::spawn(async move {
            until("it answers", || async {
                Connection::connect(&url, ConnectionProperties::default())
                    .await
                    .is_ok()
            })
            .await;
            Instant::now()
        })
    };
    broker.start().await;
    let answers = answers.await.unwrap();
    // then: published, and received by everybody
    publishing.await.unwrap();
    let published = answers.elapsed();
    for subscription in &mut subscriptions {
        assert_eq!(receive_one(subscription).await.message, order("after"));
    }
    let received = answers.elapsed();
    assert!(
        received < Duration::from_secs(5),
        "published after {published:?}, received after {received:?}"
    );
    println!("published after {published:?}, received after {received:?}");
    for subscription in subscriptions {
        subscription.close().await;
    }
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_frozen_node_does_not_confirm_goes_to_the_next_under_the_same_id() {
    // given: two nodes; that they are no cluster shows which of them has what
    let (first, second) = (Broker::own().await, Broker::own().await);
    let place = |broker: &Broker| broker.amqp().rsplit_once('@').unwrap().1.to_owned();
    let node = place(&second).split('/').next().unwrap().to_owned();
    let (before, vhost) = first.amqp().rsplit_once('/').unwrap();
    let scene = opened(&format!("{before},{node}/{vhost}")).await;
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    // when
    first.pause().await;
    publish_at_last(&*scene.bus, order("during")).await;
    // then
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    let delivery = receive_one(&mut subscription).await;
    assert_eq!(delivery.message, order("during"));
    settle(&*scene.bus, vec![delivery]).await;
    first.resume().await;
    subscription.close().await;
    scene.bus.close().await;
    // then: the first one may have it as well, it is the same message
    let scene = opened(first.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("last"))
        .await
        .expect("it is confirmed");
    let seen = receive_until(&*scene.bus, &mut subscription, "last").await;
    assert!(seen.contains(&"before".to_owned()), "{seen:?}");
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_given_up_and_found_again() {
    // given
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    let before = receive_one(&mut subscription).await;
    // when
    broker.pause().await;
    let refused = timeout(Duration::from_secs(15), publish(&*scene.bus, order("during"))).await;
    // then
    let refused = refused
        .expect("it does not wait for ever")
        .expect_err("nobody confirms");
    assert_eq!(refused.fault.remedy, Remedy::Reopen, "{}", refused.fault);
    // when
    broker.resume().await;
    // then
    settle(&*scene.bus, vec![before]).await;
    publish_at_last(&*scene.bus, order("after")).await;
    receive_until(&*scene.bus, &mut subscription, "after").await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_out_of_memory_slows_publishers_and_consumers_go_on() {
    // given
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    for number in 0..50 {
        publish(&*scene.bus, order(&format!("before-{number}")))
            .await
            .expect("it is confirmed");
    }
    // when
    broker
        .ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"])
        .await;
    let mut publishing = {
        let bus = scene.bus.clone();
        tokio::spawn(async move { publish(&*bus, order("blocked")).await })
    };
    until("the broker blocks us", || async {
        let (_, connections) = broker.manage("GET", "/api/connections", "").await.unwrap();
        connections.contains(r#""state":"blocked""#)
    })
    .await;
    // then: consuming goes on, and publishing waits longer than any confirm may take
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    receive_until(&*scene.bus, &mut subscription, "before-49").await;
    assert!(
        timeout(Duration::from_secs(6), &mut publishing).await.is_err(),
        "it waits"
    );
    // when
    broker
        .ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"])
        .await;
    // then
    publishing.await.unwrap().expect("it is confirmed at last");
    let blocked = receive_one(&mut subscription).await;
    assert_eq!(blocked.message, order("blocked"));
    settle(&*scene.bus, vec![blocked]).await;
    drained(&*scene.bus).await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_an_operator_closes_are_opened_again() {
    // given
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    let before = receive_one(&mut subscription).await;
    // when
    broker.ctl(&["close_all_connections", "maintenance"]).await;
    // then
    publish_at_last(&*scene.bus, order("after")).await;
    let seen = receive_until(&*scene.bus, &mut subscription, "after").await;
    assert!(
        seen.contains(&"before".to_owned()),
        "it was not settled, so it comes again"
    );
    settle(&*scene.bus, vec![before]).await;
    // then: the operator sees who is who
    until("both connections have their names", || async {
        let (_, connections) = broker.manage("GET", "/api/connections", "").await.unwrap();
        ["trunkline tests publisher", "trunkline tests consumer"]
            .iter()
            .all(|name| connections.contains(name))
    })
    .await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_under_its_consumer_is_made_again() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    receive_until(&*scene.bus, &mut subscription, "before").await;
    // when
    let connection = plain_client(vhost.amqp()).await;
    let channel = connection.create_channel().await.unwrap();
    channel
        .queue_delete(billing().as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    // then: until it is there again, publishing is an error and no loss
    until("it is made again", || async {
        publish(&*scene.bus, order("after")).await.is_ok()
    })
    .await;
    receive_until(&*scene.bus, &mut subscription, "after").await;
    subscription.close().await;
    scene.bus.close().await;
}

/// In Erlang: the queue drops its consumers, and tells nobody.
const FORGET: &str = "
    {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"orders.billing\">>)),
    S = amqqueue:get_pid(Q),
    {ok, {_, Consumers}, _} = ra:local_query(S, fun rabbit_fifo:query_consumers/1),
    [ra:process_command(S, rabbit_fifo:make_checkout(C, cancel, #{})) || C <- maps:keys(Consumers)],
    io:format(\"~p\", [maps:size(Consumers)]).";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_the_broker_has_forgotten_consumes_again() {
    // given
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 5).await.unwrap();
    publish(&*scene.bus, order("before"))
        .await
        .expect("it is confirmed");
    receive_until(&*scene.bus, &mut subscription, "before").await;
    // when: connection and channel stay open
    let forgotten = broker.ctl(&["eval", FORGET]).await;
    assert!(forgotten.starts_with('1'), "{forgotten}");
    publish(&*scene.bus, order("after"))
        .await
        .expect("it is confirmed");
    // then
    let mut batch = Vec::new();
    timeout(Duration::from_secs(60), subscription.receive(&mut batch, 1))
        .await
        .expect("it comes");
    assert_eq!(batch[0].message, order("after"));
    settle(&*scene.bus, batch).await;
    drained(&*scene.bus).await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_takes_no_message_along() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    // when: one of many goes to an exchange that is not there, over which the broker closes the channel
    let place = |number| if number % 50 == 25 { "nowhere" } else { "orders" };
    let hops = (0..200).map(|number| crate::scene::hop(place(number), order(&format!("m-{number}"))));
    let results = scene.bus.complete(hops.collect()).await;
    // then
    let refused: Vec<_> = results
        .iter()
        .enumerate()
        .filter_map(|(number, result)| Some((number, result.as_ref().err()?.fault.remedy)))
        .collect();
    let stop = |number| (number, Remedy::Stop);
    assert_eq!(refused, [stop(25), stop(75), stop(125), stop(175)]);
    let mut subscription = scene.bus.subscribe(&billing(), 500).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 196 {
        let delivery = receive_one(&mut subscription).await;
        seen.insert(delivery.message.id.to_string());
        settle(&*scene.bus, vec![delivery]).await;
    }
    subscription.close().await;
    scene.bus.close().await;
}

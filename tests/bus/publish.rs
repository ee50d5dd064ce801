//! What is confirmed is on the bus, whole, in every queue it belongs to.

use std::sync::Arc;

use bytes::Bytes;
use trunkline::{
    bus::Hop,
    message::{Content, Message, Trace},
    names::MessageId,
};
use trunkline_sdk::{Body, Remedy};

use crate::{
    scene::{
        assert_empty, billing, complete, drained, from_source, ids, log, opened, order, orders, publish,
        receive, receive_one, reopened, set, settle, stock, subscribe, take, to, with_body,
    },
    subject::Subject,
};

/// The largest body there is.
const MAX_BODY: usize = 16 << 20;

pub(crate) async fn a_confirmed_message_outlives_reopening<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    let sent = orders("m", 50);
    publish(&*bus, "orders", sent.clone()).await;
    // when
    let bus = reopened(&place, bus).await;
    // then
    let received = take(&*bus, &billing(), 50).await;
    assert_eq!(ids(&received), ids(&sent));
    assert!(sent.iter().all(|message| received.contains(message)));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn every_bound_queue_gets_a_copy<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    // when
    publish(&*bus, "orders", orders("m", 10)).await;
    // then
    for queue in [billing(), stock()] {
        let received = take(&*bus, &queue, 10).await;
        assert_eq!(ids(&received), ids(&orders("m", 10)), "`{queue}`");
        drained(&*bus, &queue).await;
    }
    assert_empty(&*bus, "audit", &log()).await;
    bus.close().await;
}

pub(crate) async fn all_attributes_survive_the_way<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let mut message = order("all");
    message.subject = Some("orders/create".into());
    message.key = Some("Größe 1001".into());
    message.correlation_id = Some("the-first".into());
    message.causation_id = MessageId::foreign("the-one-before");
    message.expires_at = Some("2030-01-01T00:00:00.123456789Z".parse().unwrap());
    message.reply_to = Some("answers".into());
    message.trace = Some(Trace {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        state: Some("congo=t61rcWkgMzE".into()),
    });
    // when
    publish(&*bus, "audit", [message.clone()]).await;
    // then
    let mut subscription = subscribe(&*bus, &log(), 1).await;
    let delivery = receive_one(&mut subscription).await;
    assert_eq!(delivery.message, message);
    assert_eq!(delivery.attempt, 1);
    assert!(!delivery.redelivered);
    assert!(delivery.unreadable.is_none());
    assert_eq!(delivery.queue(), &log());
    settle(&*bus, vec![delivery]).await;
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn a_native_record_arrives_as_it_was_sent<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let mut message = order("native");
    message.content = Content::Native(Body::Bytes {
        content_type: "text/csv".to_owned(),
        bytes: Bytes::from_static(b"1001;\xff;\x00\r\n"),
    });
    // when
    publish(&*bus, "audit", [message.clone()]).await;
    // then
    assert_eq!(take(&*bus, &log(), 1).await, [message]);
    bus.close().await;
}

pub(crate) async fn an_empty_body_arrives<S: Subject>() {
    arrives::<S>(with_body("empty", Bytes::new())).await;
}

pub(crate) async fn a_body_of_one_mebibyte_arrives<S: Subject>() {
    let body: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
    arrives::<S>(with_body("big", body)).await;
}

pub(crate) async fn a_body_of_sixteen_mebibytes_arrives<S: Subject>() {
    arrives::<S>(with_body("biggest", vec![7; MAX_BODY])).await;
}

pub(crate) async fn a_larger_body_refuses_its_hop_and_no_other<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    // when
    let messages = [
        order("before"),
        with_body("too-big", vec![7; MAX_BODY + 1]),
        order("after"),
    ];
    let hops = messages
        .into_iter()
        .map(|message| from_source(vec![to("audit", message)]))
        .collect();
    let results = bus.complete(hops).await;
    // then
    let remedies: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|refused| refused.fault.remedy))
        .collect();
    assert_eq!(remedies, [None, Some(Remedy::DeadLetter), None]);
    assert_eq!(ids(&take(&*bus, &log(), 2).await), set(["before", "after"]));
    assert_empty(&*bus, "audit", &log()).await;
    bus.close().await;
}

async fn arrives<S: Subject>(message: Message) {
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "audit", [message.clone()]).await;
    let bus = reopened(&place, bus).await;
    assert_eq!(take(&*bus, &log(), 1).await, [message]);
    bus.close().await;
}

pub(crate) async fn an_unroutable_output_refuses_the_hop_and_leaves_its_input_unsettled<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("in")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let input = receive_one(&mut subscription).await;
    // when
    let outputs = vec![to("void", order("out"))];
    let refused = complete(&*bus, Hop::of(input, outputs))
        .await
        .expect_err("nothing reads `void`");
    // then
    assert_eq!(refused.fault.remedy, Remedy::Stop);
    assert!(refused.fault.what.contains("void"), "{}", refused.fault);
    assert_eq!(refused.hop.outputs.len(), 1);
    assert_eq!(refused.hop.inputs[0].message, order("in"));
    // when: it is dropped
    drop(refused);
    // then: its input comes again
    let again = receive_one(&mut subscription).await;
    assert_eq!((again.message.clone(), again.attempt), (order("in"), 1));
    settle(&*bus, vec![again]).await;
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn the_hops_of_a_batch_are_independent<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("in", 3)).await;
    let mut subscription = subscribe(&*bus, &billing(), 3).await;
    let inputs = receive(&mut subscription, 3).await;
    let refused_id = inputs[1].message.id.clone();
    // when
    let hops = inputs
        .into_iter()
        .zip(["audit", "void", "audit"])
        .map(|(input, channel)| {
            let output = to(channel, order(&format!("out-of-{}", input.message.id)));
            Hop::of(input, vec![output])
        })
        .collect();
    let mut results = bus.complete(hops).await;
    // then
    assert_eq!(results.len(), 3);
    assert!(results[0].is_ok() && results[2].is_ok());
    let refused = results.remove(1).expect_err("nothing reads `void`");
    assert_eq!(refused.hop.inputs[0].message.id, refused_id);
    let expected = ["in-0", "in-1", "in-2"]
        .into_iter()
        .filter(|id| *id != refused_id.as_str())
        .map(|id| format!("out-of-{id}"))
        .collect();
    assert_eq!(ids(&take(&*bus, &log(), 2).await), expected);
    // then: the refused one can still be completed with another verdict
    settle(&*bus, refused.hop.inputs).await;
    subscription.close().await;
    drained(&*bus, &billing()).await;
    bus.close().await;
}

pub(crate) async fn many_tasks_complete_at_once<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    // when
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                for message in orders(&format!("task-{task}"), 20) {
                    complete(&*bus, from_source(vec![to("audit", message)]))
                        .await
                        .expect("it is confirmed");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task fails");
    }
    // then
    assert_eq!(ids(&take(&*bus, &log(), 640).await).len(), 640);
    assert_empty(&*bus, "audit", &log()).await;
    bus.close().await;
}

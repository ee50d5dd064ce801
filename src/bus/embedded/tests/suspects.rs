//! Messages that may have killed their process.

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

fn other_queue() -> QueueName {
    QueueName::of_subscriber(&channel(), &FlowName::new("stock").unwrap())
}

async fn opened_with_two(folder: &TempDir) -> EmbeddedBus {
    let mut landscape = landscape();
    landscape.queues.push(Queue {
        name: other_queue(),
        channel: Some(channel()),
        takes: Takes::All,
    });
    let bus = EmbeddedBus::open(folder.path()).unwrap();
    bus.declare(&landscape).await.unwrap();
    bus
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.message.id.as_str())
        .collect()
}

async fn nothing_comes(subscription: &mut Subscription) {
    let moment = Duration::from_millis(200);
    assert!(timeout(moment, receive(subscription, 1)).await.is_err());
}

/// The rows that the store says are given out alone.
fn alone(folder: &TempDir) -> i64 {
    file(folder)
        .query_row("SELECT count(*) FROM suspects WHERE alone = 1", [], |row| {
            row.get(0)
        })
        .unwrap()
}

#[tokio::test]
async fn one_suspect_at_a_time_is_given_out_and_other_queues_go_on() {
    // given: the first message of each queue
    let folder = TempDir::new().unwrap();
    let bus = opened_with_two(&folder).await;
    publish(&bus, 3).await;
    bus.close().await;
    let suspect = "INSERT INTO suspects (id, deaths) SELECT id, 5 FROM waiting WHERE id & 0xffff = 1";
    assert_eq!(file(&folder).execute(suspect, []).unwrap(), 2);
    let bus = opened_with_two(&folder).await;
    // when
    let mut first = bus.subscribe(&queue(), 10).await.unwrap();
    let held = receive(&mut first, 1).await;
    nothing_comes(&mut first).await;
    // when: it did no harm, and was not done either
    drop(held);
    // then: it comes again, alone again
    let held = receive(&mut first, 1).await;
    // when
    let mut second = bus.subscribe(&other_queue(), 10).await.unwrap();
    let others = receive(&mut second, 2).await;
    // then
    assert_eq!(names(&held), ["m-0"]);
    assert_eq!(alone(&folder), 1);
    assert_eq!(names(&others), ["m-1", "m-2"]);
    nothing_comes(&mut first).await;
    nothing_comes(&mut second).await;
    // when
    settle(&bus, held).await;
    // then: the others of its queue come, and the suspect of the other one when it can be alone
    let rest = receive(&mut first, 2).await;
    assert_eq!(names(&rest), ["m-1", "m-2"]);
    nothing_comes(&mut second).await;
    settle(&bus, others).await;
    let held = receive(&mut second, 1).await;
    assert_eq!(names(&held), ["m-0"]);
    settle(&bus, held).await;
    settle(&bus, rest).await;
    for queue in [queue(), other_queue()] {
        assert!(bus.depth(&queue).await.unwrap().is_drained());
    }
    first.close().await;
    second.close().await;
    bus.close().await;
}

#[tokio::test]
async fn a_suspect_whose_queue_nobody_reads_any_more_holds_up_no_other() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened_with_two(&folder).await;
    publish(&bus, 1).await;
    bus.close().await;
    let suspect = "INSERT INTO suspects (id, deaths) SELECT id, 5 FROM waiting";
    assert_eq!(file(&folder).execute(suspect, []).unwrap(), 2);
    let bus = opened_with_two(&folder).await;
    let mut first = bus.subscribe(&queue(), 10).await.unwrap();
    let held = receive(&mut first, 1).await;
    // when
    first.close().await;
    drop(held);
    // then
    let mut second = bus.subscribe(&other_queue(), 10).await.unwrap();
    let received = receive(&mut second, 1).await;
    settle(&bus, received).await;
    second.close().await;
    let mut first = bus.subscribe(&queue(), 10).await.unwrap();
    let received = receive(&mut first, 1).await;
    settle(&bus, received).await;
    first.close().await;
    bus.close().await;
}

#[tokio::test]
async fn a_process_that_ends_in_good_order_counts_for_nothing() {
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 10).await;
    bus.close().await;
    for _ in 0..7 {
        // given
        let bus = opened(&folder).await;
        let mut subscription = bus.subscribe(&queue(), 10).await.unwrap();
        let held = receive(&mut subscription, 10).await;
        // when
        subscription.close().await;
        bus.close().await;
        drop(held);
    }
    // then
    let counted: i64 = file(&folder)
        .query_row("SELECT count(*) FROM suspects", [], |row| row.get(0))
        .unwrap();
    assert_eq!(counted, 0);
}

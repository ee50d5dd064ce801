//! A channel that is shared out otherwise than before.

use tempfile::TempDir;

use super::*;
use crate::bus::Partition;

/// The landscape, with its channel read in so many partitions.
fn partitioned(of: u8) -> Topology {
    let flow = FlowName::new("billing").unwrap();
    let queue = |name, takes| Queue {
        name,
        channel: Some(channel()),
        takes,
    };
    let mut queues = vec![queue(QueueName::of_intake(&channel(), &flow), Takes::Unkeyed)];
    for partition in Partition::all(of) {
        let name = QueueName::of_partition(&channel(), &flow, partition.index);
        queues.push(queue(name, Takes::Partition(partition)));
    }
    Topology {
        queues,
        ..landscape()
    }
}

#[tokio::test]
async fn empty_queues_are_replaced_and_the_new_ones_take_all_there_is() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    for landscape in [
        partitioned(8),
        partitioned(3),
        partitioned(5),
        landscape(),
        partitioned(2),
    ] {
        // when
        bus.declare(&landscape).await.unwrap();
        let hops = (0..10).map(|number| {
            let mut hop = order(number, 1000);
            hop.outputs[0].message.key = (number % 2 == 0).then(|| format!("key{number}").into());
            hop
        });
        for result in bus.complete(hops.collect()).await {
            result.unwrap();
        }
        // then each message is taken once
        let mut taken = 0;
        for Queue { name, .. } in &landscape.queues {
            let depth = bus.depth(name).await.unwrap();
            let count = usize::try_from(depth.ready).unwrap();
            let mut subscription = bus.subscribe(name, 10).await.unwrap();
            let received = receive(&mut subscription, count).await;
            settle(&bus, received).await;
            subscription.close().await;
            taken += count;
        }
        assert_eq!(taken, 10);
        assert_eq!(differences(folder.path(), &landscape).unwrap(), []);
    }
    // then it is so in the file, too
    bus.close().await;
    let bus = EmbeddedBus::open(folder.path()).unwrap();
    bus.declare(&partitioned(2)).await.unwrap();
    assert!(bus.depth(&queue()).await.is_err(), "it was replaced");
    bus.close().await;
}

#[tokio::test]
async fn queues_that_hold_something_or_are_read_are_not_replaced() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 1).await;
    // when
    let refused = async |why: &str| {
        let fault = bus.declare(&partitioned(8)).await.unwrap_err();
        assert_eq!(fault.remedy, Remedy::Stop);
        assert!(fault.what.contains(why), "{fault}");
        assert!(fault.hint.is_some());
    };
    // then: whether it waits, is parked, or might come
    refused("1 waiting and 0 parked").await;
    let mut subscription = bus.subscribe(&queue(), 10).await.unwrap();
    let received = receive(&mut subscription, 1).await.remove(0);
    refused("being read").await;
    bus.complete(vec![Hop::park(received, cause())])
        .await
        .remove(0)
        .unwrap();
    subscription.close().await;
    refused("0 waiting and 1 parked").await;
    // then it works as before
    publish(&bus, 1).await;
    assert_eq!(bus.depth(&queue()).await.unwrap().ready, 1);
    bus.close().await;
}

#[tokio::test]
async fn the_next_reader_gets_nothing_while_something_is_in_the_hands_of_the_last_one() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = EmbeddedBus::open(folder.path()).unwrap();
    bus.declare(&partitioned(1)).await.unwrap();
    let queue = QueueName::of_intake(&channel(), &FlowName::new("billing").unwrap());
    let mut first = bus.subscribe(&queue, 10).await.unwrap();
    let mut second = bus.subscribe(&queue, 10).await.unwrap();
    publish(&bus, 5).await;
    let held = receive(&mut first, 2).await;
    // when
    drop(first);
    // then
    let nothing = tokio::time::timeout(Duration::from_millis(200), receive(&mut second, 1)).await;
    assert!(nothing.is_err());
    // when
    drop(held);
    // then it gets all, in their order
    let received = receive(&mut second, 5).await;
    let ids: Vec<_> = received
        .iter()
        .map(|delivery| delivery.message.id.as_str())
        .collect();
    assert_eq!(ids, ["m-0", "m-1", "m-2", "m-3", "m-4"]);
    settle(&bus, received).await;
    second.close().await;
    bus.close().await;
}

//! What is counted, what is refused.

use rusqlite::params;
use tempfile::TempDir;
use trunkline_sdk::Remedy;

use super::*;

#[tokio::test]
async fn the_counts_are_those_of_the_rows() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 50).await;
    let mut subscription = bus.subscribe(&queue(), 30).await.unwrap();
    // when: ten of each
    let mut received = receive(&mut subscription, 30).await.into_iter();
    let mut hops: Vec<Hop> = received
        .by_ref()
        .take(10)
        .map(|delivery| Hop::park(delivery, cause()))
        .collect();
    hops.extend(
        received
            .by_ref()
            .take(10)
            .map(|delivery| Hop::retry(delivery, Rung::Hour1, cause())),
    );
    hops.extend(received.map(|delivery| Hop::of(delivery, Vec::new())));
    for result in bus.complete(hops).await {
        result.unwrap();
    }
    subscription.close().await;
    // then
    let expected = Depth {
        ready: 20,
        unsettled: 0,
        delayed: 10,
        parked: 10,
    };
    assert_eq!(bus.depth(&queue()).await.unwrap(), expected);
    bus.close().await;
    let rows = |table: &str| -> i64 {
        file(&folder)
            .query_row(&format!("SELECT count(*) FROM {table}"), params![], |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!([rows("waiting"), rows("delayed"), rows("parked")], [20, 10, 10]);
    let bus = opened(&folder).await;
    assert_eq!(bus.depth(&queue()).await.unwrap(), expected);
    bus.close().await;
}

#[tokio::test]
async fn an_oversize_body_refuses_its_hop_only() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    // when
    let sizes = [16 << 20, (16 << 20) + 1, 1];
    let hops = sizes.iter().map(|size| order(*size, *size)).collect();
    let results = bus.complete(hops).await;
    // then
    let remedies: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|refused| refused.fault.remedy))
        .collect();
    assert_eq!(remedies, [None, Some(Remedy::DeadLetter), None]);
    bus.close().await;
}

#[tokio::test]
async fn a_closed_bus_refuses_whatever_is_asked_and_gives_the_hop_back() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 1).await;
    let mut subscription = bus.subscribe(&queue(), 1).await.unwrap();
    let held = receive(&mut subscription, 1).await.remove(0);
    // when
    bus.close().await;
    // then
    assert!(!subscription.receive(&mut Vec::new(), 1).await);
    let refused = bus
        .complete(vec![Hop::of(held, Vec::new())])
        .await
        .remove(0)
        .expect_err("it is closed");
    assert_eq!(refused.fault.remedy, Remedy::Stop);
    assert_eq!(refused.hop.inputs.len(), 1);
    drop(refused);
    assert!(bus.declare(&landscape()).await.is_err());
    assert!(bus.parked(&queue(), 1).await.is_err());
    bus.close().await;
}

#[tokio::test]
async fn all_that_is_declared_otherwise_is_told_at_once() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    // when
    let mut other = landscape();
    other.channels[0].type_name = TypeName::new("example.v2.Order");
    other.queues[0].channel = None;
    let fault = bus.declare(&other).await.expect_err("both are otherwise");
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(fault.what.contains("channel `orders` carries"), "{fault}");
    assert!(
        fault.what.contains("queue `orders.billing` is bound to"),
        "{fault}"
    );
    bus.close().await;
}

#[tokio::test]
async fn the_log_does_not_grow_without_end() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    let mut subscription = bus.subscribe(&queue(), 1000).await.unwrap();
    // when: 100 MB pass
    for _ in 0..10 {
        for result in bus
            .complete((0..1000).map(|number| order(number, 10_000)).collect())
            .await
        {
            result.unwrap();
        }
        settle(&bus, receive(&mut subscription, 1000).await).await;
    }
    // then
    let log = std::fs::metadata(folder.path().join("bus.db-wal")).unwrap().len();
    assert!(log < 48 << 20, "the log has {log} bytes");
    let file = std::fs::metadata(Store::path(folder.path())).unwrap().len();
    assert!(file < 48 << 20, "the file has {file} bytes");
    subscription.close().await;
    bus.close().await;
}

#[tokio::test]
async fn after_a_drain_the_space_goes_back_to_the_disk() {
    // given: 50 MB
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    for _ in 0..5 {
        for result in bus
            .complete((0..1000).map(|number| order(number, 10_000)).collect())
            .await
        {
            result.unwrap();
        }
    }
    let size = || {
        let of = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
        of("bus.db") + of("bus.db-wal")
    };
    assert!(size() > 50_000_000);
    // when
    let mut subscription = bus.subscribe(&queue(), 1000).await.unwrap();
    for _ in 0..5 {
        let received = receive(&mut subscription, 1000).await;
        settle(&bus, received).await;
    }
    // then: nobody tells when; and the bus works meanwhile
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while size() > 6_000_000 {
        assert!(std::time::Instant::now() < deadline, "{} bytes are kept", size());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    publish(&bus, 100).await;
    settle(&bus, receive(&mut subscription, 100).await).await;
    subscription.close().await;
    bus.close().await;
}

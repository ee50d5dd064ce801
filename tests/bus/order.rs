//! What the bus does so that a flow can keep the order of a key: partitions, one reader each, and what is parked.
//!
//! Beside the landscape of all sentences, the channel `kept` is read by `keep` in four partitions. What a flow makes
//! of it when its process is killed is shown here, too, because this suite starts processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use prost::Message as _;
use tokio::time::{sleep, timeout};
use trunkline::{
    bus::{
        Bucket, Bus, Channel, Delivery, Destination, Hop, Outgoing, ParkedMark, Partition, Queue, Takes,
        Topology, replay_key,
    },
    config::{self, Files, Landscape, Plan, Variables},
    message::{Content, Message},
    names::{QueueName, TypeName},
    runtime::Runtime,
};
use trunkline_proto::commerce::v1::{Order, OrderStatus};
use trunkline_sdk::Remedy;

use crate::{
    crash::{CONFIRMED, kill_after, start},
    scene::{
        cause, channel, complete, drained, flow, from_source, landscape, opened, order, orders, publish,
        queue, receive, receive_one, reopened, settle, subscribe, take,
    },
    subject::Subject,
};

/// The work of running the flow `keep` until the process is killed.
pub(crate) const KEEP: &str = "keep";

const PARTITIONS: u8 = 4;

/// The landscape with the channel `kept`, read by `keep` in so many partitions, and by `log` as a whole.
fn partitioned(of: u8) -> Topology {
    let queue = |name, takes| Queue {
        name,
        channel: Some(channel("kept")),
        takes,
    };
    let mut topology = landscape();
    topology.channels.push(Channel {
        name: channel("kept"),
        type_name: TypeName::new("trunkline.commerce.v1.Order"),
    });
    for partition in Partition::all(of) {
        let name = QueueName::of_partition(&channel("kept"), &flow("keep"), partition.index);
        topology.queues.push(queue(name, Takes::Partition(partition)));
    }
    topology.queues.push(queue(intake(), Takes::Unkeyed));
    topology
}

fn intake() -> QueueName {
    QueueName::of_intake(&channel("kept"), &flow("keep"))
}

fn home(key: &str) -> QueueName {
    let partition = Partition::of_bucket(Bucket::of(key), PARTITIONS);
    QueueName::of_partition(&channel("kept"), &flow("keep"), partition.index)
}

async fn partitioned_bus<S: Subject>() -> (S, std::sync::Arc<dyn Bus>) {
    let (place, bus) = opened::<S>().await;
    bus.declare(&partitioned(PARTITIONS)).await.expect("it is new");
    (place, bus)
}

fn keyed(id: &str, key: &str) -> Message {
    Message {
        key: Some(key.into()),
        ..order(id)
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.message.id.as_str())
        .collect()
}

pub(crate) async fn each_key_has_its_partition_and_what_has_none_goes_to_the_intake<S: Subject>() {
    // given
    let (_place, bus) = partitioned_bus::<S>().await;
    let keys: Vec<_> = (0..40).map(|number| format!("key{number}")).collect();
    let mut messages: Vec<_> = keys.iter().map(|key| keyed(key, key)).collect();
    messages.extend(orders("none", 3));
    // when
    publish(&*bus, "kept", messages).await;
    // then
    for partition in Partition::all(PARTITIONS) {
        let queue = QueueName::of_partition(&channel("kept"), &flow("keep"), partition.index);
        let expected: BTreeSet<_> = keys.iter().filter(|key| home(key) == queue).cloned().collect();
        assert!(!expected.is_empty());
        let taken = take(&*bus, &queue, expected.len()).await;
        assert_eq!(crate::scene::ids(&taken), expected, "{queue}");
        drained(&*bus, &queue).await;
    }
    assert_eq!(take(&*bus, &intake(), 3).await.len(), 3);
    drained(&*bus, &intake()).await;
    bus.close().await;
}

pub(crate) async fn a_partition_is_given_to_one_subscription_and_then_to_the_next<S: Subject>() {
    // given two subscriptions with room
    let (_place, bus) = partitioned_bus::<S>().await;
    let mut first = subscribe(&*bus, &home("a"), 10).await;
    let mut second = subscribe(&*bus, &home("a"), 10).await;
    // when
    let messages = (0..30).map(|number| keyed(&format!("m-{number:02}"), "a"));
    publish(&*bus, "kept", messages.collect::<Vec<_>>()).await;
    // then the first gets them in their order, and the second none
    let mut received = receive(&mut first, 10).await;
    assert_eq!(ids(&received)[9], "m-09");
    let rest = received.split_off(5);
    settle(&*bus, received).await;
    let later = receive(&mut first, 5).await;
    assert_eq!(ids(&later)[4], "m-14");
    let nothing = timeout(Duration::from_millis(200), second.receive(&mut Vec::new(), 1)).await;
    assert!(nothing.is_err(), "the second has none");
    // when the first ends
    drop((rest, later));
    first.close().await;
    // then the second gets what is left, in its order
    let mut left = Vec::new();
    for _ in 0..5 {
        let batch = receive(&mut second, 5).await;
        left.extend(ids(&batch).into_iter().map(str::to_owned));
        settle(&*bus, batch).await;
    }
    let expected: Vec<_> = (5..30).map(|number| format!("m-{number:02}")).collect();
    assert_eq!(left, expected);
    second.close().await;
    drained(&*bus, &home("a")).await;
    bus.close().await;
}

pub(crate) async fn a_dropped_subscription_leaves_its_partition_to_the_next<S: Subject>() {
    // given
    let (_place, bus) = partitioned_bus::<S>().await;
    let mut first = subscribe(&*bus, &home("a"), 10).await;
    let mut second = subscribe(&*bus, &home("a"), 10).await;
    publish(
        &*bus,
        "kept",
        (0..5)
            .map(|number| keyed(&format!("m-{number}"), "a"))
            .collect::<Vec<_>>(),
    )
    .await;
    let held = receive(&mut first, 2).await;
    // when
    drop((held, first));
    // then
    let batch = receive(&mut second, 5).await;
    assert_eq!(ids(&batch), ["m-0", "m-1", "m-2", "m-3", "m-4"]);
    let sessions: BTreeSet<_> = batch.iter().map(|delivery| delivery.session).collect();
    assert_eq!(sessions.len(), 1, "nothing was lost in between");
    settle(&*bus, batch).await;
    second.close().await;
    bus.close().await;
}

pub(crate) async fn marks_tell_of_all_that_is_parked_in_which_order<S: Subject>() {
    // given
    let (place, bus) = partitioned_bus::<S>().await;
    let park = async |id: &str, key: Option<&str>, order| {
        let mut message = crate::scene::with_body(id, vec![7; 100_000]);
        message.key = key.map(Into::into);
        let to = Destination::Parked {
            queue: home("a"),
            attempt: 3,
            order,
            cause: cause(),
        };
        let hop = from_source(vec![Outgoing { to, message }]);
        complete(&*bus, hop).await.expect("it is parked");
    };
    park("second", Some("a"), Some(20)).await;
    park("first", Some("a"), Some(10)).await;
    park("foreign", None, None).await;
    // when
    let bus = reopened(&place, bus.clone()).await;
    bus.declare(&partitioned(PARTITIONS))
        .await
        .expect("it is as it was");
    let mut marks = bus.parked_marks(&home("a")).await.expect("they can be read");
    // then
    let mark = |id: &str, key: Option<&str>, order| ParkedMark {
        id: order_id(id),
        key: key.map(Into::into),
        order,
    };
    marks.sort_by_key(|mark| mark.order);
    let expected = [
        mark("foreign", None, None),
        mark("first", Some("a"), Some(10)),
        mark("second", Some("a"), Some(20)),
    ];
    assert_eq!(marks, expected);
    // then it keeps its place when it is parked again
    let mut parked = bus.subscribe_parked(&home("a"), 10).await.expect("it is there");
    for delivery in receive(&mut parked, 3).await {
        let before = delivery.order;
        complete(&*bus, Hop::park(delivery, cause()))
            .await
            .expect("it is parked");
        let again = receive_one(&mut parked).await;
        assert_eq!(again.order, before);
        settle(&*bus, vec![again]).await;
    }
    parked.close().await;
    bus.close().await;
}

fn order_id(id: &str) -> trunkline::names::MessageId {
    order(id).id
}

pub(crate) async fn another_number_of_partitions_is_refused_while_something_waits<S: Subject>() {
    // given
    let (place, bus) = partitioned_bus::<S>().await;
    publish(&*bus, "kept", [keyed("m", "a")]).await;
    // when
    let bus = reopened(&place, bus).await;
    for of in [PARTITIONS - 1, PARTITIONS + 1] {
        let fault = bus
            .declare(&partitioned(of))
            .await
            .expect_err("a key would be in two places");
        // then
        assert_eq!(fault.remedy, Remedy::Stop);
        assert!(fault.what.contains("kept.keep"), "it names the queue: {fault}");
        assert!(fault.hint.is_some(), "it says how to mend it: {fault}");
    }
    bus.declare(&partitioned(PARTITIONS))
        .await
        .expect("it is as it was");
    assert_eq!(take(&*bus, &home("a"), 1).await.len(), 1);
    bus.close().await;
}

const LANDSCAPE: &str = "
channels:
  kept:  { type: trunkline.commerce.v1.Order, external: true, key: buyer_reference, partitions: 4 }
  audit: { type: trunkline.commerce.v1.Order, external: true }
";
/// An unpaid order fails: nothing can be divided by zero.
const FLOW: &str = "
flow: keep
from: kept
steps:
  - filter: \"1 / (this.status == 'PAID' ? 1 : 0) == 1\"
to: audit
";

/// The flow `keep`, from `kept` to `audit`.
fn plan() -> Plan {
    let files = Files::of([("trunkline.yaml", LANDSCAPE), ("flows/keep.yaml", FLOW)]);
    let landscape = Landscape::of(".".into(), files, &Variables::new(&|_| None), Vec::new());
    let mut plan = config::check(&landscape, trunkline_proto::descriptor_pool())
        .unwrap_or_else(|problems| panic!("{}", config::report(&landscape, &problems)));
    plan.topology.queues.push(Queue {
        name: queue("audit", "log"),
        channel: Some(channel("audit")),
        takes: Takes::All,
    });
    plan
}

/// Order `number` of a buyer, paid or not.
fn of_buyer(buyer: &str, number: usize, status: OrderStatus) -> Message {
    let body = Order {
        order_id: format!("{buyer}-{number}"),
        buyer_reference: buyer.to_owned(),
        status: status.into(),
        ..Order::default()
    };
    Message {
        key: Some(buyer.into()),
        ..crate::scene::with_body(&body.order_id, body.encode_to_vec())
    }
}

/// Runs the flow until the process is killed; tells how far it has come.
pub(crate) async fn keep<S: Subject>(address: &str) {
    let bus = S::open_at(address).await;
    let runtime = Runtime::start_on(bus, &plan(), None).await.expect("it starts");
    let tally = runtime.tallies()[&flow("keep")].clone();
    let mut told = 0;
    loop {
        let counts = tally.read();
        let done = counts.published + counts.parked.values().sum::<u64>();
        let mut out = std::io::stdout().lock();
        for number in told..done {
            writeln!(out, "{CONFIRMED}{number}").expect("the parent reads");
        }
        out.flush().expect("the parent reads");
        drop(out);
        told = done;
        sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) async fn a_process_killed_again_and_again_keeps_the_order_of_each_key<S: Subject>() {
    // given twenty buyers with a hundred orders each; the tenth of two of them cannot be worked on
    let place = S::fresh().await;
    let bus = place.open().await;
    let topology = plan().topology;
    bus.declare(&topology).await.expect("the place is fresh");
    let buyers: Vec<_> = (0..20).map(|number| format!("buyer{number}")).collect();
    let failing = ["buyer3", "buyer7"];
    for number in 0..100 {
        let messages = buyers.iter().map(|buyer| {
            let fails = number == 10 && failing.contains(&&**buyer);
            let status = if fails {
                OrderStatus::Pending
            } else {
                OrderStatus::Paid
            };
            of_buyer(buyer, number, status)
        });
        publish(&*bus, "kept", messages.collect::<Vec<_>>()).await;
    }
    bus.close().await;
    drop(bus);
    // when
    for lines in [40, 150, 300] {
        kill_after(start::<S>(&place, KEEP), lines);
    }
    let bus = place.open().await;
    let runtime = Runtime::start_on(bus.clone(), &plan(), None)
        .await
        .expect("it starts");
    for queue in topology.queues.iter().filter(|queue| queue.takes.is_ordered()) {
        drained(&*bus, &queue.name).await;
    }
    assert!(runtime.stop().await);
    // then the rest of each buyer has come in its order, perhaps some of it again
    let bus = place.open().await;
    bus.declare(&topology).await.expect("it is as it was");
    let came = in_order(&*bus).await;
    for buyer in &buyers {
        let expected = if failing.contains(&&**buyer) {
            0..10
        } else {
            0..100
        };
        assert_eq!(came[buyer], expected.collect::<Vec<_>>(), "{buyer}");
    }
    // then the two are parked once each, with all that follows them, in order
    for buyer in failing {
        let partition = Partition::of_bucket(Bucket::of(buyer), PARTITIONS);
        let queue = QueueName::of_partition(&channel("kept"), &flow("keep"), partition.index);
        let mut marks = bus.parked_marks(&queue).await.expect("they can be read");
        marks.retain(|mark| mark.key.as_deref() == Some(buyer));
        marks.sort_by_key(|mark| mark.order);
        let parked: Vec<_> = marks.iter().map(|mark| mark.id.to_string()).collect();
        let expected: Vec<_> = (10..100).map(|number| format!("{buyer}-{number}")).collect();
        assert_eq!(parked, expected);
    }
    bus.close().await;
}

pub(crate) async fn a_process_killed_while_it_replays_keeps_the_order_of_each_key<S: Subject>() {
    // given two keys of one partition of which all is parked, and a request for all
    let place = S::fresh().await;
    let bus = place.open().await;
    let topology = plan().topology;
    bus.declare(&topology).await.expect("the place is fresh");
    let beside = (0..)
        .map(|number| format!("buyer{number}"))
        .find(|key| home(key) == home("a"))
        .expect("there are keys enough");
    let buyers = ["a", &beside];
    for (place, number) in (0..150).enumerate() {
        for buyer in buyers {
            let message = of_buyer(buyer, number, OrderStatus::Paid);
            let to = Destination::Parked {
                queue: home("a"),
                attempt: 1,
                order: Some(place as u64 + 1),
                cause: cause(),
            };
            let hop = from_source(vec![Outgoing { to, message }]);
            complete(&*bus, hop).await.expect("it is parked");
        }
    }
    replay_key(&*bus, &home("a"), None)
        .await
        .expect("it is confirmed");
    for number in 150..160 {
        let messages = buyers.map(|buyer| of_buyer(buyer, number, OrderStatus::Paid));
        publish(&*bus, "kept", messages).await;
    }
    bus.close().await;
    drop(bus);
    // when
    for lines in [10, 60, 90] {
        kill_after(start::<S>(&place, KEEP), lines);
    }
    let bus = place.open().await;
    let runtime = Runtime::start_on(bus.clone(), &plan(), None)
        .await
        .expect("it starts");
    drained(&*bus, &home("a")).await;
    assert!(runtime.stop().await);
    // then
    let bus = place.open().await;
    bus.declare(&topology).await.expect("it is as it was");
    let came = in_order(&*bus).await;
    for buyer in buyers {
        assert_eq!(came[buyer], (0..160).collect::<Vec<_>>(), "{buyer}");
    }
    assert_eq!(bus.parked_marks(&home("a")).await.expect("it can be read"), []);
    bus.close().await;
}

/// The numbers of each buyer's orders as they came to `audit` for the first time. A repeat may come after what follows
/// it: an ack may still be on its way, and be lost, when the next message is published already.
async fn in_order(bus: &dyn Bus) -> BTreeMap<String, Vec<usize>> {
    let log = queue("audit", "log");
    let mut subscription = subscribe(bus, &log, 100).await;
    let mut came: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut batch = Vec::new();
    while !bus.depth(&log).await.expect("it is there").is_drained() {
        // How many there are is not known: some may have come again.
        let moment = Duration::from_millis(50);
        let _nothing_came = timeout(moment, subscription.receive(&mut batch, 100)).await;
        for delivery in &batch {
            let Content::Canonical { bytes, .. } = &delivery.message.content else {
                panic!("it is an order");
            };
            let order = Order::decode(bytes.clone()).expect("it is an order");
            let number = order.order_id.rsplit('-').next().expect("a split has a part");
            let number: usize = number.parse().expect("it has a number");
            let came = came.entry(order.buyer_reference).or_default();
            if !came.contains(&number) {
                came.push(number);
            }
        }
        settle(bus, std::mem::take(&mut batch)).await;
    }
    subscription.close().await;
    came
}

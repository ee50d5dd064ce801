//! What the embedded bus does on this disk: publish, forward and drain, 1 KiB bodies, every message durable
//! before it is confirmed.
//!
//! `cargo run --release -p trunkline-bench --bin embedded [MESSAGES] [FOLDER]`. Each row is a fresh bus. Count
//! the flushes with `strace -f -c -e trace=fdatasync,fsync`.

#![allow(clippy::print_stdout, reason = "a bench is there to print")]

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use trunkline::{
    bus::{
        Bus, Channel, Delivery, Destination, Hop, Outgoing, Queue, Subscription, Takes, Topology,
        embedded::EmbeddedBus,
    },
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, QueueName, TypeName},
};

const TYPE: &str = "trunkline.commerce.v1.Order";
const BATCH: usize = 256;
const TASKS: usize = 2;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(env::temp_dir, PathBuf::from);
    let place = tempfile::TempDir::new_in(&folder)?;

    println!(
        "{count} messages of 1 KiB, {TASKS} tasks, batches of {BATCH}, in {}",
        folder.display()
    );
    let bus = open(&place.path().join("bus")).await?;
    report("publish", count, publish(&bus, count).await);
    report("forward", count, forward(&bus, count).await?);
    report("drain", count, drain(&bus, "audit", count).await?);
    report("steady", count, steady(&bus, count).await?);
    bus.close().await;

    let bus = open(&place.path().join("single")).await?;
    let single = (count / 50).max(1);
    report("one at a time", single, one_at_a_time(&bus, single).await);
    bus.close().await;
    println!("peak memory: {}", peak());
    Ok(())
}

/// Publishes in batches from several tasks.
async fn publish(bus: &Arc<EmbeddedBus>, count: usize) -> Duration {
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let bus = Arc::clone(bus);
            tokio::spawn(async move {
                let mut sent = 0;
                while sent < count / TASKS {
                    let size = BATCH.min(count / TASKS - sent);
                    let hops = (sent..sent + size)
                        .map(|n| from_source(message(task, n)))
                        .collect();
                    confirmed(bus.complete(hops).await);
                    sent += size;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task fails");
    }
    began.elapsed()
}

/// Consumes, publishes one output each to another channel, settles.
async fn forward(bus: &Arc<EmbeddedBus>, count: usize) -> Result<Duration, trunkline_sdk::Fault> {
    let queue = queue("orders");
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let mut subscription = bus.subscribe(&queue, 1024).await?;
        let bus = Arc::clone(bus);
        tasks.push(tokio::spawn(async move {
            while let Some(batch) = next(&bus, "orders", &mut subscription).await {
                let hops = batch
                    .into_iter()
                    .map(|input| {
                        let output = to("audit", input.message.clone());
                        Hop::of(input, vec![output])
                    })
                    .collect();
                confirmed(bus.complete(hops).await);
            }
            subscription.close().await;
        }));
    }
    for task in tasks {
        task.await.expect("no task fails");
    }
    assert_eq!(bus.depth(&self::queue("audit")).await?.ready, count as u64);
    Ok(began.elapsed())
}

/// Consumes and settles.
async fn drain(
    bus: &Arc<EmbeddedBus>,
    channel: &str,
    count: usize,
) -> Result<Duration, trunkline_sdk::Fault> {
    let began = Instant::now();
    let mut subscription = bus.subscribe(&queue(channel), 1024).await?;
    let mut left = count;
    let mut batch = Vec::new();
    while left > 0 {
        subscription.receive(&mut batch, BATCH).await;
        left -= batch.len();
        let hops = batch.drain(..).map(|input| Hop::of(input, Vec::new())).collect();
        confirmed(bus.complete(hops).await);
    }
    subscription.close().await;
    Ok(began.elapsed())
}

/// Publishes and drains at the same time.
async fn steady(bus: &Arc<EmbeddedBus>, count: usize) -> Result<Duration, trunkline_sdk::Fault> {
    let began = Instant::now();
    let (_, drained) = tokio::join!(publish(bus, count), drain(bus, "orders", count));
    drained?;
    Ok(began.elapsed())
}

/// Waits for each confirm.
async fn one_at_a_time(bus: &Arc<EmbeddedBus>, count: usize) -> Duration {
    let began = Instant::now();
    for n in 0..count {
        confirmed(bus.complete(vec![from_source(message(0, n))]).await);
    }
    began.elapsed()
}

/// The next batch, or nothing when nothing waits any more.
async fn next(bus: &EmbeddedBus, channel: &str, subscription: &mut Subscription) -> Option<Vec<Delivery>> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let waiting =
            tokio::time::timeout(Duration::from_millis(20), subscription.receive(&mut batch, BATCH)).await;
        if waiting.is_ok() {
            return Some(batch);
        }
        if bus
            .depth(&queue(channel))
            .await
            .is_ok_and(|depth| depth.is_drained())
        {
            return None;
        }
    }
}

async fn open(folder: &Path) -> Result<Arc<EmbeddedBus>, trunkline_sdk::Fault> {
    let bus = EmbeddedBus::open(folder)?;
    let mut topology = Topology::default();
    for name in ["orders", "audit"] {
        topology.channels.push(Channel {
            name: channel(name),
            type_name: TypeName::new(TYPE),
        });
        topology.queues.push(Queue {
            name: queue(name),
            channel: Some(channel(name)),
            takes: Takes::All,
        });
    }
    bus.declare(&topology).await?;
    Ok(Arc::new(bus))
}

fn message(task: usize, n: usize) -> Message {
    let content = Content::Canonical {
        type_name: TypeName::new(TYPE),
        bytes: Bytes::from(vec![n as u8; 1024]),
    };
    let event = format!("{task}-{n}");
    let id = MessageId::foreign(&format!("452339d3-77a9-8746-bc0f-{event:0>12}")).expect("it is short");
    let mut message = Message::new(id, "/shop/orders-in", jiff::Timestamp::UNIX_EPOCH, content);
    message.subject = Some("orders/create".into());
    message.correlation_id = Some("452339d3-77a9-8746-bc0f-44f8fd8b6a02".into());
    message
}

fn to(name: &str, message: Message) -> Outgoing {
    Outgoing {
        to: Destination::Channel(channel(name)),
        message,
    }
}

fn from_source(message: Message) -> Hop {
    Hop {
        inputs: Vec::new(),
        outputs: vec![to("orders", message)],
        state: None,
    }
}

fn confirmed(results: Vec<Result<(), trunkline::bus::Refused>>) {
    for result in results {
        result.expect("it is confirmed");
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("a name of this bench")
}

fn queue(name: &str) -> QueueName {
    QueueName::of_subscriber(
        &channel(name),
        &FlowName::new("flow").expect("a name of this bench"),
    )
}

fn report(what: &str, count: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:>14}: {rate:>8.0} a second");
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or(" unknown").trim().to_owned()
}

//! What the way through Trunkline costs on RabbitMQ, beside the fastest forwarder that bare lapin allows: through
//! the bus alone (`bus`), and through a whole flow (`flow`: consume, two predicates on the encoded order, publish,
//! confirm, ack).
//!
//! `cargo run --release -p trunkline-bench --bin forward URL [MESSAGES] [ROUNDS]`, with a vhost of its own in
//! the URL. A round takes messages of 1 KiB from a quorum queue, publishes each to another, waits for its
//! confirm, and acks it. Rounds alternate between the three, in one process and on one broker; the ratio is
//! that of the medians. CPU is this process's, user and system.

#![allow(clippy::print_stdout, reason = "a bench is there to print")]

use std::{
    collections::VecDeque,
    env,
    error::Error,
    fs,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Connection, ConnectionProperties, PublisherConfirm,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueuePurgeOptions,
    },
    types::FieldTable,
};
use prost::Message as _;
use tokio::task::JoinSet;
use trunkline::{
    bus::{Bus, Channel, Delivery, Destination, Hop, Outgoing, Queue, Takes, Topology, rabbitmq::RabbitBus},
    config::{self, BusAddress, Files, Landscape, Plan, Variables},
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, ProcessName, QueueName, TypeName},
    runtime::Runtime,
    store::SqliteStore,
};
use trunkline_proto::{
    commerce::v1::{Order, OrderStatus},
    party::v1::Address,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TYPE: &str = "trunkline.commerce.v1.Order";
const BODY: usize = 1024;
const WINDOW: usize = 256;
const PREFETCH: u16 = 1024;
/// Hops in one `complete`, and how many of these are under way: more than the window, so that it is full.
const BATCH: usize = 64;
const AT_ONCE: usize = 8;
/// Bare lapin acks so many at a time.
const ACK_EVERY: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("usage: forward URL [MESSAGES] [ROUNDS]")?;
    let count: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;

    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(folder.path())?);
    let bus = Arc::new(RabbitBus::connect(&url, &ProcessName::new("bench")?, store).await?);
    bus.declare(&landscape()?).await?;
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let admin = connection.create_channel().await?;

    println!("{count} messages of 1 KiB, {rounds} rounds each, quorum queues");
    let plan = plan(&url)?;
    let (mut whole, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    // One more than is counted: the first warms up.
    for round in 0..=rounds {
        for (name, series) in [("flow", &mut whole), ("bus", &mut ours), ("lapin", &mut bare)] {
            for queue in [input()?, output()?] {
                admin
                    .queue_purge(queue.as_str().into(), QueuePurgeOptions::default())
                    .await?;
            }
            fill(&bus, count).await?;
            let (began, cpu) = (Instant::now(), cpu());
            match name {
                "flow" => through_a_flow(&plan, count).await?,
                "bus" => through_the_bus(&bus, count).await?,
                _ => through_lapin(&url, count).await?,
            }
            let (took, cpu) = (began.elapsed(), self::cpu() - cpu);
            let there = bus.depth(&output()?).await?.ready;
            if there != count as u64 {
                return Err(format!("{name}: {there} of {count} arrived").into());
            }
            if round > 0 {
                series.push((
                    count as f64 / took.as_secs_f64(),
                    cpu.as_secs_f64() * 1e6 / count as f64,
                ));
            }
        }
    }
    let ways = [
        ("flow", report("flow", &whole), &whole),
        ("bus", report("bus", &ours), &ours),
    ];
    let (lapin_rate, lapin_cpu) = report("lapin", &bare);
    for (name, (rate, cpu), series) in ways {
        // Neighbours in time: what else the machine did at that moment, it did to both.
        let mut pairs: Vec<_> = series
            .iter()
            .zip(&bare)
            .map(|(ours, bare)| ours.0 / bare.0)
            .collect();
        pairs.sort_by(f64::total_cmp);
        println!(
            "{name} to lapin: rate {:.2} ({:.2} of neighbouring rounds), CPU {:.2}",
            rate / lapin_rate,
            pairs[pairs.len() / 2],
            cpu / lapin_cpu,
        );
    }
    bus.close().await;
    Ok(())
}

/// A router as its user writes it.
fn plan(url: &str) -> Outcome<Plan> {
    let landscape = format!(
        "bus: {url}\nchannels:\n  bench-in: {{ type: {TYPE}, external: true }}\n  bench-out: {{ type: {TYPE}, external: true }}\n"
    );
    let flow = "flow: forward\nfrom: bench-in\nsteps:\n  - filter: this.status == \"PAID\"\n  - route:\n      \
                - { when: 'this.ship_to.country_code == \"DK\"', to: bench-out }\n      - { otherwise: bench-in }\n";
    let files = Files::of([
        ("trunkline.yaml", landscape.as_str()),
        ("flows/forward.yaml", flow),
    ]);
    let variables = |_: &str| None;
    let landscape = Landscape::of("/".into(), files, &Variables::new(&variables), Vec::new());
    config::check(&landscape, trunkline_proto::descriptor_pool())
        .map_err(|problems| format!("{problems:?}").into())
}

async fn through_a_flow(plan: &Plan, count: usize) -> Outcome<()> {
    let BusAddress::RabbitMq(url) = &plan.bus else {
        return Err("the bench runs on RabbitMQ".into());
    };
    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(folder.path())?);
    let bus = Arc::new(RabbitBus::connect(url, &ProcessName::new("flow")?, store).await?);
    let runtime = Runtime::start_on(bus, plan, None).await?;
    // Counted when confirmed; asking the broker would be work that the others have not.
    let published = || {
        runtime
            .tallies()
            .values()
            .map(|tally| tally.read().published)
            .sum::<u64>()
    };
    while published() < count as u64 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if runtime.stop().await {
        Ok(())
    } else {
        Err("the flow did not end in time".into())
    }
}

/// About 1 KiB, as orders are: it is what `flow` must read, and to the others it is bytes.
fn order() -> Vec<u8> {
    let mut order = Order {
        order_id: "1001".to_owned(),
        status: OrderStatus::Paid.into(),
        ship_to: Some(Address {
            country_code: "DK".to_owned(),
            ..Address::default()
        }),
        ..Order::default()
    };
    order.note = "x".repeat(BODY - order.encoded_len() - 4);
    order.encode_to_vec()
}

async fn through_the_bus(bus: &Arc<RabbitBus>, count: usize) -> Outcome<()> {
    let mut subscription = bus.subscribe(&input()?, PREFETCH).await?;
    let (flow, to) = (FlowName::new("forward")?, channel("bench-out")?);
    let forward = |delivery: Delivery| {
        let message = delivery.message.derive(
            delivery.message.id.derived(&flow, 0),
            delivery.message.content.clone(),
        );
        let to = Destination::Channel(to.clone());
        Hop::of(delivery, vec![Outgoing { to, message }])
    };
    let mut under_way = JoinSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut taken = 0;
    while taken < count {
        if !subscription.receive(&mut batch, BATCH).await {
            return Err("the subscription ended".into());
        }
        taken += batch.len();
        let hops: Vec<_> = batch.drain(..).map(forward).collect();
        if under_way.len() == AT_ONCE {
            done(under_way.join_next().await)?;
        }
        let bus = Arc::clone(bus);
        under_way.spawn(async move {
            bus.complete(hops)
                .await
                .into_iter()
                .filter(Result::is_err)
                .count()
        });
    }
    while let Some(refused) = under_way.join_next().await {
        done(Some(refused))?;
    }
    subscription.close().await;
    Ok(())
}

fn done(refused: Option<Result<usize, tokio::task::JoinError>>) -> Outcome<()> {
    match refused {
        Some(Ok(0)) | None => Ok(()),
        Some(Ok(refused)) => Err(format!("{refused} hops were refused").into()),
        Some(Err(error)) => Err(error.into()),
    }
}

type Publishing = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send>>;

/// One connection for each direction, as the bus has; frames are queued by one poll of each publishing, and
/// only the oldest is awaited; acks cover [`ACK_EVERY`] at a time.
async fn through_lapin(url: &str, count: usize) -> Outcome<()> {
    let consuming = Connection::connect(url, ConnectionProperties::default()).await?;
    let publishing = Connection::connect(url, ConnectionProperties::default()).await?;
    let consumer = consuming.create_channel().await?;
    let publisher = Arc::new(publishing.create_channel().await?);
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    consumer.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let queue = input()?.as_str().into();
    let mut deliveries = consumer
        .basic_consume(
            queue,
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut window: VecDeque<(u64, Publishing)> = VecDeque::with_capacity(WINDOW);
    let (mut taken, mut settled) = (0, 0);
    while settled < count {
        while window.len() < WINDOW && taken < count {
            // Waits for a delivery only with nothing under way.
            let next = if window.is_empty() {
                deliveries.next().await
            } else {
                match deliveries.next().now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            let delivery = next.ok_or("the consumer ended")??;
            taken += 1;
            let channel = Arc::clone(&publisher);
            let (tag, properties, body) = (delivery.delivery_tag, delivery.properties, delivery.data);
            let mut sending: Publishing = Box::pin(async move { publish(&channel, &body, properties).await });
            if let Poll::Ready(confirm) = sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                sending = Box::pin(async move { confirm });
            }
            window.push_back((tag, sending));
        }
        let Some((tag, sending)) = window.pop_front() else {
            continue;
        };
        let confirmation = sending.await?.await?;
        if !confirmation.is_ack() || confirmation.take_message().is_some() {
            return Err("not confirmed".into());
        }
        settled += 1;
        if settled % ACK_EVERY == 0 || settled == count {
            consumer
                .basic_ack(tag, BasicAckOptions { multiple: true })
                .await?;
        }
    }
    consuming.close(200, "done".into()).await?;
    publishing.close(200, "done".into()).await?;
    Ok(())
}

async fn publish(
    channel: &lapin::Channel,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let key = "any.trunkline.commerce.v1.Order".into();
    channel
        .basic_publish("trunkline.bench-out".into(), key, options, body, properties)
        .await
}

async fn fill(bus: &Arc<RabbitBus>, count: usize) -> Outcome<()> {
    let body = bytes::Bytes::from(order());
    let mut sent = 0;
    while sent < count {
        let size = (count - sent).min(4 * WINDOW);
        let hop = |number| -> Outcome<Hop> {
            let content = Content::Canonical {
                type_name: TypeName::new(TYPE),
                bytes: body.clone(),
            };
            let id = MessageId::foreign(&format!("{number:036}")).ok_or("an id is short")?;
            let message = Message::new(id, "/bench/fill", "2026-11-25T13:00:00Z".parse()?, content);
            let to = Destination::Channel(channel("bench-in")?);
            Ok(Hop {
                inputs: Vec::new(),
                outputs: vec![Outgoing { to, message }],
                state: None,
            })
        };
        let hops = (sent..sent + size).map(hop).collect::<Outcome<Vec<_>>>()?;
        if let Some(refused) = bus.complete(hops).await.into_iter().find_map(Result::err) {
            return Err(refused.fault.into());
        }
        sent += size;
    }
    Ok(())
}

fn landscape() -> Outcome<Topology> {
    let named = |name| -> Outcome<Channel> {
        Ok(Channel {
            name: channel(name)?,
            type_name: TypeName::new(TYPE),
        })
    };
    let read = |name: QueueName, from| -> Outcome<Queue> {
        Ok(Queue {
            name,
            channel: Some(channel(from)?),
            takes: Takes::All,
        })
    };
    Ok(Topology {
        channels: vec![named("bench-in")?, named("bench-out")?],
        queues: vec![read(input()?, "bench-in")?, read(output()?, "bench-out")?],
    })
}

fn channel(name: &str) -> Outcome<ChannelName> {
    Ok(ChannelName::new(name)?)
}

fn input() -> Outcome<QueueName> {
    Ok(QueueName::of_subscriber(
        &channel("bench-in")?,
        &FlowName::new("forward")?,
    ))
}

fn output() -> Outcome<QueueName> {
    Ok(QueueName::of_subscriber(
        &channel("bench-out")?,
        &FlowName::new("sink")?,
    ))
}

/// User and system time of this process, from the kernel's clock ticks (100 a second on Linux).
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn report(name: &str, series: &[(f64, f64)]) -> (f64, f64) {
    let sorted = |pick: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<_> = series.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (rates, cpus) = (sorted(|round| round.0), sorted(|round| round.1));
    let middle = rates.len() / 2;
    println!(
        "{name:>6}: {:>6.0} msg/s ({:.0} to {:.0}), {:>5.1} µs CPU per message ({:.1} to {:.1})",
        rates[middle],
        rates[0],
        rates[rates.len() - 1],
        cpus[middle],
        cpus[0],
        cpus[cpus.len() - 1],
    );
    (rates[middle], cpus[middle])
}

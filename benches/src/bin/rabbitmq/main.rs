//! What Trunkline costs on RabbitMQ, beside the fastest that bare lapin allows, for each kind of work:
//!
//! - `publish`: messages published and confirmed,
//! - `consume`: messages taken and acked,
//! - `forward`: taken, published to another channel, confirmed, acked; through the bus alone, and through a whole
//!   flow (`flow`: two predicates on the encoded order between).
//!
//! `cargo run --release -p trunkline-bench --bin rabbitmq URL [MESSAGES] [ROUNDS] [WORK]`, with a vhost of its own in
//! the URL; `WORK` only one of them. The same messages of 1 KiB, with the same properties and headers, on quorum queues. Rounds alternate
//! between the ways, in one process and on one broker; the ratio of rates is the median of neighbouring rounds.
//! CPU is this process's, user and system.

#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod bare;
mod flow;
mod ours;
mod series;
mod stage;

use std::{
    env,
    time::{Duration, Instant},
};

use self::{series::Series, stage::Stage};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How many are under way at a time.
const WINDOW: usize = 256;
const PREFETCH: u16 = 1024;

/// A way to do a kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bus,
    Flow,
    Lapin,
}

/// A kind of work, and the ways in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Publish,
    Consume,
    Forward,
}

impl Work {
    const ALL: [Work; 3] = [Work::Publish, Work::Consume, Work::Forward];

    fn word(self) -> &'static str {
        match self {
            Work::Publish => "publish",
            Work::Consume => "consume",
            Work::Forward => "forward",
        }
    }

    fn ways(self) -> &'static [Way] {
        match self {
            Work::Publish | Work::Consume => &[Way::Bus, Way::Lapin],
            Work::Forward => &[Way::Flow, Way::Bus, Way::Lapin],
        }
    }

    /// Where the messages are when it is done: as many as there were, or none.
    fn leaves(self, count: usize) -> u64 {
        match self {
            Work::Publish | Work::Forward => count as u64,
            Work::Consume => 0,
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("usage: rabbitmq URL [MESSAGES] [ROUNDS] [publish|consume|forward]")?;
    let count: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let only = arguments.next();
    let stage = Stage::set(&url).await?;
    println!("{count} messages of 1 KiB, {rounds} rounds each, quorum queues");
    let wanted = |work: &Work| only.as_ref().is_none_or(|only| only == work.word());
    for work in Work::ALL.into_iter().filter(wanted) {
        let mut series: Vec<_> = work.ways().iter().map(|way| Series::new(*way)).collect();
        // One more than is counted: the first warms up.
        for round in 0..=rounds {
            for one in &mut series {
                stage.empty().await?;
                if work != Work::Publish {
                    stage.fill(count).await?;
                }
                let (began, cpu) = (Instant::now(), series::cpu());
                perform(work, one.way, &stage, count).await?;
                let (took, cpu) = (began.elapsed(), series::cpu() - cpu);
                stage.holds(work, work.leaves(count)).await?;
                if round > 0 {
                    one.add(count, took, cpu);
                }
            }
        }
        println!("\n{work:?}");
        series::report(&series);
    }
    stage.leave().await;
    Ok(())
}

async fn perform(work: Work, way: Way, stage: &Stage, count: usize) -> Outcome<()> {
    match (work, way) {
        (Work::Publish, Way::Lapin) => bare::publish(stage, count).await,
        (Work::Publish, _) => ours::publish(stage, count).await,
        (Work::Consume, Way::Lapin) => bare::consume(stage, count).await,
        (Work::Consume, _) => ours::consume(stage, count).await,
        (Work::Forward, Way::Lapin) => bare::forward(stage, count).await,
        (Work::Forward, Way::Bus) => ours::forward(stage, count).await,
        (Work::Forward, Way::Flow) => flow::forward(stage, count).await,
    }
}

/// How often a bench looks whether something is done that tells nobody.
const LOOK: Duration = Duration::from_millis(2);

//! The SDK's sentences for sources, and what a timer promises beside them, by a clock that the test turns.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};
use trunkline_sdk::{
    Adapter, Body, Fault, Position, Record, Settings, Source, Value,
    contract::{Desk, source::SourcePeer},
    source_contract,
};
use trunkline_timer::{Clock, Timer};

source_contract!(Turned::new());

/// 2026-11-25T05:59:30Z.
const START: Duration = Duration::from_secs(1_795_586_370);

/// A clock that goes only when it is turned.
struct TestClock {
    time: watch::Sender<SystemTime>,
    /// What the last who waited waits for.
    awaited: watch::Sender<SystemTime>,
}

impl TestClock {
    fn new() -> Arc<Self> {
        let start = SystemTime::UNIX_EPOCH + START;
        Arc::new(Self {
            time: watch::Sender::new(start),
            awaited: watch::Sender::new(start),
        })
    }

    fn turn(&self, by: Duration) {
        self.time.send_modify(|time| *time += by);
    }

    fn turn_back(&self, by: Duration) {
        self.time.send_modify(|time| *time -= by);
    }

    /// Resolves when a timer waits for what is still to come.
    async fn is_awaited(&self) {
        let mut awaited = self.awaited.subscribe();
        let waits = awaited.wait_for(|awaited| *awaited > self.now());
        waits.await.expect("its sender is `self`");
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.time.borrow()
    }

    async fn wait_until(&self, time: SystemTime) {
        let mut now = self.time.subscribe();
        self.awaited.send_replace(time);
        now.wait_for(|now| *now >= time)
            .await
            .expect("its sender is `self`");
    }
}

/// A timer of seconds.
struct Turned(Arc<TestClock>);

impl Turned {
    fn new() -> Self {
        Self(TestClock::new())
    }
}

#[async_trait]
impl SourcePeer for Turned {
    async fn offer(&mut self, records: usize) {
        self.0.turn(Duration::from_secs(records as u64));
    }

    async fn open(&mut self) -> Box<dyn Source> {
        let since = [
            ("every", "1s"),
            ("missed", "all"),
            ("since", "2026-11-25T05:59:30Z"),
        ];
        source(&self.0, &since).await
    }

    fn most_in_flight(&self) -> usize {
        1
    }
}

async fn source(clock: &Arc<TestClock>, pairs: &[(&str, &str)]) -> Box<dyn Source> {
    let system = Timer::with(clock.clone())
        .open(&Settings::of([]), Path::new("."))
        .await
        .unwrap();
    system.source(&Settings::of(pairs.iter().copied())).await.unwrap()
}

/// A flow that a timer starts.
struct Flow {
    desk: Desk,
    run: JoinHandle<Result<(), Fault>>,
}

impl Flow {
    async fn start(clock: &Arc<TestClock>, pairs: &[(&str, &str)], resume: Option<&str>) -> Self {
        let mut source = source(clock, pairs).await;
        let desk = Desk::default();
        let outlet = desk.outlet();
        let resume = resume.map(|at| Position(at.to_owned().into()));
        let run = tokio::spawn(async move { source.run(outlet, resume).await });
        Self { desk, run }
    }

    /// What has fired when nothing more does.
    async fn fired(&self, clock: &TestClock) -> Vec<(String, bool)> {
        clock.is_awaited().await;
        self.desk.accepted().iter().map(told).collect()
    }

    async fn stop(self) {
        self.desk.stop();
        self.run.await.unwrap().unwrap();
    }
}

fn field(record: &Record, name: &str) -> String {
    let Body::Value(body) = &record.body else {
        panic!("a timer makes values");
    };
    match body.get(name) {
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

/// The scheduled time, and whether it was missed.
fn told(record: &Record) -> (String, bool) {
    (field(record, "scheduled"), field(record, "missed") == "true")
}

const WORKDAYS: [(&str, &str); 2] = [("cron", "0 7 * * 1-5"), ("time_zone", "Europe/Berlin")];

#[tokio::test]
async fn a_record_says_when_it_was_due_and_its_id_is_made_of_it() {
    // given
    let clock = TestClock::new();
    let flow = Flow::start(&clock, &WORKDAYS, None).await;
    assert_eq!(flow.fired(&clock).await, []);
    // when
    clock.turn(Duration::from_secs(31));
    // then
    let record = flow.desk.wait_for(1).await.remove(0);
    assert_eq!(record.id, "cron 0 7 * * 1-5 Europe/Berlin 2026-11-25T06:00:00Z");
    assert_eq!(
        record.time,
        Some(SystemTime::UNIX_EPOCH + START + Duration::from_secs(30))
    );
    assert_eq!(record.position, Some(Position("2026-11-25T06:00:00Z".into())));
    for (name, value) in [
        ("schedule", "cron 0 7 * * 1-5 Europe/Berlin"),
        ("scheduled", "2026-11-25T06:00:00Z"),
        ("local", "2026-11-25T07:00:00+01:00"),
        ("fired", "2026-11-25T06:00:01Z"),
        ("missed", "false"),
    ] {
        assert_eq!(field(&record, name), value, "{name}");
    }
    flow.stop().await;
}

#[tokio::test]
async fn of_the_times_that_were_missed_fire_as_many_as_the_flow_says() {
    // given a timer that last fired on Friday, and a clock of Wednesday
    let friday = Some("2026-11-20T06:00:00Z");
    let monday = ("2026-11-23T06:00:00Z".to_owned(), true);
    let tuesday = ("2026-11-24T06:00:00Z".to_owned(), true);
    for (missed, expected) in [
        ("all", vec![monday, tuesday.clone()]),
        ("once", vec![tuesday]),
        ("skip", Vec::new()),
    ] {
        let clock = TestClock::new();
        let options = [WORKDAYS[0], WORKDAYS[1], ("missed", missed)];
        // when
        let flow = Flow::start(&clock, &options, friday).await;
        // then
        assert_eq!(flow.fired(&clock).await, expected, "{missed}");
        // and the next one fires in its time
        clock.turn(Duration::from_secs(30));
        let last = flow.desk.wait_for(expected.len() + 1).await.pop().unwrap();
        assert_eq!(
            told(&last),
            ("2026-11-25T06:00:00Z".to_owned(), false),
            "{missed}"
        );
        flow.stop().await;
    }
}

#[tokio::test]
async fn a_host_that_was_suspended_fires_what_it_missed_and_no_more() {
    for (missed, expected) in [("all", 60), ("once", 1), ("skip", 0)] {
        // given
        let clock = TestClock::new();
        let flow = Flow::start(&clock, &[("every", "1m"), ("missed", missed)], None).await;
        assert_eq!(flow.fired(&clock).await, []);
        // when
        clock.turn(Duration::from_secs(3600));
        // then
        assert_eq!(flow.fired(&clock).await.len(), expected, "{missed}");
        clock.turn(Duration::from_secs(60));
        let fired = flow.desk.wait_for(expected + 1).await;
        assert_eq!(fired.len(), expected + 1, "{missed}");
        assert_eq!(
            told(&fired[expected]),
            ("2026-11-25T07:00:00Z".to_owned(), false),
            "{missed}"
        );
        flow.stop().await;
    }
}

#[tokio::test]
async fn of_a_year_of_missed_seconds_the_newest_thousand_fire() {
    // given
    let clock = TestClock::new();
    // when
    let options = [("every", "1s"), ("missed", "all")];
    let flow = Flow::start(&clock, &options, Some("2025-11-25T05:59:30Z")).await;
    // then
    let fired = flow.fired(&clock).await;
    assert_eq!(fired.len(), 1000);
    assert_eq!(fired[999], ("2026-11-25T05:59:30Z".to_owned(), true));
    flow.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_repeats_nothing() {
    // given
    let clock = TestClock::new();
    let flow = Flow::start(&clock, &[("every", "1m")], None).await;
    assert_eq!(flow.fired(&clock).await, []);
    clock.turn(Duration::from_secs(30));
    flow.desk.wait_for(1).await;
    // when
    clock.turn_back(Duration::from_secs(20));
    clock.turn(Duration::from_secs(79));
    assert_eq!(flow.fired(&clock).await.len(), 1);
    clock.turn(Duration::from_secs(1));
    // then
    let fired: Vec<_> = flow.desk.wait_for(2).await.iter().map(told).collect();
    assert_eq!(fired[1].0, "2026-11-25T06:01:00Z");
    flow.stop().await;
}

#[tokio::test]
async fn a_position_of_another_source_stops_the_flow() {
    let clock = TestClock::new();
    let flow = Flow::start(&clock, &[("every", "1m")], Some("orders.csv#17")).await;
    let fault = flow.run.await.unwrap().unwrap_err();
    assert_eq!(fault.remedy, trunkline_sdk::Remedy::Stop);
}

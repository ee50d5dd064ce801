//! A process killed in the middle of its work.
//!
//! The child is this test program itself, started for its test `child` with the address and the work in its
//! environment; it writes what was confirmed to it, line by line, and is killed without warning.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::timeout;
use trunkline::bus::{Bus, Hop};

use crate::{
    order,
    scene::{
        all_in, billing, from_source, ids, landscape, log, opened, order as an_order, orders, publish,
        receive, settle, subscribe, to, with_body,
    },
    subject::Subject,
};

const ADDRESS: &str = "TRUNKLINE_BUS_SUITE_ADDRESS";
const WORK: &str = "TRUNKLINE_BUS_SUITE_WORK";
/// The work of forwarding; any other word is a round of publishing.
const FORWARD: &str = "forward";
/// The work of settling one by one, until a message comes that kills; ends by itself when all is done.
const SUFFER: &str = "suffer";
/// The work of holding what one has and receiving no more.
const IDLE: &str = "idle";
/// What stands before the memory a child has taken for it, in KiB.
const TAKEN: &str = "taken ";
/// The id of the message that kills.
const POISON: &str = "poison";
/// How often it may.
const LIVES: usize = 20;
/// What stands before the number of messages that a dying child has in its hands.
const HOLDING: &str = "holding ";
/// What stands before an id in the child's output, among what the test program writes.
pub(crate) const CONFIRMED: &str = "confirmed ";

pub(crate) async fn what_a_killed_process_had_confirmed_is_there<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    bus.close().await;
    drop(bus);
    // when: killed at three moments
    let mut confirmed = BTreeSet::new();
    for (round, lines) in [("first", 40), ("second", 130), ("third", 300)] {
        let told = kill_after(start::<S>(&place, round), lines);
        assert!(told.len() >= lines);
        confirmed.extend(told);
    }
    // then: all that was told is there, perhaps more: a confirm may not have been written down
    let bus = place.open().await;
    let there = all_in(&*bus, &log()).await;
    let lost: Vec<_> = confirmed.difference(&there).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    bus.close().await;
}

pub(crate) async fn a_process_killed_while_forwarding_loses_nothing<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    let inputs = orders("m", 5000);
    publish(&*bus, "orders", inputs.clone()).await;
    bus.close().await;
    drop(bus);
    // when
    kill_after(start::<S>(&place, FORWARD), 300);
    // then: each is still there, or what came of it is
    let bus = place.open().await;
    bus.declare(&landscape()).await.expect("it is as it was");
    let outputs = all_in(&*bus, &log()).await;
    let left = all_in(&*bus, &billing()).await;
    assert!(!left.is_empty(), "it was killed in the middle");
    let lost: Vec<_> = ids(&inputs)
        .into_iter()
        .filter(|id| !left.contains(id) && !outputs.contains(&forwarded(id)))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    bus.close().await;
}

pub(crate) async fn a_message_that_kills_its_process_runs_alone_and_is_parked<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    let mut messages = orders("m", 100);
    messages.insert(30, an_order(POISON));
    publish(&*bus, "orders", messages).await;
    bus.close().await;
    drop(bus);
    // when: it is started again and again
    let mut deaths = Vec::new();
    for _ in 0..LIVES {
        let Some(holding) = last_words(start::<S>(&place, SUFFER)) else {
            break;
        };
        deaths.push(holding);
    }
    // then: it fell among others at first, alone at last
    assert_eq!(deaths.len(), 6, "{deaths:?}");
    assert!(deaths[0] > 1, "{deaths:?}");
    assert_eq!(deaths[5], 1, "{deaths:?}");
    // then: it is parked, and nothing else is
    let bus = place.open().await;
    let parked = bus.parked(&billing(), 10).await.expect("they can be read");
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].message, an_order(POISON));
    let cause = parked[0].cause.as_ref().expect("it says why");
    for told in ["the process died", "6 times"] {
        assert!(cause.what.contains(told), "{}", cause.what);
    }
    assert_eq!(cause.flow.as_str(), "billing");
    assert_eq!(parked[0].attempt, 1, "a kill is no attempt");
    bus.close().await;
}

pub(crate) async fn a_slow_consumer_keeps_no_more_than_its_prefetch_in_memory<S: Subject>() {
    // given: 128 MiB wait
    let (place, bus) = opened::<S>().await;
    for batch in 0..64 {
        let messages = (0..32).map(|number| with_body(&format!("m-{batch}-{number}"), vec![7; 64 << 10]));
        publish(&*bus, "audit", messages.collect::<Vec<_>>()).await;
    }
    bus.close().await;
    drop(bus);
    // when: a process of its own takes ten, and has time
    let mut child = start::<S>(&place, IDLE);
    let out = BufReader::new(child.stdout.take().expect("its output is piped"));
    let said: Vec<_> = out.lines().map(|line| line.expect("the pipe is read")).collect();
    let taken = said
        .iter()
        .find_map(|line| Some(line.split_once(TAKEN)?.1.parse::<u64>().expect("a number")));
    assert!(child.wait().expect("it has ended").success());
    // then
    let taken = taken.expect("it says so");
    assert!(taken < 48 << 10, "{taken} KiB");
}

/// What the child does.
pub(crate) async fn child<S: Subject>() {
    let address = std::env::var(ADDRESS).expect("only the crash sentences start this");
    if std::env::var(WORK).is_ok_and(|work| work == order::KEEP) {
        return order::keep::<S>(&address).await;
    }
    let bus = S::open_at(&address).await;
    bus.declare(&landscape()).await.expect("it is as it was");
    match std::env::var(WORK).expect("they say what to do").as_str() {
        FORWARD => forward_for_ever(&*bus).await,
        SUFFER => suffer(&*bus).await,
        IDLE => idle(&*bus).await,
        round => publish_for_ever(&*bus, round).await,
    }
}

async fn publish_for_ever(bus: &dyn Bus, round: &str) {
    for batch in 0.. {
        let messages = orders(&format!("{round}-{batch}"), 10);
        let names: Vec<_> = messages
            .iter()
            .map(|message| message.id.as_str().to_owned())
            .collect();
        let hops = messages
            .into_iter()
            .map(|message| from_source(vec![to("audit", message)]))
            .collect();
        write_confirmed(names.into_iter().zip(bus.complete(hops).await));
    }
}

async fn forward_for_ever(bus: &dyn Bus) {
    let mut subscription = subscribe(bus, &billing(), 20).await;
    loop {
        let batch = receive(&mut subscription, 10).await;
        let names: Vec<_> = batch
            .iter()
            .map(|delivery| delivery.message.id.as_str().to_owned())
            .collect();
        let hops = batch
            .into_iter()
            .map(|delivery| {
                let output = to("audit", an_order(&forwarded(delivery.message.id.as_str())));
                Hop::of(delivery, vec![output])
            })
            .collect();
        write_confirmed(names.into_iter().zip(bus.complete(hops).await));
    }
}

async fn suffer(bus: &dyn Bus) {
    let mut subscription = subscribe(bus, &billing(), 20).await;
    let mut batch = Vec::new();
    while !bus.depth(&billing()).await.expect("it is there").is_drained() {
        // Without an end it would wait for what is parked by now; the counters tell, and they may lag behind.
        let moment = Duration::from_millis(100);
        let _nothing_came = timeout(moment, subscription.receive(&mut batch, 20)).await;
        if batch
            .iter()
            .any(|delivery| delivery.message.id.as_str() == POISON)
        {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{HOLDING}{}", batch.len()).expect("the parent reads");
            out.flush().expect("the parent reads");
            std::process::abort();
        }
        settle(bus, batch.drain(..).take(5).collect()).await;
    }
    subscription.close().await;
    bus.close().await;
}

async fn idle(bus: &dyn Bus) {
    let before = peak_memory();
    let mut subscription = subscribe(bus, &log(), 10).await;
    let held = receive(&mut subscription, 10).await;
    // All that comes unasked would come now.
    for _ in 0..20 {
        let moment = Duration::from_millis(50);
        assert!(timeout(moment, receive(&mut subscription, 1)).await.is_err());
    }
    let taken = peak_memory() - before;
    writeln!(std::io::stdout(), "{TAKEN}{taken}").expect("the parent reads");
    drop(held);
    subscription.close().await;
    bus.close().await;
}

/// The most memory that this process has held, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("in KiB")
}

fn forwarded(id: &str) -> String {
    format!("out-of-{id}")
}

fn write_confirmed<E: std::fmt::Debug>(results: impl Iterator<Item = (String, Result<(), E>)>) {
    let mut out = std::io::stdout().lock();
    for (name, result) in results {
        result.expect("it is confirmed");
        writeln!(out, "{CONFIRMED}{name}").expect("the parent reads");
    }
    out.flush().expect("the parent reads");
}

pub(crate) fn start<S: Subject>(place: &S, work: &str) -> Child {
    let this = std::env::current_exe().expect("the path of this program");
    Command::new(this)
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("{}::child", S::ENGINE))
        .env(ADDRESS, place.address())
        .env(WORK, work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts")
}

/// Kills the child (SIGKILL) when it has written this many lines; gives all the ids it wrote before it died.
pub(crate) fn kill_after(mut child: Child, lines: usize) -> BTreeSet<String> {
    let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut confirmed = BTreeSet::new();
    let mut alive = true;
    let mut line = String::new();
    loop {
        line.clear();
        out.read_line(&mut line).expect("the pipe is read");
        // A line without an end was cut short by the kill, or there is none.
        let Some(whole) = line.strip_suffix('\n') else {
            break;
        };
        if let Some((_, id)) = whole.split_once(CONFIRMED) {
            confirmed.insert(id.to_owned());
        }
        if alive && confirmed.len() >= lines {
            child.kill().expect("it is still running");
            alive = false;
        }
    }
    let status = child.wait().expect("it has ended");
    assert!(!alive, "the child ended by itself: {status}");
    confirmed
}

/// How many messages a child held when a message killed it; `None`: it ended by itself, with all done.
fn last_words(mut child: Child) -> Option<usize> {
    let out = BufReader::new(child.stdout.take().expect("its output is piped"));
    let holding = out
        .lines()
        .map(|line| line.expect("the pipe is read"))
        .find_map(|line| Some(line.split_once(HOLDING)?.1.parse().expect("a number")));
    let status = child.wait().expect("it has ended");
    assert_eq!(status.success(), holding.is_none(), "it fell over something else");
    holding
}

//! Callers who wait for an answer (chatbot fulfilment): the flow's in time, else the fallback, never an error.

mod sender;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sender::{Peer, post, read, settings};
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use trunkline_sdk::{
    Adapter, Body, Endpoint, Entry, Fault, Intake, Outlet, Receipt, Record, Remedy, Reply, Settings,
};
use trunkline_webhook::{Limits, Webhook};

const FALLBACK: &str = r#"{"fulfillmentText":"We call you back."}"#;
const BODY: &str = r#"{"session":"s-1","queryResult":{"intent":{"displayName":"order status"}}}"#;

/// The bus and the flow that answers, in a test's hand.
struct Bot {
    does: Does,
    /// One permit for each answer that may be given.
    open: Semaphore,
    asked: watch::Sender<Vec<(String, Duration)>>,
    stopping: watch::Sender<bool>,
}

/// What it answers.
#[derive(Clone, Copy)]
enum Does {
    /// The id of the record.
    Echo,
    /// So many bytes.
    Bytes(usize),
    /// That there is no answer, for this reason.
    Fault(Remedy),
}

#[async_trait]
impl Intake for Bot {
    async fn accept(&self, _record: Record, _patience: Option<Duration>) -> Result<Receipt, Fault> {
        panic!("a caller waits: this is a request")
    }

    async fn ask(&self, record: Record, deadline: Duration) -> Result<Reply, Fault> {
        self.asked
            .send_modify(|asked| asked.push((record.id.clone(), deadline)));
        let permit = self.open.acquire().await.expect("it is never closed");
        permit.forget();
        let text = match self.does {
            Does::Echo => format!(r#"{{"fulfillmentText":"{}"}}"#, record.id),
            Does::Bytes(bytes) => format!("\"{}\"", "x".repeat(bytes - 2)),
            Does::Fault(remedy) => return Err(Fault::new(remedy, "there is no answer")),
        };
        let body = Body::Bytes {
            content_type: "application/json".into(),
            bytes: text.into(),
        };
        Ok(Reply { body })
    }

    async fn stopping(&self) {
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

impl Bot {
    /// A bot that has `answers` to give, and the system and flow in front of it.
    async fn new(
        does: Does,
        answers: usize,
        reply: &[(&str, &str)],
    ) -> (Arc<Self>, Peer, JoinHandle<Result<(), Fault>>) {
        let bot = Arc::new(Self {
            does,
            open: Semaphore::new(answers),
            asked: watch::Sender::new(Vec::new()),
            stopping: watch::Sender::new(false),
        });
        let peer = Peer::open(&settings(&[], "bearer", &["a-token"]), Limits::default()).await;
        let mut source = peer.system.source(&endpoint(reply)).await.expect("a path");
        let outlet = Outlet::new(bot.clone());
        let mut run = Box::pin(async move { source.run(outlet, None).await });
        // The first poll opens the path.
        let begun = std::future::poll_fn(|context| std::task::Poll::Ready(run.as_mut().poll(context))).await;
        assert!(begun.is_pending());
        (bot, peer, tokio::spawn(run))
    }

    async fn is_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let reached = asked.wait_for(|asked| asked.len() >= times);
        timeout(Duration::from_secs(30), reached)
            .await
            .expect("it is asked within 30 s")
            .expect("it lives");
    }
}

fn endpoint(reply: &[(&str, &str)]) -> Settings {
    let plain = Settings::of([("path", "/fulfil")]);
    let mut entries = plain.entries().expect("a map").to_vec();
    entries.push(Entry {
        key: "reply".into(),
        place: plain.place.clone(),
        value: Settings::of(reply.iter().copied()),
    });
    Settings::map(plain.place, entries)
}

fn ask(id: &str) -> Vec<u8> {
    let headers = format!(
        "host: a\r\nauthorization: Bearer a-token\r\nce-id: {id}\r\nce-source: bot\r\n\
         content-type: application/json\r\n"
    );
    post("/fulfil", &headers, BODY)
}

#[tokio::test]
async fn each_caller_hears_its_own_answer() {
    // given: all wait before one is answered
    let (bot, peer, _run) = Bot::new(Does::Echo, 0, &[("fallback", FALLBACK), ("within", "25s")]).await;
    let mut callers = JoinSet::new();
    for at in 0..50 {
        let mut stream = peer.connect().await;
        callers.spawn(async move {
            stream.write_all(&ask(&at.to_string())).await.expect("it listens");
            (at, read(&mut stream).await)
        });
    }
    bot.is_asked(50).await;
    // when
    bot.open.add_permits(50);
    // then
    while let Some(told) = callers.join_next().await {
        let (at, reply) = told.expect("it does not panic");
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("application/json"))
        );
        assert_eq!(reply.body, format!(r#"{{"fulfillmentText":"bot {at}"}}"#));
    }
    let report = peer.system.test().await.expect("it listens");
    assert!(
        report.ends_with("answered: 50 in time, 0 with the fallback"),
        "{report}"
    );
}

#[tokio::test]
async fn without_an_answer_in_time_the_fallback_is_200_and_what_comes_late_is_dropped() {
    // given
    let reply = [
        ("fallback", FALLBACK),
        ("within", "300ms"),
        ("status", "202"),
        ("content_type", "application/json; charset=utf-8"),
    ];
    let (bot, peer, _run) = Bot::new(Does::Echo, 0, &reply).await;
    // when
    let begun = Instant::now();
    let told = peer.send(ask("1")).await;
    // then
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(3));
    assert_eq!((told.status, told.body.as_str()), (202, FALLBACK));
    assert_eq!(
        told.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    // when its answer comes, and the next caller asks
    bot.open.add_permits(1);
    let told = peer.send(ask("2")).await;
    // then that one's is not taken for this one's
    assert_eq!(told.body, r#"{"fulfillmentText":"bot 2"}"#);
    let asked = bot.asked.borrow().clone();
    assert!(
        asked
            .iter()
            .all(|(_, deadline)| *deadline <= Duration::from_millis(300))
    );
    let report = peer.system.test().await.expect("it listens");
    assert!(
        report.ends_with("answered: 1 in time, 1 with the fallback"),
        "{report}"
    );
}

#[tokio::test]
async fn an_answer_larger_than_the_caller_takes_is_the_fallback() {
    for (bytes, is_told) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let (_bot, peer, _run) = Bot::new(Does::Bytes(bytes), 1, &[("fallback", FALLBACK)]).await;
        let told = peer.send(ask("1")).await;
        assert_eq!((told.status, told.body != FALLBACK), (200, is_told), "{bytes}");
    }
}

#[tokio::test]
async fn a_request_that_nobody_answers_has_the_fallback_at_once() {
    for remedy in [Remedy::Wait, Remedy::DeadLetter, Remedy::Retry] {
        let (_bot, peer, run) = Bot::new(Does::Fault(remedy), 1, &[("fallback", FALLBACK)]).await;
        let told = peer.send(ask("1")).await;
        assert_eq!((told.status, told.body.as_str()), (200, FALLBACK), "{remedy:?}");
        assert!(!run.is_finished());
    }
}

#[tokio::test]
async fn a_flow_that_asks_nobody_stops_and_says_so() {
    // given
    let (_bot, peer, run) = Bot::new(Does::Fault(Remedy::Stop), 2, &[("fallback", FALLBACK)]).await;
    // when
    let told = peer.send(ask("1")).await;
    // then
    assert_eq!((told.status, told.body.as_str()), (200, FALLBACK));
    let ended = timeout(Duration::from_secs(30), run).await.expect("it ends");
    let fault = ended.expect("it does not panic").expect_err("it is a fault");
    assert_eq!(fault.remedy, Remedy::Stop);
    assert_eq!(peer.send(ask("2")).await.status, 503);
}

#[tokio::test]
async fn who_is_not_known_or_brings_more_than_one_event_is_told_so_and_asks_nothing() {
    // given
    let (bot, peer, _run) = Bot::new(Does::Echo, 9, &[("fallback", FALLBACK)]).await;
    let batch = "authorization: Bearer a-token\r\ncontent-type: application/cloudevents-batch+json\r\n";
    let event = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    for (request, status) in [
        (post("/fulfil", "authorization: Bearer another\r\n", BODY), 401),
        (post("/fulfil", "", BODY), 400),
        (post("/fulfil", batch, format!("[{event},{event}]")), 400),
        (post("/fulfil", batch, "[]"), 200),
    ] {
        // when
        let told = peer.send(request).await;
        // then
        assert_eq!(told.status, status, "{}", told.body);
    }
    assert!(bot.asked.borrow().is_empty());
    assert_eq!(
        peer.send(post("/fulfil", batch, format!("[{event}]")))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn stopping_tells_who_waits_the_answer_first() {
    // given
    let (bot, peer, run) = Bot::new(Does::Echo, 0, &[("fallback", FALLBACK), ("within", "25s")]).await;
    let mut waiting = peer.connect().await;
    waiting.write_all(&ask("1")).await.expect("it listens");
    bot.is_asked(1).await;
    // when
    bot.stopping.send_replace(true);
    peer.send_until(503, ask("2")).await;
    assert!(!run.is_finished());
    bot.open.add_permits(1);
    // then
    assert_eq!(read(&mut waiting).await.body, r#"{"fulfillmentText":"bot 1"}"#);
    let ended = timeout(Duration::from_secs(30), run).await.expect("it ends");
    ended.expect("it does not panic").expect("stopping is no fault");
}

#[tokio::test]
async fn a_reply_that_cannot_be_is_told_by_check_and_stops() {
    // given
    let wrong = endpoint(&[("fallback", "{x"), ("within", "1m")]);
    let system = settings(&[], "xero", &["hush"]);
    // when
    let problems = Webhook::new().check(&system, &[Endpoint::Source { settings: &wrong }]);
    // then
    let told: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    let peer = Peer::open(&system, Limits::default()).await;
    let fault = peer.system.source(&wrong).await.err().expect("it cannot be");
    assert_eq!(fault.remedy, Remedy::Stop);
}

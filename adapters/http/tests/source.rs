//! How a source asks, what it makes of the answers, and how it bears a system that is away or talks nonsense.

mod peer;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use peer::{Asked, Peer, Say, TOKEN, answer, answer_with, blurt, map, open};
use tokio::task::JoinHandle;
use trunkline_sdk::{Body, Fault, Record, Remedy, contract::Desk};

type Ended = JoinHandle<Result<(), Fault>>;

/// Reads with these settings beside `path`, `id` and `every`.
async fn read(peer: &Peer, desk: &Desk, settings: &[(&str, &str)]) -> Ended {
    let system = peer.system(&[("bearer", TOKEN), ("timeout", "1s")]).await;
    let endpoint = map(
        &[("path", "/orders?limit=2"), ("id", "id"), ("every", "100ms")],
        settings,
    );
    let mut source = system.source(&endpoint).await.expect("it opens");
    let outlet = desk.outlet();
    tokio::spawn(async move { source.run(outlet, None).await })
}

/// The fault that a source ends with.
async fn fault(ended: Ended) -> Fault {
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("it ends")
        .expect("no panic")
        .expect_err("a fault")
}

fn text(record: &Record) -> String {
    match &record.body {
        Body::Bytes { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
        Body::Value(_) => panic!("bytes"),
    }
}

fn targets(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| asked.target.clone()).collect()
}

/// What is asked, and what is answered.
type Pages = &'static [(&'static str, Say)];

/// Answers these pages by what stands in the target, and nothing new after them.
fn pages(peer: &Peer, pages: Pages) {
    peer.rule(move |asked| {
        let range = asked
            .headers
            .get("range")
            .map(|range| range.to_str().expect("text"));
        let asked = range.unwrap_or(&asked.target);
        let page = pages.iter().find(|(target, _)| *target == asked);
        Some(page.unwrap_or_else(|| panic!("asked for {asked}")).1.clone())
    });
}

fn json(body: &'static str) -> Say {
    answer(200, body)
}

#[tokio::test]
async fn six_ways_lead_from_one_page_to_the_next() {
    let leak = |pages: Vec<(&'static str, Say)>| -> Pages { Vec::leak(pages) };
    let one_two = r#"[{"id":1},{"id":2}]"#;
    let three = r#"[{"id":3}]"#;
    let cases: [(&[(&str, &str)], Pages); 8] = [
        (
            &[("page.by", "number"), ("page.parameter", "p")],
            leak(vec![
                ("/orders?limit=2&p=1", json(one_two)),
                ("/orders?limit=2&p=2", json(three)),
                ("/orders?limit=2&p=3", json("[]")),
            ]),
        ),
        (
            &[("page.by", "number"), ("page.first", "0"), ("page.size", "2")],
            leak(vec![
                ("/orders?limit=2&page=0", json(one_two)),
                ("/orders?limit=2&page=1", json(three)),
            ]),
        ),
        (
            &[("page.by", "offset"), ("page.parameter", "skip")],
            leak(vec![
                ("/orders?limit=2&skip=0", json(one_two)),
                ("/orders?limit=2&skip=2", json(three)),
                ("/orders?limit=2&skip=3", json("[]")),
            ]),
        ),
        (
            &[
                ("page.by", "cursor"),
                ("page.parameter", "after"),
                ("page.at", "paging.next.after"),
                ("records", "results"),
            ],
            leak(vec![
                (
                    "/orders?limit=2",
                    json(r#"{"results":[{"id":1},{"id":2}],"paging":{"next":{"after":"a/b="}}}"#),
                ),
                (
                    "/orders?limit=2&after=a%2Fb%3D",
                    json(r#"{"results":[{"id":3}]}"#),
                ),
            ]),
        ),
        (
            &[("page.by", "next"), ("page.at", "next"), ("records", "results")],
            leak(vec![
                (
                    "/orders?limit=2",
                    json(r#"{"results":[{"id":1},{"id":2}],"next":"/more?x=1"}"#),
                ),
                ("/more?x=1", json(r#"{"results":[{"id":3}],"next":null}"#)),
            ]),
        ),
        (
            &[("page.by", "link")],
            leak(vec![
                (
                    "/orders?limit=2",
                    answer_with(
                        200,
                        &[("link", r#"<?limit=2&page=2>; rel="next", </>; rel="last""#)],
                        one_two,
                    ),
                ),
                ("/orders?limit=2&page=2", json(three)),
            ]),
        ),
        (
            &[("page.by", "range"), ("page.size", "2")],
            leak(vec![
                (
                    "records=0-1",
                    answer_with(206, &[("content-range", "records 0-1/3")], one_two),
                ),
                (
                    "records=2-3",
                    answer_with(206, &[("content-range", "records 2-2/3")], three),
                ),
            ]),
        ),
        (
            &[
                ("page.by", "range"),
                ("page.size", "2"),
                ("page.parameter", "items"),
            ],
            leak(vec![
                (
                    "items=0-1",
                    answer_with(206, &[("content-range", "items 0-1/*")], one_two),
                ),
                (
                    "items=2-3",
                    answer_with(206, &[("content-range", "items 2-2/*")], three),
                ),
                ("items=3-4", answer(416, "out of range")),
            ]),
        ),
    ];
    for (settings, answers) in cases {
        // given
        let peer = Peer::start().await;
        let desk = Desk::default();
        pages(&peer, answers);
        // when
        let ended = read(&peer, &desk, settings).await;
        let records = desk.wait_for(3).await;
        let asked = peer.wait_for(answers.len() + 1).await;
        desk.stop();
        // then
        ended.await.expect("no panic").expect("it was stopped");
        let bodies: Vec<_> = records.iter().map(text).collect();
        assert_eq!(
            bodies,
            [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#],
            "{settings:?}"
        );
        assert!(
            asked
                .iter()
                .all(|asked| asked.headers["authorization"] == format!("Bearer {TOKEN}"))
        );
        assert_eq!(desk.accepted().len(), 3, "{settings:?}: {:?}", targets(&asked));
    }
}

#[tokio::test]
async fn only_what_has_changed_is_asked_for_with_what_may_have_come_late() {
    // given
    let peer = Peer::start().await;
    let desk = Desk::default();
    peer.next([
        json(r#"[{"id":1,"at":"2026-07-01T10:00:00Z"},{"id":2,"at":"2026-07-01T10:05:00Z"}]"#),
        // 1 came late, 2 is known, 3 is there in a second version.
        json(r#"[{"id":0,"at":"2026-07-01T10:04:30Z"},{"id":2,"at":"2026-07-01T10:05:00Z"},{"id":1,"at":"2026-07-01T10:05:00Z"}]"#),
    ]);
    peer.rule(|_| Some(json("[]")));
    // when
    let cursor = [
        ("cursor.field", "at"),
        ("cursor.parameter", "since"),
        ("cursor.overlap", "1m"),
        ("cursor.start", "2026-01-01T00:00:00Z"),
    ];
    let _ended = read(&peer, &desk, &cursor).await;
    let records = desk.wait_for(4).await;
    let asked = peer.wait_for(3).await;
    desk.stop();
    // then
    let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "1@2026-07-01T10:00:00Z",
            "2@2026-07-01T10:05:00Z",
            "0@2026-07-01T10:04:30Z",
            "1@2026-07-01T10:05:00Z"
        ]
    );
    assert_eq!(
        targets(&asked)[..3],
        [
            "/orders?limit=2&since=2026-01-01T00%3A00%3A00Z",
            "/orders?limit=2&since=2026-07-01T10%3A04%3A00Z",
            "/orders?limit=2&since=2026-07-01T10%3A04%3A00Z",
        ]
    );
    assert_eq!(records[0].key.as_deref(), Some("1"));
    assert_eq!(records[0].subject.as_deref(), Some("/orders"));
    assert!(records[0].time.is_some());
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_loses_nothing() {
    // given orders by time of change, two on a page; while page 1 is read, order 1 is changed
    let peer = Peer::start().await;
    let desk = Desk::default();
    let orders = Arc::new(Mutex::new(vec![(1, 10), (2, 20), (3, 30), (4, 40)]));
    let changes = AtomicUsize::new(0);
    peer.rule(move |asked| {
        let parameter = |name: &str| -> usize {
            let from = asked
                .target
                .split_once(&format!("{name}="))
                .map_or("0", |(_, rest)| rest);
            from.split('&')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
        };
        let mut orders = orders.lock().expect("no panic");
        let page: Vec<_> = orders
            .iter()
            .filter(|(_, at)| *at >= parameter("since"))
            .skip(parameter("skip"))
            .take(2)
            .map(|(id, at)| format!(r#"{{"id":{id},"at":{at}}}"#))
            .collect();
        if changes.fetch_add(1, Ordering::SeqCst) == 0 {
            orders.remove(0);
            orders.push((1, 50));
        }
        Some(answer(200, &format!("[{}]", page.join(","))))
    });
    // when
    let cursor = [
        ("cursor.field", "at"),
        ("cursor.parameter", "since"),
        ("page.by", "offset"),
        ("page.parameter", "skip"),
    ];
    let _ended = read(&peer, &desk, &cursor).await;
    let records = desk.wait_for(5).await;
    // then
    let mut ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, ["1@10", "1@50", "2@20", "3@30", "4@40"]);
    desk.stop();
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_over_the_wire_again() {
    for (name, value, conditional) in [
        ("etag", "W/\"7\"", "if-none-match"),
        (
            "last-modified",
            "Wed, 25 Nov 2026 18:00:00 GMT",
            "if-modified-since",
        ),
    ] {
        // given
        let peer = Peer::start().await;
        let desk = Desk::default();
        peer.rule(move |asked| {
            let is_known = asked.headers.get(conditional).is_some_and(|known| known == value);
            let headers = [(name, value), ("date", "Wed, 25 Nov 2026 19:00:00 GMT")];
            Some(answer_with(
                if is_known { 304 } else { 200 },
                &headers,
                if is_known { "" } else { r#"[{"id":1}]"# },
            ))
        });
        // when
        let _ended = read(&peer, &desk, &[]).await;
        let asked = peer.wait_for(4).await;
        desk.stop();
        // then
        assert_eq!(desk.accepted().len(), 1);
        assert!(asked[0].headers.get(conditional).is_none());
        assert!(
            asked[1..]
                .iter()
                .all(|asked| asked.headers.contains_key(conditional)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_record_without_its_id_is_sent_to_a_person() {
    let peer = Peer::start().await;
    let desk = Desk::default();
    peer.rule(|_| Some(json(r#"[{"id":1},{"name":"nameless"},{"id":null},3]"#)));
    let _ended = read(&peer, &desk, &[]).await;
    let records = desk.wait_for(4).await;
    desk.stop();
    let unreadable: Vec<_> = records.iter().map(|record| record.unreadable.is_some()).collect();
    assert_eq!(unreadable, [false, true, true, true]);
}

#[tokio::test]
async fn a_system_that_asks_for_patience_in_the_middle_gets_it_and_nothing_is_read_twice() {
    // given
    let peer = Peer::start().await;
    let desk = Desk::default();
    peer.next([
        json(r#"[{"id":1}]"#),
        answer_with(429, &[("retry-after", "1")], ""),
        json(r#"[{"id":2}]"#),
    ]);
    peer.rule(|_| Some(json("[]")));
    // when
    let _ended = read(&peer, &desk, &[("page.by", "number")]).await;
    desk.wait_for(2).await;
    desk.stop();
    // then
    let asked = peer.asked();
    assert_eq!(
        targets(&asked)[..3],
        [
            "/orders?limit=2&page=1",
            "/orders?limit=2&page=2",
            "/orders?limit=2&page=2"
        ]
    );
    assert!(asked[2].at - asked[1].at >= Duration::from_millis(990));
}

#[tokio::test]
async fn a_system_that_is_away_or_talks_nonsense_is_told_clearly_and_asked_less_than_once_a_second() {
    for (say, what) in [
        (Some(Say::Close), "closed the connection"),
        (Some(Say::Hang), "has not answered within"),
        (Some(json("<html>busy</html>")), "is not JSON"),
        (Some(answer(500, "")), "answered 500"),
        (Some(answer(503, "")), "answered 503"),
        (None, "refuses connections"),
    ] {
        // given
        let mut peer = Peer::start().await;
        match &say {
            Some(say) => {
                let say = say.clone();
                peer.rule(move |_| Some(say.clone()));
            }
            None => peer.leave().await,
        }
        let system = peer.system(&[("timeout", "200ms")]).await;
        let endpoint = map(&[("path", "/orders"), ("id", "id"), ("every", "100ms")], &[]);
        let mut pauses = Duration::ZERO;
        for _ in 0..3 {
            // when
            let mut source = system.source(&endpoint).await.expect("it opens");
            let outlet = Desk::default().outlet();
            let fault = source.run(outlet, None).await.expect_err("it is away");
            // then
            assert_eq!(fault.remedy, Remedy::Reopen, "{fault}");
            assert!(fault.what.contains(what), "{fault}");
            let pause = fault.retry_after.expect("a pause");
            assert!(pause > Duration::from_secs(1) && pause > pauses, "{pause:?}");
            pauses = pause;
        }
        assert!(peer.asked().len() <= 3);
    }
}

#[tokio::test]
async fn what_only_a_person_can_mend_stops_the_flow() {
    let elsewhere = r#"{"next":"https://evil.example/x","items":[{"id":1}]}"#;
    let circle = r#"{"next":"/orders?a=1","items":[{"id":1}]}"#;
    let (items, next) = (
        ("records", "items"),
        [("page.by", "next"), ("page.at", "next"), ("records", "items")],
    );
    let at = [("cursor.field", "at"), ("cursor.parameter", "since")];
    for (say, settings, what) in [
        (answer(401, TOKEN), &[] as &[(&str, &str)], "answered 401"),
        (answer(404, ""), &[], "answered 404"),
        (json(r#"{"other":[]}"#), &[items], "no list of records at items"),
        (json("17"), &[], "no list of records"),
        (json(elsewhere), &next, "another host"),
        (json(circle), &next, "in a circle"),
        (json(r#"[{"id":1}]"#), &[("page.by", "number")], "are the same"),
        (
            json(r#"[{"id":1,"at":"soon"}]"#),
            &at,
            "neither a time nor a whole number",
        ),
        (
            json(r#"[{"id":1,"at":1},{"id":2,"at":"2026-07-01T10:00:00Z"}]"#),
            &at,
            "a time in some records",
        ),
        (
            answer_with(302, &[("location", "https://evil.example/")], ""),
            &[],
            "another host",
        ),
    ] {
        // given
        let peer = Peer::start().await;
        let desk = Desk::default();
        peer.rule(move |_| Some(say.clone()));
        // when
        let fault = fault(read(&peer, &desk, settings).await).await;
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
        assert!(fault.what.contains(what), "{fault}");
        assert!(!format!("{fault:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_or_too_large_is_told_and_nothing_of_it_is_sent() {
    for (bytes, what) in [
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{\"id\":1}]" as &[u8],
            "was cut off",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n[{\"id\":1}]",
            "larger than `max_answer`",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
            "is compressed",
        ),
    ] {
        let url = format!("http://{}", blurt(bytes).await);
        let limits = [
            ("base_url", url.as_str()),
            ("allow_private", "true"),
            ("max_answer", "4KiB"),
            ("timeout", "2s"),
        ];
        let system = open(&map(&limits, &[])).await.expect("it opens");
        let endpoint = map(&[("path", "/orders"), ("id", "id")], &[]);
        let mut source = system.source(&endpoint).await.expect("it opens");
        let desk = Desk::default();
        let began = Instant::now();
        let fault = source.run(desk.outlet(), None).await.expect_err("it is broken");
        assert!(fault.what.contains(what), "{fault}");
        assert!(desk.accepted().is_empty() && began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_query_is_asked_with_cursor_and_page_as_its_variables() {
    // given
    let peer = Peer::start().await;
    let desk = Desk::default();
    peer.next([
        json(r#"{"data":{"orders":{"nodes":[{"id":"a","at":"2026-07-01T10:00:00Z"}],"pageInfo":{"endCursor":"c1"}}}}"#),
        json(r#"{"data":{"orders":{"nodes":[{"id":"b","at":"2026-07-01T10:00:00Z"}],"pageInfo":{"endCursor":"c2"}}}}"#),
        json(r#"{"data":{"orders":{"nodes":[],"pageInfo":{"endCursor":null}}}}"#),
    ]);
    peer.rule(|_| {
        Some(json(
            r#"{"errors":[{"message":"no","extensions":{"code":"BAD_FIELD"}}]}"#,
        ))
    });
    // when
    let ended = read(
        &peer,
        &desk,
        &[
            ("graphql", "query Orders($since: DateTime, $after: String) { orders(first: 1, after: $after, since: $since) { nodes { id at } } }"),
            ("records", "data.orders.nodes"),
            ("cursor.field", "at"),
            ("cursor.parameter", "since"),
            ("cursor.start", "2026-01-01T00:00:00Z"),
            ("page.by", "cursor"),
            ("page.parameter", "after"),
            ("page.at", "data.orders.pageInfo.endCursor"),
        ],
    )
    .await;
    desk.wait_for(2).await;
    let fault = fault(ended).await;
    // then
    assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
    assert!(fault.what.contains("BAD_FIELD"), "{fault}");
    let bodies: Vec<_> = peer.asked().into_iter().map(|asked| asked.body).collect();
    assert!(
        bodies[0].ends_with(r#""variables":{"since":"2026-01-01T00:00:00Z"}}"#),
        "{}",
        bodies[0]
    );
    assert!(
        bodies[1].ends_with(r#""variables":{"since":"2026-01-01T00:00:00Z","after":"c1"}}"#),
        "{}",
        bodies[1]
    );
}

//! What a sink makes of what a system answers, and of what it does not.

mod peer;

use std::time::{Duration, Instant};

use peer::{Peer, Say, TOKEN, answer, answer_with, blurt, fault, message, open, told};
use trunkline_sdk::{Body, Outcome, Remedy, Settings, Sink};

const ORDER: &str = r#"{"id":"A-1","customer":{"id":7},"lines":[{"sku":"x"}]}"#;

async fn sink(peer: &Peer, system: &[(&str, &str)], endpoint: &[(&str, &str)]) -> Box<dyn Sink> {
    let system = peer.system(system).await;
    system
        .sink("orders", &peer::map(endpoint, &[]))
        .await
        .expect("it opens")
}

async fn write(sink: &dyn Sink, json: &str) -> Outcome {
    sink.write(&[message("m-1", json)]).await.remove(0)
}

#[tokio::test]
async fn a_request_is_what_the_settings_and_the_message_make_of_it() {
    // given
    let peer = Peer::start().await;
    peer.next([answer(201, r#"{"tracking":"T1"}"#)]);
    let system = peer
        .system(&[
            ("base_url", &format!("{}/v1/", peer.url())),
            ("headers.X-Api-Version", "2"),
            ("basic.user", "u"),
            ("basic.password", "p"),
        ])
        .await;
    let endpoint = peer::map(
        &[
            ("path", "/customers/{customer.id}/orders/{id}?dry={$key}"),
            ("method", "PUT"),
            ("headers.X-Order", "{id}"),
            ("headers.Content-Type", "application/vnd.x+json"),
            ("body", "lines"),
            ("idempotency_key", "X-Request-Id"),
        ],
        &[],
    );
    let sink = system.sink("orders", &endpoint).await.expect("it opens");
    // when
    let outcome = write(&*sink, ORDER).await;
    // then
    let Outcome::Applied(Some(reply)) = outcome else {
        panic!("{outcome:?}")
    };
    let Body::Bytes { content_type, bytes } = reply.body else {
        panic!("bytes")
    };
    assert_eq!(
        (content_type.as_str(), &bytes[..]),
        ("application/json", br#"{"tracking":"T1"}"# as &[u8])
    );
    let asked = peer.asked().remove(0);
    let header = |name: &str| {
        asked
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let key = header("x-request-id");
    assert_eq!(key.len(), 36);
    assert_eq!(asked.method, "PUT");
    assert_eq!(asked.target, format!("/v1/customers/7/orders/A-1?dry={key}"));
    assert_eq!(asked.body, r#"[{"sku":"x"}]"#);
    assert_eq!(header("x-api-version"), "2");
    assert_eq!(header("x-order"), "A-1");
    assert_eq!(header("content-type"), "application/vnd.x+json");
    assert_eq!(header("authorization"), "Basic dTpw");
    assert_eq!(header("host"), peer.address.to_string());
}

#[tokio::test]
async fn a_repeat_carries_the_key_of_the_first_time_and_another_flow_another() {
    // given
    let peer = Peer::start().await;
    peer.rule(|_| Some(answer(200, "")));
    let system = peer.system(&[]).await;
    let endpoint = peer::map(
        &[("path", "/orders"), ("idempotency_key", "Idempotency-Key")],
        &[],
    );
    // when
    for (flow, id) in [("a", "m-1"), ("a", "m-1"), ("b", "m-1"), ("a", "m-2")] {
        let sink = system.sink(flow, &endpoint).await.expect("it opens");
        assert!(matches!(
            sink.write(&[message(id, ORDER)]).await[..],
            [Outcome::Applied(None)]
        ));
    }
    // then
    let keys: Vec<_> = peer
        .asked()
        .iter()
        .map(|asked| asked.headers["idempotency-key"].clone())
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0] != keys[2] && keys[0] != keys[3] && keys[2] != keys[3]);
}

#[tokio::test]
async fn every_status_has_its_remedy() {
    let cases = [
        (200, "applied"),
        (202, "applied"),
        (204, "applied"),
        (400, "rejected: DeadLetter"),
        (401, "rejected: Stop"),
        (403, "rejected: Stop"),
        (404, "rejected: DeadLetter"),
        (408, "rejected: Retry"),
        (409, "rejected: DeadLetter"),
        (410, "repeat"),
        (422, "rejected: DeadLetter"),
        (429, "not tried: Wait"),
        (500, "rejected: Retry"),
        (502, "in doubt: Retry"),
        (503, "rejected: Retry"),
        (504, "in doubt: Retry"),
        (301, "not tried: Stop"),
        (304, "rejected: DeadLetter"),
    ];
    for (status, expected) in cases {
        // given
        let peer = Peer::start().await;
        let sink = sink(&peer, &[], &[("path", "/orders"), ("already_there", "410")]).await;
        peer.next([answer(status, "")]);
        // when
        let outcome = write(&*sink, ORDER).await;
        // then
        assert_eq!(told(&outcome), expected, "{status}");
    }
    // Where a repeat is harmless nothing is in doubt.
    for (status, expected) in [
        (409, "rejected: Retry"),
        (502, "rejected: Retry"),
        (504, "rejected: Retry"),
    ] {
        let peer = Peer::start().await;
        let sink = sink(&peer, &[], &[("path", "/orders"), ("idempotent", "true")]).await;
        peer.next([answer(status, "")]);
        assert_eq!(told(&write(&*sink, ORDER).await), expected, "{status}");
    }
}

#[tokio::test]
async fn a_system_that_asks_for_patience_is_left_alone_by_all_its_flows() {
    // given
    let peer = Peer::start().await;
    let system = peer.system(&[]).await;
    let endpoint = peer::map(&[("path", "/orders"), ("idempotency_key", "K")], &[]);
    let (one, other) = (
        system.sink("one", &endpoint).await.expect("it opens"),
        system.sink("other", &endpoint).await.expect("it opens"),
    );
    for (status, after, least, most) in [(503, "2", 1, 2), (429, "Wed, 25 Nov 2026 19:00:40 GMT", 38, 40)] {
        let said = answer_with(
            status,
            &[("retry-after", after), ("date", "Wed, 25 Nov 2026 19:00:00 GMT")],
            "",
        );
        peer.rule(move |_| Some(said.clone()));
        let before = peer.asked().len();
        // when
        let batch: Vec<_> = (0..10)
            .map(|number| message(&format!("m-{number}"), ORDER))
            .collect();
        let mut outcomes = one.write(&batch).await;
        outcomes.extend(other.write(&batch).await);
        // then
        assert!(peer.asked().len() - before <= 4, "only what was on its way");
        for outcome in &outcomes {
            let told = fault(outcome);
            assert_eq!(told.remedy, Remedy::Wait, "{outcome:?}");
            let after = told.retry_after.expect("told").as_secs();
            assert!((least..=most).contains(&after), "{after}");
        }
        if status == 503 {
            // when it has passed
            tokio::time::sleep(Duration::from_secs(2)).await;
            peer.next([answer(200, "")]);
            assert_eq!(told(&write(&*other, ORDER).await), "applied");
        }
    }
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_for_all_who_need_it() {
    // given a server whose first token has just been taken back
    let peer = Peer::start().await;
    let fetched = std::sync::atomic::AtomicUsize::new(0);
    peer.rule(move |asked| {
        if asked.target == "/token" {
            let number = fetched.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            return Some(answer(
                200,
                &format!(r#"{{"access_token":"{TOKEN}-{number}","expires_in":3600,"token_type":"bearer"}}"#),
            ));
        }
        let is_right = asked.headers["authorization"] == format!("Bearer {TOKEN}-2");
        Some(answer(if is_right { 200 } else { 401 }, ""))
    });
    let token_url = format!("{}/token", peer.url());
    let oauth = [
        ("oauth2.token_url", token_url.as_str()),
        ("oauth2.client_id", "me:1"),
        ("oauth2.client_secret", "s3cret&"),
        ("oauth2.scope", "orders write"),
    ];
    let sink = sink(&peer, &oauth, &[("path", "/orders"), ("idempotent", "true")]).await;
    // when eight ask at once
    let batch: Vec<_> = (0..8)
        .map(|number| message(&format!("m-{number}"), ORDER))
        .collect();
    let outcomes = sink.write(&batch).await;
    // then
    assert!(
        outcomes.iter().all(|outcome| told(outcome) == "applied"),
        "{outcomes:?}"
    );
    let asked = peer.asked();
    let tokens: Vec<_> = asked.iter().filter(|asked| asked.target == "/token").collect();
    assert_eq!(tokens.len(), 2, "one at first, one when that was refused");
    assert_eq!(
        tokens[0].body,
        "grant_type=client_credentials&scope=orders%20write"
    );
    // RFC 6749 section 2.3.1: `me%3A1` and `s3cret%26`.
    assert_eq!(
        tokens[0].headers["authorization"],
        "Basic bWUlM0ExOnMzY3JldCUyNg=="
    );
}

#[tokio::test]
async fn a_token_that_goes_on_being_refused_stops_the_flow_and_shows_nothing() {
    // given
    let peer = Peer::start().await;
    peer.rule(|asked| {
        Some(match asked.target.as_str() {
            "/token" => answer(
                200,
                &format!(r#"{{"access_token":"{TOKEN}","refresh_token":"r3fresh-2"}}"#),
            ),
            "/no-token" => answer(400, &format!(r#"{{"error":"invalid_grant","x":"{TOKEN}"}}"#)),
            _ => answer(401, TOKEN),
        })
    });
    for (path, requests, expected) in [
        ("/token", 4, "rejected: Stop"),
        ("/no-token", 1, "not tried: Stop"),
    ] {
        let before = peer.asked().len();
        let token_url = format!("{}{path}", peer.url());
        let oauth = [
            ("oauth2.token_url", token_url.as_str()),
            ("oauth2.client_id", "me"),
            ("oauth2.client_secret", "s3cret"),
            ("oauth2.refresh_token", "r3fresh-1"),
            ("oauth2.client_auth", "body"),
            ("concurrency", "1"),
        ];
        let sink = sink(&peer, &oauth, &[("path", "/orders"), ("idempotent", "true")]).await;
        // when
        let batch: Vec<_> = (0..8)
            .map(|number| message(&format!("m-{number}"), ORDER))
            .collect();
        let outcomes = sink.write(&batch).await;
        // then
        assert_eq!(told(&outcomes[0]), expected);
        assert_eq!(told(&outcomes[7]), "not tried: Stop");
        let asked = peer.asked().split_off(before);
        assert_eq!(asked.len(), requests, "nobody knocks again and again");
        assert_eq!(
            asked[0].body,
            "grant_type=refresh_token&refresh_token=r3fresh-1&client_id=me&client_secret=s3cret"
        );
        if let Some(second) = asked.get(2) {
            assert!(
                second.body.contains("refresh_token=r3fresh-2"),
                "the one that took its place: {}",
                second.body
            );
        }
        let shown = format!("{outcomes:?}");
        assert!(
            ![TOKEN, "s3cret", "r3fresh"]
                .iter()
                .any(|secret| shown.contains(secret)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_with_the_whole_request_or_not_at_all() {
    let other = Peer::start().await;
    other.rule(|_| Some(answer(200, "")));
    let elsewhere = format!("{}/x", other.url());
    for (status, location, expected, asked) in [
        (307, "/v2/orders", "applied", 2),
        (308, "/v2/orders", "applied", 2),
        (301, "/v2/orders", "not tried: Stop", 1),
        (302, "/v2/orders", "not tried: Stop", 1),
        (303, "/v2/orders", "not tried: Stop", 1),
        (307, elsewhere.as_str(), "not tried: Stop", 1),
        (
            308,
            "http://169.254.169.254/latest/meta-data",
            "not tried: Stop",
            1,
        ),
        (307, "//evil.example/x", "not tried: Stop", 1),
        (307, "", "applied", 2),
        (307, "file:///etc/passwd", "not tried: Stop", 1),
    ] {
        // given
        let peer = Peer::start().await;
        peer.next([
            answer_with(status, &[("location", location)], ""),
            answer(201, ""),
        ]);
        let sink = sink(&peer, &[("bearer", TOKEN)], &[("path", "/orders")]).await;
        // when
        let outcome = write(&*sink, ORDER).await;
        // then
        assert_eq!(told(&outcome), expected, "{status} {location}");
        let requests = peer.asked();
        assert_eq!(requests.len(), asked, "{status} {location}");
        let last = requests.last().expect("one");
        assert_eq!((last.method.as_str(), last.body.as_str()), ("POST", ORDER));
    }
    assert!(other.asked().is_empty(), "another host was asked");
    // given one that leads in a circle
    let peer = Peer::start().await;
    peer.rule(|_| Some(answer_with(307, &[("location", "/orders")], "")));
    let sink = sink(&peer, &[], &[("path", "/orders")]).await;
    assert_eq!(told(&write(&*sink, ORDER).await), "not tried: Stop");
    assert_eq!(peer.asked().len(), 6);
}

#[tokio::test]
async fn a_private_address_is_not_asked_whatever_name_leads_there() {
    // given
    let peer = Peer::start().await;
    let port = peer.address.port();
    for host in [
        "127.1",
        "0x7f000001",
        "2130706433",
        "localhost.",
        "[::ffff:127.0.0.1]",
        "[::1]",
    ] {
        let url = format!("http://{host}:{port}");
        let Ok(system) = open(&peer::map(&[("base_url", &url), ("timeout", "5s")], &[])).await else {
            // It can be seen in the settings.
            assert!(host.starts_with('['), "{host}");
            continue;
        };
        let sink = system
            .sink("orders", &Settings::of([("path", "/orders")]))
            .await
            .expect("it opens");
        // when
        let outcome = write(&*sink, ORDER).await;
        // then
        assert!(
            !matches!(outcome, Outcome::Applied(_) | Outcome::InDoubt(_)),
            "{host}: {outcome:?}"
        );
        let said = fault(&outcome).to_string();
        assert!(
            said.contains("private address") || said.contains("does not resolve"),
            "{host}: {said}"
        );
    }
    assert!(peer.asked().is_empty());
}

#[tokio::test]
async fn where_an_answer_is_lost_a_repeatable_request_comes_again_and_another_is_in_doubt() {
    for (say, what) in [(Say::Close, "closed"), (Say::Hang, "has not answered within")] {
        for (repeatable, expected) in [("true", "not tried: Retry"), ("false", "in doubt: Retry")] {
            // given
            let peer = Peer::start().await;
            peer.next([say.clone()]);
            let sink = sink(
                &peer,
                &[("timeout", "300ms")],
                &[("path", "/orders"), ("idempotent", repeatable)],
            )
            .await;
            // when
            let outcome = write(&*sink, ORDER).await;
            // then
            assert_eq!(told(&outcome), expected, "{say:?}");
            assert!(fault(&outcome).what.contains(what), "{outcome:?}");
            assert_eq!(peer.asked().len(), 1);
        }
    }
}

#[tokio::test]
async fn what_is_no_http_or_ends_in_the_middle_is_a_clear_fault() {
    for (bytes, expected) in [
        (b"\x16\x03\x01garbage\r\n\r\n" as &[u8], "in doubt: Retry"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "in doubt: Retry"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "in doubt: Retry"),
        (b"", "in doubt: Retry"),
        // It has said that it is done.
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":",
            "applied",
        ),
        (
            b"HTTP/1.1 422 No\r\ncontent-length: 100\r\n\r\n{\"id\":",
            "rejected: DeadLetter",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
            "applied",
        ),
    ] {
        // given
        let address = blurt(bytes).await;
        let url = format!("http://{address}");
        let system = open(&peer::map(
            &[("base_url", &url), ("allow_private", "true"), ("timeout", "5s")],
            &[],
        ))
        .await
        .expect("it opens");
        let sink = system
            .sink("orders", &Settings::of([("path", "/orders")]))
            .await
            .expect("it opens");
        // when
        let outcome = write(&*sink, ORDER).await;
        // then
        assert_eq!(told(&outcome), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept() {
    // given
    let peer = Peer::start().await;
    peer.next([answer(200, &"x".repeat(3000)), answer(200, &"y".repeat(1000))]);
    let sink = sink(&peer, &[("max_answer", "2KiB")], &[("path", "/orders")]).await;
    // then
    assert!(matches!(write(&*sink, ORDER).await, Outcome::Applied(None)));
    assert!(matches!(write(&*sink, ORDER).await, Outcome::Applied(Some(_))));
}

#[tokio::test]
async fn no_more_requests_wait_at_once_than_may_and_those_of_one_key_never() {
    for (concurrency, key, most) in [("3", None, 3), ("64", Some("k"), 1)] {
        // given
        let peer = Peer::start().await;
        peer.rule(|_| Some(answer(200, "")));
        let sink = sink(
            &peer,
            &[("concurrency", concurrency)],
            &[("path", "/orders/{id}"), ("idempotent", "true")],
        )
        .await;
        let batch: Vec<_> = (0..60)
            .map(|number| {
                let mut message = message(&format!("m-{number}"), &format!(r#"{{"id":{number}}}"#));
                message.record.key = key.map(str::to_owned);
                message
            })
            .collect();
        // when
        let outcomes = sink.write(&batch).await;
        // then
        assert!(outcomes.iter().all(|outcome| told(outcome) == "applied"));
        assert!(peer.most_in_flight() <= most, "{}", peer.most_in_flight());
        if key.is_some() {
            let targets: Vec<_> = peer.asked().iter().map(|asked| asked.target.clone()).collect();
            let expected: Vec<_> = (0..60).map(|number| format!("/orders/{number}")).collect();
            assert_eq!(targets, expected);
        }
    }
}

#[tokio::test]
async fn a_rate_holds_for_all_flows_of_a_system() {
    // given
    let peer = Peer::start().await;
    peer.rule(|_| Some(answer(200, "")));
    let system = peer.system(&[("rate", "20/s")]).await;
    let endpoint = peer::map(&[("path", "/orders"), ("idempotent", "true")], &[]);
    let (one, other) = (
        system.sink("one", &endpoint).await.expect("it opens"),
        system.sink("other", &endpoint).await.expect("it opens"),
    );
    let batch: Vec<_> = (0..8)
        .map(|number| message(&format!("m-{number}"), ORDER))
        .collect();
    // when
    let began = Instant::now();
    tokio::join!(one.write(&batch), other.write(&batch));
    // then: 16 requests have 15 pauses of 50 ms between them
    assert!(
        began.elapsed() >= Duration::from_millis(740),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(peer.asked().len(), 16);
}

#[tokio::test]
async fn an_operation_takes_its_variables_from_the_message_and_its_verdict_from_inside_the_answer() {
    // given
    let peer = Peer::start().await;
    let text = "mutation Save($id: ID!, $note: String, $idempotencyKey: String!) { save(id: $id) { userErrors { code } } }";
    let sink = sink(
        &peer,
        &[],
        &[
            ("path", "/graphql"),
            ("graphql", text),
            ("already_there", "TAKEN"),
        ],
    )
    .await;
    let throttled = r#"{"errors":[{"extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":102,
        "throttleStatus":{"currentlyAvailable":2,"restoreRate":50}}}}"#;
    for (answered, expected) in [
        (answer(200, r#"{"data":{"save":{"userErrors":[]}}}"#), "applied"),
        (
            answer(
                200,
                r#"{"data":{"save":{"userErrors":[{"code":"INVALID","message":"A-1 is bad"}]}}}"#,
            ),
            "rejected: DeadLetter",
        ),
        (
            answer(200, r#"{"data":{"save":{"userErrors":[{"code":"TAKEN"}]}}}"#),
            "repeat",
        ),
        (
            answer(200, r#"{"errors":[{"message":"A-1"}]}"#),
            "rejected: DeadLetter",
        ),
        (
            answer(200, r#"{"errors":[{"extensions":{"code":"ACCESS_DENIED"}}]}"#),
            "rejected: Stop",
        ),
        (
            answer(
                200,
                r#"{"errors":[{"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#,
            ),
            "rejected: Retry",
        ),
        (answer(200, "<html>"), "rejected: Retry"),
        (
            answer_with(
                400,
                &[("content-type", "application/graphql-response+json; charset=utf-8")],
                r#"{"errors":[{"message":"no"}]}"#,
            ),
            "rejected: DeadLetter",
        ),
        (answer(200, throttled), "not tried: Wait"),
    ] {
        peer.next([answered.clone()]);
        // when
        let outcome = write(&*sink, r#"{"id":"A-1","other":1}"#).await;
        // then
        assert_eq!(told(&outcome), expected, "{answered:?}");
        if !matches!(outcome, Outcome::Applied(_) | Outcome::AlreadyThere(_)) {
            let fault = fault(&outcome);
            assert!(!fault.to_string().contains("A-1"), "{fault}");
            if fault.remedy == Remedy::Wait {
                assert_eq!(
                    fault.retry_after.map(|after| after.as_secs_f64().round()),
                    Some(2.0)
                );
            }
        }
    }
    let asked = &peer.asked()[0];
    assert!(
        asked.body.starts_with(r#"{"query":"mutation Save("#),
        "{}",
        asked.body
    );
    assert!(
        asked
            .body
            .contains(r#""variables":{"id":"A-1","idempotencyKey":""#),
        "{}",
        asked.body
    );
    assert!(
        asked.headers["accept"]
            .to_str()
            .expect("text")
            .starts_with("application/graphql-response+json")
    );
}

#[tokio::test]
async fn a_message_that_does_not_hold_what_is_needed_is_never_sent() {
    // given
    let peer = Peer::start().await;
    let sink = sink(
        &peer,
        &[],
        &[("path", "/orders/{id}"), ("headers.X-Note", "{note}")],
    )
    .await;
    for json in [
        "{}",
        r#"{"id":"a"}"#,
        r#"{"id":"../admin","note":"x"}"#,
        r#"{"id":"a","note":"x\r\nX-Evil: 1"}"#,
        r#"{"id":["a"],"note":"x"}"#,
        "<xml/>",
    ] {
        // when
        let outcome = write(&*sink, json).await;
        // then
        assert_eq!(told(&outcome), "rejected: DeadLetter", "{json}");
        assert!(!fault(&outcome).to_string().to_lowercase().contains("evil"));
    }
    assert!(peer.asked().is_empty());
}

#[tokio::test]
async fn a_batch_against_a_system_that_hangs_gives_up_soon() {
    // given
    let peer = Peer::start().await;
    peer.rule(|_| Some(Say::Hang));
    let sink = sink(
        &peer,
        &[("timeout", "300ms"), ("concurrency", "1")],
        &[("path", "/orders"), ("idempotent", "true")],
    )
    .await;
    let batch: Vec<_> = (0..100)
        .map(|number| message(&format!("m-{number}"), ORDER))
        .collect();
    // when
    let outcomes = sink.write(&batch).await;
    // then
    assert!(outcomes.iter().all(|outcome| told(outcome) == "not tried: Retry"));
    assert_eq!(peer.asked().len(), 3);
}

#[tokio::test]
async fn a_test_says_whether_the_system_is_there_and_lets_us_in() {
    let peer = Peer::start().await;
    peer.next([answer(200, ""), answer(404, ""), answer(401, ""), answer(500, "")]);
    let system = peer.system(&[("bearer", TOKEN)]).await;
    assert_eq!(
        system.test().await.expect("there"),
        format!("{} answers 200 to GET /", peer.url())
    );
    assert!(system.test().await.is_ok());
    assert_eq!(system.test().await.expect_err("refused").remedy, Remedy::Stop);
    assert_eq!(system.test().await.expect_err("broken").remedy, Remedy::Retry);
}

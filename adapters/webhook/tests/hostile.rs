//! What senders must not be able to do: exhaust memory, connections or patience, panic the process, learn or
//! leak a secret.

mod sender;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use sender::{BODY, PATH, Peer, SECRET, headers, order, post, read, settings, settings_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use trunkline_sdk::Settings;
use trunkline_webhook::{Limits, signature};

#[tokio::test]
async fn a_body_of_the_limit_is_taken_and_one_byte_more_is_413() {
    // given
    let settings = settings(&[("max_body", "4KiB")], "shopify", &[SECRET]);
    let shop = Peer::open(&settings, Limits::default()).await;
    let flow = shop.flow().await;
    for (length, status) in [(0, 200), (4096, 200), (4097, 413), (3 << 20, 413)] {
        let body = vec![b'x'; length];
        let signed = headers("w", &signature::shopify(SECRET, &body));
        // when: with its length told
        let reply = shop.send(post(PATH, &signed, &body)).await;
        assert_eq!(reply.status, status, "{length} bytes, told");
        // when: in chunks, of which nobody knows the end
        let mut request = format!("POST {PATH} HTTP/1.1\r\n{signed}transfer-encoding: chunked\r\n\r\n");
        for chunk in body.chunks(1000) {
            request += &format!("{:x}\r\n{}\r\n", chunk.len(), "x".repeat(chunk.len()));
        }
        let reply = shop.send(request + "0\r\n\r\n").await;
        assert_eq!(reply.status, status, "{length} bytes, in chunks");
    }
    assert_eq!(flow.desk.accepted().len(), 4);
}

#[tokio::test]
async fn a_sender_that_is_refused_early_can_finish_and_read_why() {
    // given: a sender that writes all before it reads
    let settings = settings(&[("max_body", "4KiB")], "shopify", &[SECRET]);
    let shop = Peer::open(&settings, Limits::default()).await;
    let _flow = shop.flow().await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\n{}content-length: 40000\r\n\r\n",
        headers("w-1", "x")
    );
    let mut stream = shop.connect().await;
    stream.write_all(head.as_bytes()).await.expect("it listens");
    for _ in 0..4 {
        // when: the head was seen, for a later request was answered
        assert_eq!(
            shop.send(post("/nowhere", "connection: close\r\n", ""))
                .await
                .status,
            404
        );
        // then
        stream.write_all(&[b'x'; 10_000]).await.expect("it still listens");
    }
    assert_eq!(read(&mut stream).await.status, 413);
}

#[tokio::test]
async fn each_refusal_says_what_is_wrong_and_nothing_moves() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let right = headers("w-1", &signature::shopify(SECRET, BODY.as_bytes()));
    let without = |name: &str| -> String {
        right
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name))
            .collect()
    };
    let with = |line: &str| format!("{right}{line}\r\n");
    let cases = [
        (post("/nowhere", &right, BODY), 404, "not found"),
        (
            post(PATH, &without("x-shopify-hmac"), BODY),
            400,
            "x-shopify-hmac-sha256",
        ),
        (
            post(PATH, &without("x-shopify-webhook-id"), BODY),
            400,
            "x-shopify-webhook-id",
        ),
        (
            post(PATH, &with("x-shopify-webhook-id: w-2"), BODY),
            400,
            "more than once",
        ),
        (
            post(PATH, &with("content-encoding: gzip"), BODY),
            415,
            "content-encoding",
        ),
        (
            format!("GET {PATH} HTTP/1.1\r\n{right}\r\n").into_bytes(),
            405,
            "only POST",
        ),
        (
            format!("PUT {PATH} HTTP/1.1\r\n{right}\r\n").into_bytes(),
            405,
            "only POST",
        ),
    ];
    for (request, status, told) in cases {
        // when
        let reply = shop.send(&request).await;
        // then
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(told), "{}", reply.body);
        assert!(!reply.body.contains("canary"), "{}", reply.body);
        assert_eq!(reply.header("allow").is_some(), status == 405);
    }
    assert!(flow.desk.accepted().is_empty());
}

#[tokio::test]
async fn a_slow_head_is_cut_and_a_slow_body_is_408() {
    // given
    let limits = Limits {
        head: Duration::from_millis(300),
        slow_body: Duration::from_millis(300),
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let flow = shop.flow().await;
    let request = order("w-1");
    // when: half a head
    let mut stream = shop.connect().await;
    stream.write_all(&request[..20]).await.expect("it listens");
    // then
    assert_eq!(read(&mut stream).await.status, 0);
    // when: all but the last byte
    let mut stream = shop.connect().await;
    stream
        .write_all(&request[..request.len() - 1])
        .await
        .expect("it listens");
    // then
    let reply = read(&mut stream).await;
    assert_eq!((reply.status, reply.header("connection")), (408, Some("close")));
    assert!(flow.desk.accepted().is_empty());
}

#[tokio::test]
async fn a_trickle_ends_with_the_time_for_a_body_however_steady() {
    // given: 2 KiB every 20 ms keep pace, but not for ever
    let limits = Limits {
        body: Duration::from_millis(500),
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let _flow = shop.flow().await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\n{}content-length: 1000000\r\n\r\n",
        headers("w-1", "x")
    );
    let mut stream = shop.connect().await;
    stream.write_all(head.as_bytes()).await.expect("it listens");
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            beat.tick().await;
            if writing.write_all(&[b'x'; 2048]).await.is_err() {
                return;
            }
        }
    });
    // then
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(10), reading.read_exact(&mut answer))
        .await
        .expect("it is cut")
        .expect("with an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    trickle.abort();
}

#[tokio::test]
async fn requests_beyond_those_in_flight_are_told_to_come_again() {
    // given: room for one, which is taken
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let flow = shop.flow().await;
    flow.desk.close();
    let mut first = shop.connect().await;
    first.write_all(&order("w-1")).await.expect("it listens");
    flow.waits(1).await;
    // when
    let second = shop.send(order("w-2")).await;
    // then
    assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
    flow.desk.open();
    assert_eq!(read(&mut first).await.status, 200);
    assert_eq!(shop.send(order("w-2")).await.status, 200);
    assert_eq!(flow.desk.accepted().len(), 2);
}

#[tokio::test]
async fn a_sender_that_hangs_up_gives_its_room_back() {
    // given: room for one, taken by half a body
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let flow = shop.flow().await;
    let request = order("w-1");
    let mut half = shop.connect().await;
    half.write_all(&request[..request.len() - 1])
        .await
        .expect("it listens");
    shop.send_until(503, order("w-2")).await;
    // when
    drop(half);
    // then
    shop.send_until(200, order("w-3")).await;
    assert!(
        flow.desk
            .accepted()
            .iter()
            .all(|record| !record.id.contains("w-1"))
    );
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away_at_once() {
    // given: room for one, which is taken
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let _flow = shop.flow().await;
    let mut kept = shop.connect().await;
    let request = String::from_utf8(order("w-1"))
        .expect("text")
        .replace("connection: close\r\n", "");
    kept.write_all(request.as_bytes()).await.expect("it listens");
    assert_eq!(read(&mut kept).await.status, 200);
    // when: one that only listens for its answer
    let reply = read(&mut shop.connect().await).await;
    // then
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    drop(kept);
    shop.send_until(200, order("w-2")).await;
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let keep = |id: &str| {
        String::from_utf8(order(id))
            .expect("text")
            .replace("connection: close\r\n", "")
    };
    // when
    let mut stream = shop.connect().await;
    let all = keep("w-1") + &keep("w-2") + &keep("w-3");
    stream.write_all(all.as_bytes()).await.expect("it listens");
    flow.desk.wait_for(3).await;
    // then
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!(
        ids,
        ["w-1", "w-2", "w-3"].map(|id| format!("acme.myshopify.com {id} orders/create"))
    );
}

#[tokio::test]
async fn no_bytes_whatever_bring_it_down() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let right = headers("w-1", "x");
    let flood: String = (0..500).map(|at| format!("x-{at}: y\r\n")).collect();
    let huge = format!("x-huge: {}\r\n", "y".repeat(100_000));
    let not_text = [
        format!("POST {PATH} HTTP/1.1\r\nx-shopify-hmac-sha256: ").as_bytes(),
        b"\xff\xfe\r\ncontent-length: 0\r\n\r\n",
    ]
    .concat();
    for (request, status) in [
        (post(PATH, &flood, BODY), 431),
        (post(PATH, &huge, BODY), 431),
        (not_text, 400),
        (b"\0\x01\x02\r\n\r\n".to_vec(), 400),
        (b"POST http://[::1 HTTP/1.1\r\n\r\n".to_vec(), 400),
        (
            format!("POST {PATH} HTTP/1.1\r\ncontent-length: -1\r\n\r\n").into_bytes(),
            400,
        ),
        (
            format!("POST {PATH} HTTP/1.1\r\n{right}transfer-encoding: chunked\r\n\r\nzz\r\n").into_bytes(),
            400,
        ),
        // A head that a proxy and we could read differently ends here.
        (
            format!("POST {PATH} HTTP/1.1\r\n{right}content-length: 1\r\ncontent-length: 2\r\n\r\nx")
                .into_bytes(),
            400,
        ),
    ] {
        let reply = shop.send(&request).await;
        assert_eq!(
            reply.status,
            status,
            "{}: {}",
            String::from_utf8_lossy(&request[..60.min(request.len())]),
            reply.body
        );
    }
    // when: a right request with bytes changed at places of a fixed sequence
    let mut seed = 17_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for _ in 0..300 {
        let mut request = order("w-1");
        let head = request.len() - BODY.len();
        for _ in 0..=next() % 3 {
            request[next() % head] = (next() % 256) as u8;
        }
        let mut stream = shop.connect().await;
        let _ = stream.write_all(&request).await;
        // What waits for more than we sent must not hold up the test.
        let _ = stream.shutdown().await;
        read(&mut stream).await;
    }
    // then: it still does its work, and never took a changed body for a right one
    assert_eq!(shop.send(order("w-2")).await.status, 200);
    for record in flow.desk.accepted() {
        let trunkline_sdk::Body::Bytes { bytes, .. } = record.body else {
            panic!("a body is bytes");
        };
        assert_eq!(bytes, BODY.as_bytes());
    }
}

#[tokio::test]
async fn neither_secrets_nor_signatures_nor_bodies_are_logged_or_answered() {
    // given: everything that can be logged is
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let signed = signature::shopify(SECRET, BODY.as_bytes());
    // when
    let mut answers = String::new();
    for request in [
        order("w-1"),
        post(PATH, &headers("w-1", &signed), "another body"),
        post(PATH, &headers("w-1", "no base64"), BODY),
        post(PATH, "", BODY),
    ] {
        let reply = shop.send(request).await;
        answers += &format!("{reply:?}");
    }
    flow.stop().await;
    answers += &shop.system.test().await.expect("it listens");
    shop.system.close().await;
    // then
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    assert!(
        log.contains("listening") && log.contains(PATH) && log.contains("401"),
        "{log}"
    );
    for canary in [SECRET, signed.as_str(), "820982911946154508", "another body"] {
        assert!(
            !log.contains(canary) && !answers.contains(canary),
            "{canary}\n{log}\n{answers}"
        );
    }
}

#[tokio::test]
async fn a_web_page_cannot_post_to_an_unsigned_system() {
    // given
    let open = settings_with(&[], Settings::of([("none", "true")]));
    let peer = Peer::open(&open, Limits::default()).await;
    let flow = peer.flow_on("/x").await;
    // then
    assert_eq!(
        peer.send(post("/x", "origin: https://evil.example\r\n", BODY))
            .await
            .status,
        403
    );
    assert_eq!(peer.send(post("/x", "", BODY)).await.status, 200);
    assert_eq!(
        peer.send(post("/x", "ce-id: 7\r\nce-source: till\r\n", BODY))
            .await
            .status,
        200
    );
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!((ids.len(), ids[1].as_str()), (2, "till 7"));
}

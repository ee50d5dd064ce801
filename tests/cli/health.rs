//! A running process tells others how it is, and what it has done.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    health_text::Scrape,
    scene::Scene,
    support::{process::Process, shop},
};

/// The address that a line of the log tells.
fn address(line: &str) -> String {
    let (_, address) = line.split_once("address=").expect("it says where");
    address
        .split(' ')
        .next()
        .expect("a split has a first part")
        .to_owned()
}

/// What is answered to this request: the status, and the whole answer.
async fn ask(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("{method} {path} HTTP/1.1\r\nhost: health\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers, and ends");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("an answer has a status: {answer}")),
        answer,
    )
}

async fn get(address: &str, path: &str) -> (u16, String) {
    let (status, answer) = ask(address, "GET", path).await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    (status, body.to_owned())
}

/// Asks again and again until the answer is as expected.
async fn until(address: &str, path: &str, is_so: impl Fn(u16, &str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let (status, body) = get(address, path).await;
        if is_so(status, &body) {
            return body;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{path} still answers {status}: {body}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The shop with its health, and where both listen.
async fn started(scene: &Scene, variables: &[(&str, &str)]) -> (Process, String, String) {
    let mut all = vec![("TRUNKLINE_HEALTH", "127.0.0.1:0"), ("SHOP_SECRET", shop::SECRET)];
    all.extend(variables);
    let mut process = scene.start(&all);
    let health = address(&process.says("health: listening").await);
    let webhook = address(&process.says("webhook: listening").await);
    (process, health, webhook)
}

#[tokio::test]
async fn what_it_has_done_is_told_in_the_format_of_prometheus() {
    // given
    let scene = Scene::shop();
    let (mut process, health, webhook) = started(&scene, &[]).await;
    process.says("ready: ").await;
    assert_eq!(get(&health, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(get(&health, "/readyz").await, (200, "ready\n".to_owned()));
    // when
    for index in 0..3 {
        shop::deliver(&webhook, index).await;
    }
    // then
    let of = |text: &str, name: &str, labels: &[(&str, &str)]| Scrape::read(text).value(name, labels);
    until(&health, "/metrics", |_, text| {
        let applied = of(
            text,
            "trunkline_applied_total",
            &[("flow", "stock"), ("system", "erp")],
        );
        applied.is_some_and(|applied| applied >= 1.0)
            && of(text, "trunkline_queue_ready", &[("flow", "stock")]) == Some(0.0)
            && of(text, "trunkline_in_flight", &[("flow", "stock")]) == Some(0.0)
    })
    .await;
    let text = get(&health, "/metrics").await.1;
    let source = [("flow", "orders-in"), ("system", "shop"), ("channel", "orders")];
    let accepted = of(&text, "trunkline_accepted_total", &source);
    assert!(accepted >= Some(3.0), "{text}");
    // The shop may have sent one again, unheard.
    for name in ["trunkline_published_total", "trunkline_in_flow_seconds_count"] {
        assert_eq!(of(&text, name, &source), accepted, "{name}: {text}");
    }
    let stock = [("flow", "stock")];
    let accepted = of(&text, "trunkline_accepted_total", &stock);
    assert_eq!(of(&text, "trunkline_in_flow_seconds_count", &stock), accepted);
    assert_eq!(of(&text, "trunkline_flow_up", &stock), Some(1.0));
    assert_eq!(of(&text, "trunkline_circuit_open", &stock), Some(0.0));
    assert_eq!(of(&text, "trunkline_parked_total", &stock), Some(0.0));
    let scrape = Scrape::read(&text);
    let labels: Vec<_> = scrape.labels().into_iter().collect();
    assert_eq!(labels, ["channel", "flow", "le", "system", "version"]);
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn it_is_not_ready_while_a_flow_waits_and_says_which_and_why() {
    // given a database that is not there
    let nowhere = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let place = nowhere.local_addr().expect("it is bound");
    drop(nowhere);
    let url = format!("postgres://erp:c4nary-9f3b@{place}/erp");
    // when
    let scene = Scene::shop();
    let (mut process, health, _) = started(&scene, &[("ERP_URL", &url)]).await;
    process.says("ready: ").await;
    // then
    let told = until(&health, "/readyz", |status, told| {
        status == 503 && told.contains("waits: ")
    })
    .await;
    assert!(told.starts_with("not ready\n"), "{told}");
    assert!(told.contains("flow stock waits: system `erp` (sql): "), "{told}");
    assert!(!told.contains("flow orders-in"), "{told}");
    assert!(!told.contains("c4nary"), "{told}");
    assert_eq!(get(&health, "/livez").await.0, 200);
    let text = get(&health, "/metrics").await.1;
    let up = |flow| Scrape::read(&text).value("trunkline_flow_up", &[("flow", flow)]);
    assert_eq!((up("stock"), up("orders-in")), (Some(0.0), Some(1.0)));
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn it_answers_before_its_bus_is_there() {
    // given what was a broker, and now ends every connection
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let bus = format!("amqp://u:p@{}/v", port.local_addr().expect("it is bound"));
    // when
    let scene = Scene::shop();
    let mut process = scene.start(&[("TRUNKLINE_HEALTH", "127.0.0.1:0"), ("TRUNKLINE_BUS", &bus)]);
    let health = address(&process.says("health: listening").await);
    // then
    assert_eq!(get(&health, "/livez").await.0, 200);
    assert_eq!(get(&health, "/readyz").await, (503, "starting\n".to_owned()));
    assert_eq!(get(&health, "/metrics").await, (200, String::new()));
    assert_eq!(get(&health, "/").await.0, 404);
    let (status, answer) = ask(&health, "POST", "/livez").await;
    assert!(
        status == 405 && answer.contains("allow: GET, HEAD\r\n"),
        "{answer}"
    );
    let (status, answer) = ask(&health, "NONSENSE\0", "/livez").await;
    assert_eq!(status, 400, "{answer}");
    process.signal_to_stop().await;
    assert!(process.ended().await.0.success());
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let place = taken.local_addr().expect("it is bound").to_string();
    let (code, _, talk) = Scene::shop().run(&[("TRUNKLINE_HEALTH", &place)]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains(&format!("`health`: {place} is taken by another process")),
        "{talk}"
    );
    assert!(talk.contains("${TRUNKLINE_HEALTH:-none}"), "{talk}");
}

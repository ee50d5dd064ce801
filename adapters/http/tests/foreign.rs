//! A server that nobody here wrote: Python's own, which speaks HTTP/1.0 and knows `If-Modified-Since`.

mod peer;

use std::{
    fs::{self, File},
    process::Stdio,
    time::{Duration, SystemTime},
};

use peer::{map, message, open, told};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::Command,
};
use trunkline_sdk::{Settings, contract::Desk};

/// Reads lines until one holds this text, and returns it.
async fn line(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>, text: &str) -> String {
    let read = async {
        loop {
            let line = lines
                .next_line()
                .await
                .expect("it can be read")
                .expect("it goes on");
            if line.contains(text) {
                return line;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap_or_else(|_| panic!("it has not said `{text}`"))
}

#[tokio::test]
async fn a_file_behind_pythons_server_is_read_when_it_has_changed() {
    // given
    let python = std::env::var("TRUNKLINE_TEST_PYTHON").expect("`tests/run` has set it");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orders.json");
    fs::write(&file, r#"[{"id":1},{"id":2}]"#).expect("it can be written");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let opened = File::options().write(true).open(&file).expect("it is there");
    opened.set_modified(hour_ago).expect("it is ours");
    let mut server = Command::new(python)
        .args([
            "-u",
            "-m",
            "http.server",
            "0",
            "--bind",
            "127.0.0.1",
            "--directory",
        ])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python can be run");
    let mut said = BufReader::new(server.stdout.take().expect("it is piped")).lines();
    let mut log = BufReader::new(server.stderr.take().expect("it is piped")).lines();
    let greeting = line(&mut said, "Serving HTTP").await;
    let port = greeting
        .split_once("port ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .expect("it names its port");
    let url = format!("http://localhost:{port}");
    let system = open(&map(&[("base_url", &url), ("allow_private", "true")], &[]))
        .await
        .expect("it opens");
    let endpoint = map(&[("path", "/orders.json"), ("id", "id"), ("every", "100ms")], &[]);
    let mut source = system.source(&endpoint).await.expect("it opens");
    let desk = Desk::default();
    let outlet = desk.outlet();
    // when
    let reading = tokio::spawn(async move { source.run(outlet, None).await });
    desk.wait_for(2).await;
    line(&mut log, "\" 304").await;
    fs::write(&file, r#"[{"id":1},{"id":2},{"id":3}]"#).expect("it can be written");
    // then
    let records = desk.wait_for(3).await;
    desk.stop();
    reading.await.expect("no panic").expect("it was stopped");
    assert_eq!(records.len(), 3);
    // It takes no requests that write: 501.
    let sink = system
        .sink("f", &Settings::of([("path", "/orders.json")]))
        .await
        .expect("it opens");
    let outcome = sink.write(&[message("m", "{}")]).await.remove(0);
    assert_eq!(told(&outcome), "rejected: Retry");
    assert!(
        system
            .test()
            .await
            .expect("it is there")
            .ends_with("answers 200 to GET /")
    );
}

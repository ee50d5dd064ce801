//! The README is tested: every block in it is marked with what proves it.

#[path = "../support/mod.rs"]
mod support;

mod block;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use block::{Block, blocks};
use support::{
    process::{Process, output, program},
    services::{Broker, Postgres},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the examples in a folder of the test's own, and the address where the shop of this test listens.
struct Copy {
    folder: TempDir,
    address: String,
}

impl Copy {
    fn new() -> Self {
        let folder = TempDir::new().expect("there is a place for temporary files");
        let status = std::process::Command::new("cp")
            .arg("-r")
            .arg(root().join("examples"))
            .arg(folder.path())
            .status()
            .expect("`cp` is there");
        assert!(status.success());
        // What somebody's own run of the example has left there.
        let _ = fs::remove_dir_all(folder.path().join("examples/shop/data"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        Self { folder, address }
    }

    fn shop(&self) -> PathBuf {
        self.folder.path().join("examples/shop")
    }

    /// A shell in the copy, with `trunkline` on its path.
    fn shell(&self, script: &str) -> Command {
        let bin = self.folder.path().join("bin");
        fs::create_dir_all(&bin).expect("the test may write there");
        let link = bin.join("trunkline");
        if !link.exists() {
            std::os::unix::fs::symlink(program(), link).expect("the test may write there");
        }
        let path = format!(
            "{}:{}",
            bin.display(),
            std::env::var("PATH").expect("there is a path")
        );
        let mut command = Command::new("bash");
        command
            .args(["-euc", script])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("SHOP_LISTEN", &self.address)
            .kill_on_drop(true);
        command
    }
}

#[test]
fn every_block_of_the_readme_says_what_proves_it() {
    for block in blocks() {
        let known = [
            "part of ",
            "interop ",
            "demo",
            "this is it",
            "check ",
            "graph of ",
            "run",
        ];
        assert!(
            known.iter().any(|known| block.mark.starts_with(known)),
            "who tests this?\n{}",
            block.text
        );
    }
}

#[test]
fn what_is_shown_of_a_file_stands_in_it() {
    for Block { mark, text } in blocks() {
        let Some(file) = mark.strip_prefix("part of ") else {
            continue;
        };
        let whole = fs::read_to_string(root().join(file)).expect("the file is there");
        let mut lines = whole.lines();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            assert!(
                lines.any(|other| other == line),
                "{file} has no line (any more, or not there)\n{line}"
            );
        }
    }
}

#[test]
fn the_test_command_is_there() {
    let Block { text, .. } = block::marked("this is it");
    assert!(root().join(text.trim()).is_file());
}

#[tokio::test]
async fn the_demo_runs_and_its_numbers_add_up() {
    let Block { text, .. } = block::marked("demo");
    let arguments = text
        .trim()
        .strip_prefix("cargo run --release -- ")
        .expect("it is how one runs it");
    let (code, told, talk) = output(&[arguments], &[]).await;
    assert_eq!(code, Some(0), "{told}{talk}");
    assert!(told.contains("exactly right"), "{told}");
}

#[tokio::test]
async fn check_says_what_the_readme_says() {
    for (says, options) in [("check with ", &[][..]), ("check as JSON with ", &["--json"])] {
        // given the example with the README's mistake
        let Block { mark, text } = blocks()
            .into_iter()
            .find(|block| block.mark.starts_with(says))
            .expect("the README shows one");
        let words: Vec<_> = mark[says.len()..].split_whitespace().collect();
        let [right, "spelt", wrong, "in", file] = words[..] else {
            panic!("{mark}")
        };
        let copy = Copy::new();
        let path = copy.shop().join(file);
        let flow = fs::read_to_string(&path).expect("the file is there");
        fs::write(&path, flow.replace(&format!(":{right}"), &format!(":{wrong}")))
            .expect("the test may write there");
        // when
        let shop = copy.shop();
        let mut arguments = vec!["check", shop.to_str().expect("the path is text")];
        arguments.extend(options);
        let (code, data, talk) = output(&arguments, &[]).await;
        // then
        assert_eq!(code, Some(1));
        assert!(format!("{data}{talk}").contains(text.trim()), "{data}{talk}");
    }
}

#[tokio::test]
async fn the_example_is_drawn_as_the_readme_shows_it() {
    let Block { text, .. } = block::marked("graph of examples/shop");
    let shop = root().join("examples/shop");
    let (_, drawn, talk) = output(&["graph", shop.to_str().expect("the path is text")], &[]).await;
    assert_eq!(drawn, text, "{talk}");
}

#[tokio::test]
async fn the_schemas_are_written_as_the_readme_says() {
    let copy = Copy::new();
    let Block { text, .. } = block::marked("run before anything");
    let done = copy.shell(&text).output().await.expect("bash is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["landscape", "flow", "test"] {
        let file = format!("{name}.schema.json");
        let written = fs::read(copy.folder.path().join(&file)).expect("it was written");
        assert!(written == fs::read(root().join("schemas").join(file)).expect("it is there"));
    }
}

#[tokio::test]
async fn what_is_shown_below_a_command_is_what_it_says() {
    let all = blocks();
    let pairs: Vec<_> = all
        .windows(2)
        .filter(|pair| pair[0].mark == "run in front of its output")
        .collect();
    assert!(pairs.len() >= 2, "the README shows some");
    let copy = Copy::new();
    for pair in pairs {
        assert_eq!(pair[1].mark, "run, the output");
        let done = copy.shell(&pair[0].text).output().await.expect("bash is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout), pair[1].text);
    }
}

#[tokio::test]
async fn the_tests_of_the_example_pass_and_its_samples_have_a_schema() {
    let copy = Copy::new();
    let Block { text, .. } = block::marked("run before anything, too");
    let script = format!("trunkline test examples/shop\n{text}");
    let done = copy.shell(&script).output().await.expect("bash is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let schema = fs::read_to_string(copy.folder.path().join("order.json")).expect("it was written");
    assert!(schema.contains("\"line_items\": {"), "{schema}");
}

#[tokio::test]
async fn the_example_runs_takes_an_order_and_shows_what_is_parked() {
    let run: Vec<_> = blocks().into_iter().filter(|block| block.mark == "run").collect();
    let [start, order] = &run[..] else {
        panic!("the README starts the example, and sends an order")
    };
    // given
    let copy = Copy::new();
    let arguments = start
        .text
        .trim()
        .strip_prefix("trunkline run ")
        .expect("it is how one runs it");
    let landscape = copy.folder.path().join(arguments);
    let shop = Process::run(&landscape, None, &[("SHOP_LISTEN", &copy.address)]).await;
    // when
    let script = order.text.replace("127.0.0.1:8080", &copy.address);
    let sent = copy.shell(&script).output().await.expect("bash is there");
    // then
    assert!(
        sent.status.success(),
        "{}{}",
        String::from_utf8_lossy(&sent.stdout),
        String::from_utf8_lossy(&sent.stderr)
    );
    assert!(shop.terminate().await.success());
    let Block { text, .. } = block::marked("run when it has ended");
    let parked = copy.shell(&text).output().await.expect("bash is there");
    assert!(parked.status.success());
    assert!(String::from_utf8_lossy(&parked.stderr).contains("0 messages parked"));
}

#[tokio::test]
async fn the_example_tells_how_it_is() {
    // given
    let copy = Copy::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let health = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let variables = [
        ("SHOP_LISTEN", copy.address.as_str()),
        ("TRUNKLINE_HEALTH", health.as_str()),
    ];
    let shop = Process::run(&copy.shop(), None, &variables).await;
    // when
    let Block { text, .. } = block::marked("run and asked");
    let mut shell = copy.shell(&text.replace("127.0.0.1:9464", &health));
    let asked = shell.output().await.expect("bash is there");
    // then
    let told = String::from_utf8_lossy(&asked.stdout);
    let talk = String::from_utf8_lossy(&asked.stderr);
    assert!(
        asked.status.success() && told.starts_with("alive\nready\n"),
        "{told}{talk}"
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("the root has a README.md");
    for name in [
        "trunkline_circuit_open",
        "trunkline_flow_up",
        "trunkline_queue_parked",
    ] {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
        assert!(
            told.contains(&format!("\n{name}{{flow=\"stock\"")),
            "{name}: {told}"
        );
    }
    assert!(shop.terminate().await.success());
}

#[tokio::test]
async fn an_administrator_makes_the_topology_and_its_users() {
    // given
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    let _accounts = broker.accounts(vhost.name(), &["shop", "stock", "operator", "topology"]);
    let management = std::env::var("TRUNKLINE_TEST_MANAGEMENT").expect("`tests/run` has set it");
    let copy = Copy::new();
    // when
    let Block { text, .. } = block::marked("run as an administrator of RabbitMQ");
    let script = text
        .replace("amqp://guest:guest@127.0.0.1:5672", vhost.amqp())
        .replace("--apply", &format!("--apply --prefix {}", vhost.name()));
    let done = copy
        .shell(&script)
        .env("TRUNKLINE_MANAGEMENT", management)
        .output()
        .await
        .expect("bash is there");
    // then
    let told = String::from_utf8_lossy(&done.stdout);
    let talk = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}{talk}");
    for line in [
        "+ queue orders.stock (quorum",
        "TRUNKLINE_PASSWORD_SHOP=",
        "note: the broker is a single node",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(talk.contains("has all that the landscape needs"), "{talk}");
}

#[tokio::test]
async fn the_example_runs_as_two_processes_on_rabbitmq() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let database = Postgres::fresh_database().await;
    let (erp, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .expect("it is there");
    tokio::spawn(connection);
    erp.batch_execute(include_str!("../../examples/shop/erp.sql"))
        .await
        .expect("it is everyone's SQL");
    let copy = Copy::new();
    // when
    let Block { text, .. } = block::marked("run on RabbitMQ");
    let script = text
        .replace("amqp://guest:guest@127.0.0.1:5672", vhost.amqp())
        .replace("postgres://erp:secret@127.0.0.1/erp", database.url());
    let script = format!("trap 'kill $(jobs -p)' TERM\n{script}wait; wait");
    let mut shell = copy
        .shell(&script)
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let mut talk = BufReader::new(shell.stderr.take().expect("stderr is piped")).lines();
    // then both are at work
    let mut ready = 0;
    let mut said = String::new();
    while ready < 2 {
        let line = tokio::time::timeout(Duration::from_secs(60), talk.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{ready} of 2 are at work, saying\n{said}"));
        let line = line
            .expect("stderr can be read")
            .unwrap_or_else(|| panic!("it ended, saying\n{said}"));
        ready += usize::from(line.contains("ready: "));
        said.push_str(&line);
        said.push('\n');
    }
    let id = shell.id().expect("it is running").to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .expect("`kill` is there")
            .success()
    );
    let goodbye = async { while let Ok(Some(_)) = talk.next_line().await {} };
    let (ended, ()) = tokio::join!(shell.wait(), goodbye);
    ended.expect("it ends");
}

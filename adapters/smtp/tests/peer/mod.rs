//! The other side of the wire: a mail server of Python's, with what it took.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{fs, path::Path, process::Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use trunkline_sdk::{
    Adapter, Body, Context, Delivered, Outcome, Record, Remedy, Settings, Sink, System, Value,
    contract::Cable,
};
use trunkline_smtp::Smtp;

pub(crate) const USER: &str = "svc-mail";
pub(crate) const PASSWORD: &str = "canary-password-of-the-mail";

/// What the flow of these tests sends.
pub(crate) const MAIL: [(&str, &str); 3] = [
    ("to", "{{buyer.name}} <{{buyer.email}}>"),
    ("subject", "Order {{order_id}}: {{note}}"),
    (
        "text",
        "Dear {{buyer.name}},\n.\n..thank you for {{order_id}}.\n{{note}}\n",
    ),
];

/// A mail server with a cable before it.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) cable: Cable,
    process: Child,
}

impl Server {
    /// A server that takes mail from everybody, in the clear.
    pub(crate) async fn plain() -> Self {
        Self::start(json!({ "mode": "plain" })).await
    }

    /// A server with a certificate for `localhost`, whose root is in `ca.pem`.
    pub(crate) async fn encrypted(mode: &str, mut options: Json) -> Self {
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        options["mode"] = json!(mode);
        options["cert"] = json!(cert);
        options["key"] = json!(key);
        Self::start_in(folder, options).await
    }

    pub(crate) async fn start(options: Json) -> Self {
        Self::start_in(TempDir::new().unwrap(), options).await
    }

    async fn start_in(folder: TempDir, options: Json) -> Self {
        let python = std::env::var_os("TRUNKLINE_TEST_PYTHON").expect("`tests/run` has set it");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/server.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg(folder.path().join("mails"))
            .arg(options.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python can be run");
        let told = process.stdout.take().expect("it is piped");
        let line = BufReader::new(told).lines().next_line().await.unwrap();
        let port: u16 = line.expect("the server names its port").parse().unwrap();
        let cable = Cable::to(format!("127.0.0.1:{port}")).await.unwrap();
        Self {
            folder,
            cable,
            process,
        }
    }

    /// The settings of a system that uses it.
    pub(crate) fn settings(&self, pairs: &[(&str, &str)]) -> Settings {
        let url = format!("smtp://localhost:{}", self.cable.address().port());
        let has = |name: &str| pairs.iter().any(|(word, _)| *word == name);
        let defaults = [
            ("url", url.as_str()),
            ("from", "Acmé Shop <shop@acme.example>"),
            ("tls", "none"),
            ("timeout", "2s"),
        ];
        let defaults = defaults.into_iter().filter(|(name, _)| !has(name));
        Settings::of(defaults.chain(pairs.iter().copied()))
    }

    /// A system that uses it.
    pub(crate) async fn system(&self, pairs: &[(&str, &str)]) -> Box<dyn System> {
        let system = Smtp::new().open(&self.settings(pairs), self.folder.path()).await;
        system.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// The flow `mail` through it.
    pub(crate) async fn sink(&self, pairs: &[(&str, &str)]) -> Box<dyn Sink> {
        let endpoint = Settings::of(MAIL);
        self.system(pairs).await.sink("mail", &endpoint).await.unwrap()
    }

    /// The mails that it took, in their order.
    pub(crate) fn mails(&self) -> Vec<Json> {
        let text = fs::read_to_string(self.folder.path().join("mails")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A message for this person.
pub(crate) fn message(id: &str, name: &str, note: &str) -> Delivered {
    Delivered {
        record: record(id, name, note),
        context: Context {
            message_id: id.to_owned(),
            unit: id.to_owned(),
            attempt: 1,
        },
    }
}

pub(crate) fn record(id: &str, name: &str, note: &str) -> Record {
    let text = |text: &str| Value::Text(text.to_owned().into());
    let buyer = vec![
        ("name".into(), text("Zoë, \"the\" <Buyer>")),
        ("email".into(), text(&format!("{name}@b.example"))),
    ];
    Record::new(
        id,
        Body::Value(Value::Object(vec![
            ("order_id".into(), text(id)),
            ("note".into(), text(note)),
            ("buyer".into(), Value::Object(buyer)),
        ])),
    )
}

/// What became of it, in a word, and the remedy.
pub(crate) fn told(outcome: &Outcome) -> (&'static str, Option<Remedy>) {
    match outcome {
        Outcome::Applied(_) => ("applied", None),
        Outcome::AlreadyThere(_) => ("repeat", None),
        Outcome::Rejected(fault) => ("rejected", Some(fault.remedy)),
        Outcome::InDoubt(fault) => ("in doubt", Some(fault.remedy)),
        Outcome::NotTried(fault) => ("not tried", Some(fault.remedy)),
    }
}

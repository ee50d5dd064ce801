//! The Python client as a child process: `client.py`, which says what it can be asked.
//!
//! Promised: an answer, or a panic with the client's own words above it on stderr; no process left behind.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;
use tokio::task::block_in_place;

/// A plain AMQP client.
pub(crate) struct Client {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    /// Starts it. It gets the broker's URL and the folder of the `.proto` files, and nothing else of ours.
    pub(crate) fn start(amqp: &str) -> Self {
        let mut process = Command::new(python())
            .arg(root().join("tests/interop/client.py"))
            .arg(amqp)
            .arg(root().join("proto"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("TRUNKLINE_TEST_PYTHON can be run");
        Self {
            requests: process.stdin.take().expect("it is piped"),
            answers: BufReader::new(process.stdout.take().expect("it is piped")),
            process,
        }
    }

    /// Asks, and waits for the answer. Needs a runtime of several threads: this one waits.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        block_in_place(|| {
            let sent = writeln!(self.requests, "{request}");
            let mut answer = String::new();
            let read = sent.and_then(|()| self.answers.read_line(&mut answer));
            assert!(
                matches!(read, Ok(length) if length > 0),
                "the client ended over {request}; its last words are above"
            );
            serde_json::from_str(&answer).expect("it answers in JSON")
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python that has pika, protobuf and grpcio-tools.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("TRUNKLINE_TEST_PYTHON")
        .expect("TRUNKLINE_TEST_PYTHON is not set: run the tests with `tests/run`")
        .into()
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

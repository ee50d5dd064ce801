//! The SDK's sentences for sinks, with a real mail server.
#![allow(clippy::unwrap_used)]

mod peer;

use async_trait::async_trait;
use peer::{MAIL, Server, record};
use trunkline_sdk::{
    Effect, Record, Settings, Sink, System,
    contract::sink::{PRIVATE, SinkPeer},
    sink_contract,
};

sink_contract!(smtp, Mail::new());

/// A server, and one system that all sinks share, as they do in a process: what was sent is known in there only.
struct Mail {
    server: Server,
    system: Box<dyn System>,
}

impl Mail {
    async fn new() -> Self {
        let server = Server::plain().await;
        let system = server.system(&[]).await;
        Self { server, system }
    }
}

#[async_trait]
impl SinkPeer for Mail {
    fn effect(&self) -> Effect {
        Effect::Plain
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        self.system.sink(flow, &Settings::of(MAIL)).await.unwrap()
    }

    fn accepted(&self, id: &str) -> Record {
        record(id, "zoe", PRIVATE)
    }

    fn refused(&self, id: &str) -> Record {
        record(id, &format!("refused-{PRIVATE}"), PRIVATE)
    }

    async fn effects(&self, id: &str) -> usize {
        let is_of = |mail: &serde_json::Value| {
            let message_id = mail["headers"]["Message-ID"].as_str().unwrap_or_default();
            message_id.starts_with(&format!("<{id}."))
        };
        self.server.mails().iter().filter(|mail| is_of(mail)).count()
    }

    async fn leave(&self) {
        self.server.cable.cut();
    }

    async fn come_back(&self) {
        self.server.cable.mend();
    }
}

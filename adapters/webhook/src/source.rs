//! A webhook system, and the source that is one of its paths.

use std::{
    fmt::Write,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use async_trait::async_trait;
use tokio::sync::Mutex;
use trunkline_sdk::{Fault, Outlet, Position, Settings, Sink, Source, System};

use crate::{
    Limits,
    options::{self, Policy, Replying},
    server::{Accepting, Server},
};

/// A system that listens.
pub(crate) struct Listening {
    server: Arc<Server>,
    accepting: Mutex<Option<Accepting>>,
    home: PathBuf,
}

impl Listening {
    /// Binds and begins to answer.
    pub(crate) async fn open(policy: Policy, limits: Limits, home: &std::path::Path) -> Result<Self, Fault> {
        let (server, accepting) = Server::start(policy, limits).await?;
        Ok(Self {
            server,
            home: home.to_owned(),
            accepting: Mutex::new(Some(accepting)),
        })
    }
}

#[async_trait]
impl System for Listening {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let (path, reply) = options::source(endpoint, &self.home)?;
        self.server.announce(&path);
        Ok(Box::new(Path {
            server: self.server.clone(),
            path,
            reply: reply.map(Arc::new),
        }))
    }

    async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        Err(Fault::stop("webhook: there is nothing to write to")
            .hint("to call another system's webhook use a system of kind `http`"))
    }

    /// Tells where it listens, whichever port it was given: `listening on http://127.0.0.1:8080, …`.
    async fn test(&self) -> Result<String, Fault> {
        let server = &self.server;
        let secrets = match server.policy.keyring.len() {
            0 => String::new(),
            1 => " (1 secret)".to_owned(),
            more => format!(" ({more} secrets)"),
        };
        let mut report = format!(
            "listening on http://{}, paths: {}, verify: {}{secrets}",
            server.address,
            server.paths(),
            server.policy.scheme.word,
        );
        let (replies, fallbacks) = (server.replies.load(Relaxed), server.fallbacks.load(Relaxed));
        if replies + fallbacks > 0 {
            let _ = write!(
                report,
                ", answered: {replies} in time, {fallbacks} with the fallback"
            );
        }
        Ok(report)
    }

    async fn close(&self) {
        let accepting = self.accepting.lock().await.take();
        if let Some(accepting) = accepting {
            accepting.close().await;
        }
    }
}

/// One path of a system, as a source.
struct Path {
    server: Arc<Server>,
    path: String,
    reply: Option<Arc<Replying>>,
}

#[async_trait]
impl Source for Path {
    /// Never ends by itself. Webhooks cannot be read again, so there is no position to resume from: what was
    /// not answered 200 its sender sends again.
    ///
    /// Faults: `Stop` when another flow reads from the path, and when callers wait for an answer that nobody gives.
    async fn run(&mut self, outlet: Outlet, _resume: Option<Position>) -> Result<(), Fault> {
        let opened = self.server.open(&self.path, outlet.clone(), self.reply.clone());
        let Some(mut opened) = opened else {
            return Err(
                Fault::stop(format!("webhook: path `{}` is read by another flow", self.path))
                    .hint("give each flow a path of its own"),
            );
        };
        let open = Open(self);
        let ended = tokio::select! {
            () = outlet.stopping() => Ok(()),
            Some(fault) = opened.fault.recv() => Err(fault),
        };
        drop(open);
        // The error that ends this wait says that the last request has its answer.
        let _ = opened.released.await;
        ended
    }
}

/// An open path: shut when this is dropped, be it that the run is over or that it was cut off.
struct Open<'p>(&'p Path);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.server.shut(&self.0.path);
    }
}

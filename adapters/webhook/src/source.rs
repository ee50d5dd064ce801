//! A webhook system, and the source that is one of its paths.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use trunkline_sdk::{Fault, Outlet, Position, Settings, Sink, Source, System};

use crate::{
    Limits,
    options::{self, Policy},
    server::{Accepting, Server},
};

/// A system that listens.
pub(crate) struct Listening {
    server: Arc<Server>,
    accepting: Mutex<Option<Accepting>>,
}

impl Listening {
    /// Binds and begins to answer.
    pub(crate) async fn open(policy: Policy, limits: Limits) -> Result<Self, Fault> {
        let (server, accepting) = Server::start(policy, limits).await?;
        Ok(Self {
            server,
            accepting: Mutex::new(Some(accepting)),
        })
    }
}

#[async_trait]
impl System for Listening {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let path = options::path(endpoint)?;
        self.server.announce(&path);
        Ok(Box::new(Path {
            server: self.server.clone(),
            path,
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
        Ok(format!(
            "listening on http://{}, paths: {}, verify: {}{secrets}",
            server.address,
            server.paths(),
            server.policy.scheme.word,
        ))
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
}

#[async_trait]
impl Source for Path {
    /// Never ends by itself. Webhooks cannot be read again, so there is no position to resume from: what was
    /// not answered 200 its sender sends again.
    async fn run(&mut self, outlet: Outlet, _resume: Option<Position>) -> Result<(), Fault> {
        let Some(released) = self.server.open(&self.path, outlet.clone()) else {
            return Err(
                Fault::stop(format!("webhook: path `{}` is read by another flow", self.path))
                    .hint("give each flow a path of its own"),
            );
        };
        let open = Open(self);
        outlet.stopping().await;
        drop(open);
        // The error that ends this wait says that the last request has its answer.
        let _ = released.await;
        Ok(())
    }
}

/// An open path: shut when this is dropped, be it that the run is over or that it was cut off.
struct Open<'p>(&'p Path);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.server.shut(&self.0.path);
    }
}

//! A system whose source does nothing but hand its outlet to the sentence, which then asks for itself.

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc;
use trunkline_sdk::{
    Adapter, Body, Description, Effect, Fault, Outlet, Position, Record, Settings, Sink, Source, System,
};

/// Its adapter, its system and its source.
#[derive(Clone)]
pub(crate) struct Asker {
    outlets: mpsc::UnboundedSender<Outlet>,
}

impl Asker {
    /// One, and where its outlets come out.
    pub(crate) fn new() -> (&'static dyn Adapter, mpsc::UnboundedReceiver<Outlet>) {
        let (outlets, given) = mpsc::unbounded_channel();
        (Box::leak(Box::new(Self { outlets })), given)
    }
}

/// A record of one event.
pub(crate) fn record(id: &str, json: &str) -> Record {
    let body = Body::Bytes {
        content_type: "application/json".to_owned(),
        bytes: json.to_owned().into(),
    };
    Record::new(id, body)
}

#[async_trait]
impl Adapter for Asker {
    fn describe(&self) -> &'static Description {
        &Description {
            name: "asker",
            summary: "for these sentences",
            system: &[],
            source: Some(&[]),
            sink: None,
            effect: Effect::Plain,
        }
    }

    async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl System for Asker {
    async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        Ok(Box::new(self.clone()))
    }

    async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        Err(Fault::stop("there is no sink"))
    }

    async fn test(&self) -> Result<String, Fault> {
        Ok(String::new())
    }
}

#[async_trait]
impl Source for Asker {
    async fn run(&mut self, outlet: Outlet, _resume: Option<Position>) -> Result<(), Fault> {
        // The sentence may have heard enough.
        let _ = self.outlets.send(outlet.clone());
        outlet.stopping().await;
        Ok(())
    }
}

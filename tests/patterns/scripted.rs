//! A system that does what the sentence says, and tells what it was given: what a real one does once in a thousand times,
//! on demand.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use trunkline_sdk::{
    Adapter, Body, Delivered, Description, Effect, Fault, Outcome, Reply, Settings, Sink, Source, System,
};

/// What becomes of a message that comes for the so many-th time, from 1.
type Script = dyn Fn(&Delivered, usize) -> Outcome + Send + Sync;

/// Its adapter, its system and its sink.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Script>,
    /// The ids of what was written, in order.
    written: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// One that does so.
    pub(crate) fn new(
        script: impl Fn(&Delivered, usize) -> Outcome + Send + Sync + 'static,
    ) -> &'static Self {
        Box::leak(Box::new(Self {
            script: Arc::new(script),
            written: Arc::default(),
        }))
    }

    /// The ids of what was written, in order.
    pub(crate) fn written(&self) -> Vec<String> {
        self.written.lock().unwrap().clone()
    }
}

/// An answer in JSON.
pub(crate) fn reply(json: &str) -> Option<Reply> {
    Some(Reply {
        body: Body::Bytes {
            content_type: "application/json".to_owned(),
            bytes: json.to_owned().into(),
        },
    })
}

#[async_trait]
impl Adapter for Scripted {
    fn describe(&self) -> &'static Description {
        &Description {
            name: "scripted",
            summary: "for these sentences",
            system: &[],
            source: None,
            sink: Some(&[]),
            effect: Effect::Plain,
        }
    }

    fn replies(&self, _sink: &Settings) -> bool {
        true
    }

    async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl System for Scripted {
    async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        Err(Fault::stop("there is no source"))
    }

    async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        Ok(Box::new(self.clone()))
    }

    async fn test(&self) -> Result<String, Fault> {
        Ok(String::new())
    }
}

#[async_trait]
impl Sink for Scripted {
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let outcome = |delivered: &Delivered| {
            let id = &delivered.context.message_id;
            let mut written = self.written.lock().unwrap();
            written.push(id.clone());
            let times = written.iter().filter(|known| *known == id).count();
            (self.script)(delivered, times)
        };
        batch.iter().map(outcome).collect()
    }
}

//! The `webhook` adapter: a source of what other systems POST to us.
//!
//! Promises: a sender's 200 means that its record is on the bus, confirmed (or filtered by a rule, or parked
//! for a person); nothing reaches the bus whose signature does not match; a delivery that is sent again
//! carries the same record id; the body reaches the bus byte for byte. A caller that waits for an answer has one within
//! its time: the flow's, or the fallback.
//! Does not promise: order (webhooks come as they come), nor that a delivery comes once; TLS is for the
//! proxy in front of it.
//!
//! A request's way is the list of files: [`server`] takes the connection, [`exchange`] turns a request into
//! an [`answer`], [`claim`] reads its headers as its sender's [`scheme`] says, [`signature`] proves it,
//! [`record`] makes records of it (of a [`cloud_event`] in its own way), and [`source`] joins the paths to the bus.
//! The README has the tables of options, schemes and statuses.

mod answer;
mod claim;
mod cloud_event;
mod exchange;
mod json;
mod moment;
mod options;
mod record;
mod scheme;
mod server;
pub mod signature;
mod source;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use trunkline_sdk::{Adapter, Description, Effect, Endpoint, Fault, Problem, Settings, System};

use crate::options::Policy;

/// The adapter, for the registry: [`Webhook::new`].
#[derive(Debug, Default)]
pub struct Webhook {
    limits: Limits,
}

/// What slow and numerous senders are held to. The defaults suit senders on the internet; a landscape has
/// no words for them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long the head of a request may take, and how long an idle connection is kept: 5 s.
    pub head: Duration,
    /// How long a body may take that arrives slower than 1 KiB/s: 5 s.
    pub slow_body: Duration,
    /// How long a body may take at all: 30 s.
    pub body: Duration,
    /// Open connections per system, at least 1: 512. Further ones are answered 503 and closed.
    pub connections: usize,
    /// Requests per system whose body is in memory, at least 1: 128, and fewer where `max_body` is large, so
    /// that all together hold at most 128 MiB. Further ones are answered 503.
    pub in_flight: usize,
}

static DESCRIPTION: Description = Description {
    name: "webhook",
    summary: "receives what other systems POST over HTTP, signed (Shopify, Stripe, GitHub, Standard Webhooks and others)",
    system: options::SYSTEM,
    source: Some(options::SOURCE),
    sink: None,
    // Says nothing: there is no sink.
    effect: Effect::Plain,
};

impl Webhook {
    /// The adapter.
    pub const fn new() -> Self {
        Self {
            limits: Limits::DEFAULT,
        }
    }

    /// The adapter with other limits.
    pub fn with(limits: Limits) -> Self {
        Self { limits }
    }
}

#[async_trait]
impl Adapter for Webhook {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        options::check(system, endpoints)
    }

    fn asks(&self, source: &Settings) -> bool {
        source.get("reply").is_some()
    }

    /// Listens at once: from here on a sender is answered, with 503 while no flow has opened its path.
    ///
    /// Faults: `Stop` where the address is taken or not ours to take; `Reopen` where the host has no such
    /// address yet.
    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault> {
        let policy = Policy::read(system)?;
        Ok(Box::new(
            source::Listening::open(policy, self.limits.clone(), home).await?,
        ))
    }
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Limits = Limits {
        head: Duration::from_secs(5),
        slow_body: Duration::from_secs(5),
        body: Duration::from_secs(30),
        connections: 512,
        in_flight: 128,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

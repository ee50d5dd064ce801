//! Systems that are asked over HTTP: a sink that sends a request per message, and a source that
//! asks again and again.
//!
//! Promises: a request goes to the configured host and to no other, and not to a private address unless that is allowed;
//! what became of a message is told truthfully: where an answer was lost, and a repeat could act twice, it is in doubt.
//! Not promised: HTTP/2, compression, cookies, proxies.
//!
//! The way of a message: a [`job`] makes a request of it, [`client`] asks in turn (see [`pace`]) and with proof of who we
//! are ([`token`]), over a [`wire`] whose connections [`dial`] opens; a [`verdict`] says what the answer means. The
//! way of a record: a [`source`] asks as its [`reading`] says, a [`page`] leads to the next, and [`progress`] knows what
//! is new.

mod address;
mod client;
mod dial;
mod graphql;
mod in_flight;
mod item;
mod job;
mod key;
mod mark;
mod options;
mod pace;
mod page;
mod progress;
mod reading;
mod retry_after;
mod sink;
mod site;
mod source;
mod template;
mod token;
mod url;
mod verdict;
mod wire;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU32},
};

use async_trait::async_trait;
use hyper::{HeaderMap, Method};
use trunkline_sdk::{
    Adapter, Description, Effect, Endpoint, Fault, Problem, Settings, Sink, Source, System, Used,
};

use crate::{
    client::Client,
    dial::Dialer,
    job::Job,
    reading::Reading,
    sink::HttpSink,
    site::Site,
    source::HttpSource,
    url::Url,
    wire::{Call, Trouble},
};

/// The adapter `http`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

const DESCRIPTION: Description = Description {
    name: "http",
    summary: "systems with an HTTP API: REST and GraphQL",
    system: options::SYSTEM,
    source: Some(options::SOURCE),
    sink: Some(options::SINK),
    // Of a sink that says nothing; see `effect`.
    effect: Effect::Plain,
};

#[async_trait]
impl Adapter for Http {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        let mut problems = Site::check(system);
        for endpoint in endpoints {
            match endpoint {
                Endpoint::Source { settings } => problems.extend(Reading::check(settings)),
                Endpoint::Sink { settings, shape } => problems.extend(Job::check(settings, *shape)),
            }
        }
        problems
    }

    fn uses(&self, _system: &Settings, sink: &Settings) -> Option<Vec<Used>> {
        Job::all_uses(sink)
    }

    fn effect(&self, _system: &Settings, sink: &Settings) -> Effect {
        Job::effect(sink)
    }

    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault> {
        let site = Site::read(system).map_err(|problems| refused(&problems))?;
        let ca = site.tls_ca.as_ref().map(|path| home.join(path));
        let dialer = Dialer::new(ca.as_deref(), site.allows_private)?;
        let client = Arc::new(Client::new(site, dialer));
        Ok(Box::new(HttpSystem {
            client,
            failures: Arc::default(),
        }))
    }
}

/// One configured system: what its flows share.
struct HttpSystem {
    client: Arc<Client>,
    /// How often in a row it could not be read.
    failures: Arc<AtomicU32>,
}

#[async_trait]
impl System for HttpSystem {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let reading = Reading::read(endpoint).map_err(|problems| refused(&problems))?;
        let (client, failures) = (self.client.clone(), self.failures.clone());
        Ok(Box::new(HttpSource::new(client, reading, failures)))
    }

    async fn sink(&self, flow: &str, endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        let job = Job::read(flow, endpoint).map_err(|problems| refused(&problems))?;
        Ok(Box::new(HttpSink::new(self.client.clone(), job)))
    }

    /// Asks for what is at `base_url`.
    async fn test(&self) -> Result<String, Fault> {
        let base = &self.client.site.base;
        let target = if base.target.is_empty() { "/" } else { &base.target };
        let call = Call {
            method: Method::GET,
            url: Url {
                origin: base.origin.clone(),
                target: target.to_owned(),
            },
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            is_repeatable: true,
        };
        let origin = &base.origin;
        let answer = self.client.ask(call).await.map_err(Trouble::fault)?;
        let status = answer.status.as_u16();
        match status {
            401 | 403 => Err(Fault::stop(format!("{origin} answers {status} to GET {target}"))
                .hint("are the credentials right?")),
            500.. => Err(Fault::retry(format!("{origin} answers {status} to GET {target}"))),
            _ => Ok(format!("{origin} answers {status} to GET {target}")),
        }
    }
}

/// Settings that `check` would have refused.
fn refused(problems: &[Problem]) -> Fault {
    let told: Vec<_> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.what))
        .collect();
    Fault::stop(told.join("; "))
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode, header};
    use proptest::prelude::*;
    use trunkline_sdk::{Position, Value};

    use crate::{
        graphql::Operation,
        mark::Mark,
        pace::read_rate,
        page::{Pager, Paging},
        progress::Progress,
        retry_after::retry_after,
        template::Template,
        url::Url,
    };

    proptest! {
        /// What stands in settings, and what a peer may say: whatever it is, nothing panics.
        #[test]
        fn any_text_is_read_or_refused(
            text in "(\\PC|[{}<>;,=\"$#%:/?.\\\\0-9TZ -]|next|rel|query|mutation|https://a){0,40}",
            size in 1_u64..,
        ) {
            let _ = Template::read(&text);
            let _ = Operation::read(&format!("query {text}"));
            let _ = (Url::read(&text), Url::read(&format!("https://{text}")));
            let _ = read_rate(&text);
            if let Some(mark) = Mark::read(&text) {
                prop_assert_eq!(Mark::read(&mark.text()), Some(mark.clone()));
                let _ = mark.since(None);
            }
            let _ = Progress::read(Some(&Position(text.clone().into_bytes().into())));
            let base = Url::read("https://a.example/v1/x?y=1").expect("a URL");
            if let Some(url) = base.join(&text) {
                prop_assert!(url.target.starts_with('/'));
            }
            let mut headers = HeaderMap::new();
            if let Ok(value) = header::HeaderValue::from_str(&text) {
                headers.insert(header::RETRY_AFTER, value.clone());
                headers.insert(header::LINK, value.clone());
                headers.insert(header::CONTENT_RANGE, value);
            }
            let _ = retry_after(&headers);
            let unit = "records".to_owned();
            for paging in [Paging::Link, Paging::Range { unit, size }] {
                let mut pager = Pager::new(Some(&paging), base.clone());
                let _ = pager.turn(StatusCode::PARTIAL_CONTENT, &headers, &Value::Null, 1, 1);
            }
        }
    }
}

//! Asks a system, as all its flows do: in turn, with proof of who we are, along redirects that stay on the host.
//!
//! Promises: credentials are sent to the configured host only; a token that is refused is fetched anew once; what the
//! system says about patience holds for all.

use std::time::Duration;

use hyper::{
    Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, LOCATION, USER_AGENT},
};
use tokio::sync::Semaphore;
use trunkline_sdk::Fault;

use crate::{
    pace::Pace,
    retry_after::retry_after,
    site::{Access, Site},
    token::Tokens,
    wire::{Answer, Call, Trouble, Wire},
};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// How long a system is left alone that answers 429 without saying how long.
const SHORT_HOLD: Duration = Duration::from_secs(1);

/// A system to ask, shared by its flows.
pub(crate) struct Client {
    pub(crate) site: Site,
    pub(crate) pace: Pace,
    wire: Wire,
    permits: Semaphore,
    proof: Proof,
}

enum Proof {
    None,
    Header(hyper::header::HeaderName, HeaderValue),
    Token(Box<Tokens>),
}

impl Client {
    pub(crate) fn new(mut site: Site, dialer: crate::dial::Dialer) -> Self {
        let proof = match std::mem::replace(&mut site.access, Access::Open) {
            Access::Open => Proof::None,
            Access::Header(name, value) => Proof::Header(name, value),
            Access::Token(grant) => Proof::Token(Box::new(Tokens::new(grant))),
        };
        Self {
            pace: Pace::new(site.interval),
            wire: Wire::new(dialer, site.timeout, site.max_answer, site.concurrency),
            permits: Semaphore::new(site.concurrency),
            proof,
            site,
        }
    }

    /// Sends a request and reads its answer, whatever that is, except for redirects, which are followed or refused.
    pub(crate) async fn ask(&self, mut call: Call) -> Result<Answer, Trouble> {
        let _permit = self.permits.acquire().await.expect("it is never closed");
        for (name, value) in &self.site.headers {
            call.headers.entry(name).or_insert_with(|| value.clone());
        }
        call.headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        call.headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        call.headers.entry(USER_AGENT).or_insert(AGENT);
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask_as_us(&mut call).await?;
            self.note_patience(&answer);
            if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
                return Ok(answer);
            }
            self.follow(&mut call, &answer)?;
        }
        Err(refuse(
            &call,
            format!("redirects more than {MOST_REDIRECTS} times"),
        ))
    }

    /// With proof of who we are; a second time if a token was refused.
    async fn ask_as_us(&self, call: &mut Call) -> Result<Answer, Trouble> {
        let tokens = match &self.proof {
            Proof::None => return self.ask_in_turn(call).await,
            Proof::Header(name, value) => {
                call.headers.insert(name, value.clone());
                return self.ask_in_turn(call).await;
            }
            Proof::Token(tokens) => tokens,
        };
        let token = tokens.get(&self.wire, None).await.map_err(Trouble::Unsent)?;
        call.headers.insert(AUTHORIZATION, token.header.clone());
        let answer = self.ask_in_turn(call).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = tokens
            .get(&self.wire, Some(&token))
            .await
            .map_err(Trouble::Unsent)?;
        call.headers.insert(AUTHORIZATION, token.header.clone());
        self.ask_in_turn(call).await
    }

    async fn ask_in_turn(&self, call: &Call) -> Result<Answer, Trouble> {
        if let Some(patience) = self.pace.held() {
            return Err(Trouble::Unsent(held(patience)));
        }
        self.pace.turn().await;
        self.wire.exchange(call).await
    }

    fn note_patience(&self, answer: &Answer) {
        let told = retry_after(&answer.headers);
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => drop(self.pace.hold(told.unwrap_or(SHORT_HOLD))),
            StatusCode::SERVICE_UNAVAILABLE => drop(told.map(|told| self.pace.hold(told))),
            _ => {}
        }
    }

    /// Turns the call to where a redirect leads.
    fn follow(&self, call: &mut Call, answer: &Answer) -> Result<(), Trouble> {
        let keeps_method = matches!(answer.status.as_u16(), 307 | 308);
        if !keeps_method && call.method != Method::GET {
            let what = format!(
                "redirects with {}, which would lose the request's body",
                answer.status.as_u16()
            );
            return Err(refuse(call, what));
        }
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(to) = location.and_then(|reference| call.url.join(reference)) else {
            return Err(refuse(call, "redirects to nowhere"));
        };
        if to.origin != call.url.origin {
            return Err(refuse(
                call,
                format!("redirects to {}, which is another host", to.origin),
            ));
        }
        call.url = to;
        Ok(())
    }
}

/// The system has asked for patience.
pub(crate) fn held(patience: Duration) -> Fault {
    Fault::wait("the system has asked for patience", patience)
}

/// A redirect is no sign that the peer has acted.
fn refuse(call: &Call, what: impl std::fmt::Display) -> Trouble {
    Trouble::Unsent(Fault::stop(format!("{} {what}", call.url.origin)).hint(
        "is `base_url` what the system's documentation says? redirects are followed on the same host only",
    ))
}

const AGENT: HeaderValue = HeaderValue::from_static(concat!("trunkline/", env!("CARGO_PKG_VERSION")));

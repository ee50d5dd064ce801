//! OAuth2 tokens (RFC 6749): fetched once for all flows of a system, kept until they expire or are refused.
//!
//! Promises: however many requests need a token at once, one of them fetches it; one that a system refused is fetched
//! anew once. Not promised: a refresh token that the server replaces is remembered beyond this process.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    HeaderMap, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use tokio::{sync::Mutex, time::Instant};
use trunkline_formats::json;
use trunkline_sdk::Fault;

use crate::{
    site::{Grant, basic},
    template::{find, text},
    url,
    wire::{Answer, Call, Trouble, Wire},
};

/// A token is fetched anew so long before it expires.
const MARGIN: Duration = Duration::from_secs(30);

/// The token of a system.
pub(crate) struct Tokens {
    grant: Grant,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// How many were fetched.
    number: u64,
    /// What the server gave in place of the configured one.
    refresh_token: Option<String>,
}

/// A token as it is sent.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    number: u64,
    expires: Option<Instant>,
}

impl Tokens {
    pub(crate) fn new(grant: Grant) -> Self {
        Self {
            grant,
            held: Mutex::default(),
        }
    }

    /// The token to send; `refused`: the one that the system did not take.
    /// Faults: `Stop` when we are refused, `Retry` when the server is away.
    pub(crate) async fn get(&self, wire: &Wire, refused: Option<&Token>) -> Result<Token, Fault> {
        let mut held = self.held.lock().await;
        if let Some(token) = &held.token {
            let is_refused = refused.is_some_and(|refused| refused.number == token.number);
            let is_fresh = token.expires.is_none_or(|expires| Instant::now() < expires);
            if !is_refused && is_fresh {
                return Ok(token.clone());
            }
        }
        // Who waits for the lock finds what is fetched now.
        let answer = wire
            .exchange(&self.call(held.refresh_token.as_deref()))
            .await
            .map_err(Trouble::fault)?;
        let (token, replaced) = self.read(&answer, held.number + 1)?;
        held.number += 1;
        held.token = Some(token.clone());
        held.refresh_token = replaced.or(held.refresh_token.take());
        Ok(token)
    }

    fn call(&self, replaced: Option<&str>) -> Call {
        let grant = &self.grant;
        let mut form = String::new();
        let mut push = |name: &str, value: &str| {
            if !form.is_empty() {
                form.push('&');
            }
            url::encode(name, &mut form);
            form.push('=');
            url::encode(value, &mut form);
        };
        match replaced.or(grant.refresh_token.as_deref()) {
            Some(token) => {
                push("grant_type", "refresh_token");
                push("refresh_token", token);
            }
            None => push("grant_type", "client_credentials"),
        }
        if let Some(scope) = &grant.scope {
            push("scope", scope);
        }
        for (name, value) in &grant.parameters {
            push(name, value);
        }
        let mut headers = HeaderMap::new();
        let secret = grant.client_secret.as_deref().filter(|_| !grant.in_body);
        match secret.map(|secret| credentials(&grant.client_id, secret)) {
            Some(value) => drop(headers.insert(AUTHORIZATION, value)),
            None => {
                push("client_id", &grant.client_id);
                if let Some(secret) = &grant.client_secret {
                    push("client_secret", secret);
                }
            }
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Call {
            method: Method::POST,
            url: grant.token_url.clone(),
            headers,
            body: Bytes::from(form),
            // A second token does no harm, but a refresh token may be good for one use only.
            is_repeatable: replaced.or(grant.refresh_token.as_deref()).is_none(),
        }
    }

    fn read(&self, answer: &Answer, number: u64) -> Result<(Token, Option<String>), Fault> {
        let origin = &self.grant.token_url.origin;
        let status = answer.status.as_u16();
        if matches!(status, 400..=407 | 410..=417) {
            return Err(
                Fault::stop(format!("{origin} gives no token: it answered {status}"))
                    .hint("look at `client_id`, its secret or the refresh token, and the scope"),
            );
        }
        let broken = || {
            Fault::retry(format!(
                "{origin} gives no token: it answered {status}, and not as RFC 6749 says"
            ))
        };
        let body = answer.body.as_ref().map_err(|_| broken())?;
        let tree = json::read(body).map_err(|_| broken())?;
        let word = |name| find(&tree, name).and_then(text);
        let token = word("access_token")
            .filter(|_| answer.status.is_success())
            .ok_or_else(broken)?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| broken())?;
        header.set_sensitive(true);
        let lives = word("expires_in")
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let token = Token {
            header,
            number,
            // One that lives shorter than the margin is used for half its life.
            expires: lives
                .and_then(|lives| Instant::now().checked_add(lives.saturating_sub(MARGIN).max(lives / 2))),
        };
        Ok((token, word("refresh_token").map(std::borrow::Cow::into_owned)))
    }
}

/// RFC 6749 section 2.3.1: both are encoded before they become user and password.
fn credentials(client: &str, secret: &str) -> HeaderValue {
    let (mut user, mut password) = (String::new(), String::new());
    url::encode(client, &mut user);
    url::encode(secret, &mut password);
    let mut value = HeaderValue::try_from(basic(&user, &password)).expect("base64 is fit for a header");
    value.set_sensitive(true);
    value
}

//! What the options of a system amount to.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use trunkline_sdk::{Options, Problem, Settings};

use crate::{address::is_public, options, pace, url::Url};

/// One configured system, as its settings have it.
pub(crate) struct Site {
    /// Its target ends without `/`.
    pub(crate) base: Url,
    pub(crate) access: Access,
    pub(crate) headers: HeaderMap,
    /// Between two requests.
    pub(crate) interval: Option<Duration>,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) max_answer: usize,
    pub(crate) tls_ca: Option<String>,
    pub(crate) allows_private: bool,
}

/// How we prove who we are.
pub(crate) enum Access {
    /// To anybody.
    Open,
    /// By a header that stays as it is.
    Header(HeaderName, HeaderValue),
    /// By a token that is fetched.
    Token(Grant),
}

/// How a token is asked for (RFC 6749).
pub(crate) struct Grant {
    pub(crate) token_url: Url,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
    /// The client's secret is sent in the body, not in the header.
    pub(crate) in_body: bool,
}

/// The words that say how we prove who we are.
const ACCESS: [&str; 4] = ["bearer", "basic", "api_key", "oauth2"];

/// Headers that are the connection's, or have an option of their own.
const OURS: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "upgrade",
    "expect",
    "accept-encoding",
    "authorization",
    "proxy-authorization",
    "range",
    "if-none-match",
];

const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const MAX_ANSWER: u64 = 64 << 20;

impl Site {
    /// Reads the settings, as `open` gets them; all that is wrong at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(options::SYSTEM, settings)?;
        let mut problems = check(settings, &options);
        let base = base(settings, &mut problems);
        let access = read_access(settings, &mut problems);
        let headers = read_headers(options.get("headers"), &mut problems);
        match (base, problems.is_empty()) {
            (Some(base), true) => Ok(Self {
                base,
                access,
                headers,
                interval: options.text("rate").and_then(pace::read_rate),
                concurrency: options.number("concurrency").map_or(4, |number| number as usize),
                timeout: options.duration("timeout").unwrap_or(Duration::from_secs(30)),
                max_answer: options.size("max_answer").unwrap_or(MAX_ANSWER) as usize,
                tls_ca: options.text("tls_ca").map(str::to_owned),
                allows_private: options.flag("allow_private"),
            }),
            _ => Err(problems),
        }
    }

    /// What the tables cannot say, before secrets are read.
    pub(crate) fn check(settings: &Settings) -> Vec<Problem> {
        let Ok(options) = Options::read(options::SYSTEM, settings) else {
            return Vec::new();
        };
        let mut problems = check(settings, &options);
        base(settings, &mut problems);
        if let Some(Ok(oauth2)) = options
            .get("oauth2")
            .map(|group| Options::read(options::OAUTH2, group))
        {
            read_url(oauth2.get("token_url"), "token_url", &mut problems);
        }
        read_headers(options.get("headers"), &mut problems);
        problems
    }
}

fn check(settings: &Settings, options: &Options<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = |name: &str| &settings.get(name).unwrap_or(settings).place;
    let entries = settings.entries().unwrap_or_default();
    let said: Vec<_> = entries
        .iter()
        .filter(|entry| ACCESS.contains(&entry.key.as_str()))
        .collect();
    if let [first, second, ..] = said.as_slice() {
        let what = format!("`{}` and `{}` exclude each other", first.key, second.key);
        problems
            .push(Problem::new(&second.place, what).hint("a system is asked with one proof of who we are"));
    }
    let token_url = settings.get("oauth2").and_then(|group| group.get("token_url"));
    for url in settings.get("base_url").into_iter().chain(token_url) {
        if let (Some(proof), false) = (said.first(), options.flag("allow_private"))
            && Url::read(text(url)).is_ok_and(|url| !url.origin.is_tls)
        {
            let what = format!("`{}` would go over the network in the clear", proof.key);
            problems.push(Problem::new(&url.place, what).hint("let the URL begin with `https://`"));
        }
    }
    if options
        .text("rate")
        .is_some_and(|rate| pace::read_rate(rate).is_none())
    {
        problems.push(
            Problem::new(place("rate"), "`rate` is no number of requests in a time")
                .hint("such as `5/s`, `300/m`, `5000/h` or `100000/d`; at most 100000"),
        );
    }
    if options
        .duration("timeout")
        .is_some_and(|timeout| !TIMEOUT.contains(&timeout))
    {
        problems.push(Problem::new(
            place("timeout"),
            "`timeout` must be from 100ms to 10m",
        ));
    }
    if options
        .size("max_answer")
        .is_some_and(|size| !(1..=MAX_ANSWER).contains(&size))
    {
        problems.push(
            Problem::new(place("max_answer"), "`max_answer` must be from 1B to 64MiB")
                .hint("an answer is in memory as a whole; ask for smaller pages"),
        );
    }
    problems
}

fn base(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Url> {
    let value = settings.get("base_url")?;
    let mut url = read_url(Some(value), "base_url", problems)?;
    if url.target.contains('?') {
        let hint = "a query belongs to the `path` of a flow";
        problems.push(Problem::new(&value.place, "`base_url` has a query").hint(hint));
        return None;
    }
    let allows_private = settings.get("allow_private").and_then(Settings::text) == Some("true");
    let host = url.origin.host.as_str();
    let is_private = host.parse().is_ok_and(|address| !is_public(address)) || host == "localhost";
    if is_private && !allows_private {
        problems.push(
            Problem::new(
                &value.place,
                "`base_url` is a private address, and such are not asked",
            )
            .hint("if it is meant to be, say `allow_private: true`"),
        );
        return None;
    }
    url.target.truncate(url.target.trim_end_matches('/').len());
    Some(url)
}

/// A URL that stands there; what stands elsewhere is known when the system is opened.
fn read_url(value: Option<&Settings>, name: &str, problems: &mut Vec<Problem>) -> Option<Url> {
    let value = value.filter(|value| value.reference().is_none())?;
    Url::read(text(value))
        .map_err(|what| {
            problems.push(
                Problem::new(&value.place, format!("`{name}` {what}"))
                    .hint("such as `https://api.example/v1`; user and password have options of their own"),
            );
        })
        .ok()
}

fn read_access(settings: &Settings, problems: &mut Vec<Problem>) -> Access {
    let mut refused = |value: &Settings, word: &str| {
        problems.push(Problem::new(
            &value.place,
            format!("`{word}` cannot be sent in a header"),
        ));
        Access::Open
    };
    let secret = |text: String| {
        HeaderValue::try_from(text).map(|mut value| {
            value.set_sensitive(true);
            value
        })
    };
    let get = |group: &Settings, name: &str| group.get(name).map(|value| text(value).to_owned());
    if let Some(token) = settings.get("bearer") {
        return match secret(format!("Bearer {}", text(token).trim())) {
            Ok(value) => Access::Header(hyper::header::AUTHORIZATION, value),
            Err(_) => refused(token, "bearer"),
        };
    }
    if let Some(group) = settings.get("basic") {
        let (user, password) = (get(group, "user"), get(group, "password"));
        let user = user.unwrap_or_default();
        return match secret(basic(&user, &password.unwrap_or_default())) {
            Ok(value) if !user.contains(':') => Access::Header(hyper::header::AUTHORIZATION, value),
            _ => refused(group, "basic"),
        };
    }
    if let Some(group) = settings.get("api_key") {
        let name = get(group, "header").unwrap_or_else(|| "x-api-key".to_owned());
        let value = get(group, "value").unwrap_or_default();
        return match (HeaderName::try_from(name), secret(value)) {
            (Ok(name), Ok(value)) => Access::Header(name, value),
            _ => refused(group, "api_key"),
        };
    }
    let Some(group) = settings.get("oauth2") else {
        return Access::Open;
    };
    let Some(token_url) = read_url(group.get("token_url"), "token_url", problems) else {
        return Access::Open;
    };
    let parameters = group
        .get("parameters")
        .and_then(Settings::entries)
        .unwrap_or_default();
    Access::Token(Grant {
        token_url,
        client_id: get(group, "client_id").unwrap_or_default(),
        client_secret: get(group, "client_secret"),
        refresh_token: get(group, "refresh_token"),
        scope: get(group, "scope"),
        parameters: parameters
            .iter()
            .map(|entry| (entry.key.clone(), text(&entry.value).to_owned()))
            .collect(),
        in_body: get(group, "client_auth").as_deref() == Some("body"),
    })
}

/// RFC 7617.
pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Headers as they stand.
fn read_headers(headers: Option<&Settings>, problems: &mut Vec<Problem>) -> HeaderMap {
    let mut read = HeaderMap::new();
    for entry in headers.and_then(Settings::entries).unwrap_or_default() {
        if let Some(name) = header_name(&entry.key, &entry.place, problems) {
            match HeaderValue::from_str(text(&entry.value)) {
                Ok(value) => drop(read.insert(name, value)),
                Err(_) => problems.push(Problem::new(
                    &entry.value.place,
                    format!("the value of `{}` cannot be sent in a header", entry.key),
                )),
            }
        }
    }
    read
}

/// A header that a user may set.
pub(crate) fn header_name(
    name: &str,
    place: &trunkline_sdk::Place,
    problems: &mut Vec<Problem>,
) -> Option<HeaderName> {
    match HeaderName::try_from(name) {
        Ok(header) if !OURS.contains(&header.as_str()) => Some(header),
        Ok(_) => {
            problems.push(
                Problem::new(place, format!("`{name}` is a header that is not set here")).hint(
                    "who we are is said by `bearer`, `basic`, `api_key` or `oauth2`; the rest is HTTP's own",
                ),
            );
            None
        }
        Err(_) => {
            problems.push(Problem::new(place, format!("`{name}` is no name of a header")));
            None
        }
    }
}

/// The text of a single value.
pub(crate) fn text(settings: &Settings) -> &str {
    settings.text().unwrap_or_default()
}

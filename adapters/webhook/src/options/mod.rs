//! The options of a webhook system and of the flows that read from it.

mod reply;
mod verify;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use trunkline_sdk::{Endpoint, Fault, Kind, Need, Opt, Options, Problem, Settings};

pub(crate) use reply::Replying;

use crate::{
    scheme::{Events, Scheme},
    signature::Keyring,
};

/// `systems: { shop: { webhook: { … } } }`.
pub(crate) const SYSTEM: &[Opt] = &[
    Opt {
        name: "listen",
        kind: Kind::Text,
        need: Need::Default("127.0.0.1:8080"),
        summary: "host:port to listen on; port 0 takes a free one, which the log names",
    },
    Opt {
        name: "verify",
        kind: Kind::OneOf(verify::VERIFY),
        need: Need::Required,
        summary: "how the sender proves itself: a scheme with its secret, or a list of secrets while one is replaced",
    },
    Opt {
        name: "public_url",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "what the sender's URL has before the path, for schemes that sign it: `https://hooks.acme.example`",
    },
    Opt {
        name: "max_body",
        kind: Kind::Size,
        need: Need::Default("1MiB"),
        summary: "the largest body taken, at most 16MiB; a larger one is answered 413",
    },
    Opt {
        name: "patience",
        kind: Kind::Duration,
        need: Need::Default("3500ms"),
        summary: "how long the bus may take to confirm before the sender is told to come again (503), 100ms to 25s",
    },
];

/// `from: { system: shop, path: /orders/create }`.
pub(crate) const SOURCE: &[Opt] = &[
    Opt {
        name: "path",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the path that senders POST to, such as `/orders/create`; one flow per path",
    },
    Opt {
        name: "reply",
        kind: Kind::Group(reply::REPLY),
        need: Need::Optional,
        summary: "the caller waits for what a flow answers over the bus: how long, and what it is told otherwise",
    },
];

const MAX_BODY: u64 = 16 << 20;
const PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(25);

/// What a system's options amount to.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Where to listen.
    pub(crate) listen: String,
    /// What the senders' requests look like.
    pub(crate) scheme: Scheme,
    /// What they are proven with; empty with `none`.
    pub(crate) keyring: Keyring,
    /// What the senders' URLs have before the path, without a slash at its end.
    pub(crate) public_url: Option<String>,
    /// The largest body, in bytes.
    pub(crate) max_body: usize,
    /// How long the bus may take.
    pub(crate) patience: Duration,
}

impl Policy {
    /// Reads the options; all that is wrong with them is one `Stop`.
    pub(crate) fn read(system: &Settings) -> Result<Self, Fault> {
        let options = Options::read(SYSTEM, system).map_err(|problems| refuse(&problems))?;
        let problems = check(system, &[]);
        let (Some(listen), Some(verify), Some(max_body), Some(patience), true) = (
            options.text("listen"),
            options.get("verify"),
            options.size("max_body"),
            options.duration("patience"),
            problems.is_empty(),
        ) else {
            return Err(refuse(&problems));
        };
        let (scheme, keyring) = verify::read(verify)?;
        Ok(Self {
            listen: listen.to_owned(),
            scheme,
            keyring,
            public_url: options
                .text("public_url")
                .map(|url| url.trim_end_matches('/').to_owned()),
            max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
            patience,
        })
    }
}

/// What the tables cannot say: see [`trunkline_sdk::Adapter::check`].
pub(crate) fn check(system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Ok(options) = Options::read(SYSTEM, system) {
        check_system(system, &options, &mut problems);
    }
    let mut taken: Vec<&str> = Vec::new();
    for endpoint in endpoints {
        let Endpoint::Source { settings } = endpoint else {
            continue;
        };
        if let Some(reply) = settings.get("reply") {
            problems.extend(reply::problems(reply));
            let scheme = system.get("verify").and_then(verify::scheme);
            if let Some(scheme) = scheme.filter(|scheme| scheme.events != Events::One) {
                problems.push(
                    Problem::new(
                        &reply.place,
                        format!(
                            "`{}` sends many events in one request, and one answer is none to them",
                            scheme.word
                        ),
                    )
                    .hint("leave `reply` out: the sender hears 200 when all are safe"),
                );
            }
        }
        let Some((value, path)) = settings
            .get("path")
            .and_then(|value| Some((value, value.text()?)))
        else {
            continue;
        };
        if let Some(what) = path_fault(path) {
            problems.push(
                Problem::new(&value.place, what)
                    .hint("a path is what follows the host in the sender's URL, such as `/orders/create`"),
            );
        } else if taken.contains(&path) {
            problems.push(
                Problem::new(
                    &value.place,
                    format!("path `{path}` is read by another flow of this system"),
                )
                .hint("give each flow a path of its own, or let one flow publish to a channel that several read"),
            );
        } else {
            taken.push(path);
        }
    }
    problems
}

fn check_system(system: &Settings, options: &Options<'_>, problems: &mut Vec<Problem>) {
    let place = |name: &str| &system.get(name).unwrap_or(system).place;
    let listen = options.text("listen").unwrap_or_default();
    let host = host(listen);
    // What a variable holds is shown nowhere: it may be the wrong one.
    let shown = match system.get("listen") {
        Some(value) if value.is_from_variable() => "…",
        _ => listen,
    };
    if host.is_none() {
        problems.push(
            Problem::new(
                place("listen"),
                format!("`listen` is `{shown}`, but must be host:port"),
            )
            .hint("such as `127.0.0.1:8080`, `[::1]:8080` or `0.0.0.0:8080`"),
        );
    }
    let public_url = options.text("public_url");
    if public_url.is_some_and(|url| !is_base(url)) {
        problems.push(
            Problem::new(
                place("public_url"),
                "`public_url` must be `https://`, a host, and a path at most",
            )
            .hint("what the sender's URL has before the path of a flow: `https://hooks.acme.example`"),
        );
    }
    if let Some(verify) = options.get("verify") {
        let listens = host.map(|host| (shown, !is_loopback(host)));
        problems.extend(verify::problems(verify, public_url.is_some(), listens));
    }
    if options
        .size("max_body")
        .is_some_and(|size| !(1..=MAX_BODY).contains(&size))
    {
        problems.push(
            Problem::new(place("max_body"), "`max_body` must be from 1B to 16MiB")
                .hint("a larger body does not fit on the bus"),
        );
    }
    if options
        .duration("patience")
        .is_some_and(|patience| !PATIENCE.contains(&patience))
    {
        problems.push(
            Problem::new(place("patience"), "`patience` must be from 100ms to 25s")
                .hint("senders wait 5 to 30 s for their answer; it must reach them before"),
        );
    }
}

/// What is wrong with a path.
fn path_fault(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("path `{path}` must start with `/`"));
    }
    path.chars()
        .find(|c| !c.is_ascii_graphic() || "?#\"<>\\^`{|}".contains(*c))
        .map(|wrong| {
            format!(
                "path `{path}` holds `{}`, which no path can",
                wrong.escape_default()
            )
        })
}

/// The path of a source's settings, and how its callers are answered where they wait for it. `home` is the landscape's
/// folder.
pub(crate) fn source(endpoint: &Settings, home: &Path) -> Result<(String, Option<Replying>), Fault> {
    let options = Options::read(SOURCE, endpoint).map_err(|problems| refuse(&problems))?;
    let path = options.text("path").unwrap_or_default();
    if let Some(what) = path_fault(path) {
        return Err(Fault::stop(what));
    }
    let reply = options.get("reply").map(|reply| Replying::read(reply, home));
    Ok((path.to_owned(), reply.transpose()?))
}

/// The host of `host:port`, where it is one.
fn host(listen: &str) -> Option<&str> {
    let (host, port) = listen.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    if host.starts_with('[') || host.contains(':') {
        listen.parse::<SocketAddr>().ok()?;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_[]:%".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then_some(host)
}

/// Whether paths can be put behind this URL.
fn is_base(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let plain = |c: char| c.is_ascii_graphic() && !"?#\"<>\\^`{|}@".contains(c);
        !rest.starts_with(['/', ':']) && !rest.is_empty() && rest.chars().all(plain)
    })
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

fn refuse(problems: &[Problem]) -> Fault {
    let told: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
    Fault::stop(format!("webhook: {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Entry;

    use super::*;
    use crate::scheme;

    fn system(pairs: &[(&str, &str)], verify: &[(&str, &str)]) -> Settings {
        let plain = Settings::of(pairs.iter().copied());
        let mut entries = plain.entries().expect("a map").to_vec();
        entries.push(Entry {
            key: "verify".into(),
            place: plain.place.clone(),
            value: Settings::of(verify.iter().copied()),
        });
        Settings::map(plain.place, entries)
    }

    fn told(system: &Settings, paths: &[&str]) -> Vec<String> {
        let settings: Vec<_> = paths.iter().map(|path| Settings::of([("path", *path)])).collect();
        let endpoints: Vec<_> = settings
            .iter()
            .map(|settings| Endpoint::Source { settings })
            .collect();
        check(system, &endpoints)
            .into_iter()
            .map(|problem| problem.what)
            .collect()
    }

    #[test]
    fn the_words_under_verify_are_the_rows_of_the_table() {
        let words: Vec<_> = verify::VERIFY.iter().map(|option| option.name).collect();
        let rows: Vec<_> = scheme::ROWS.iter().map(|row| row.word).collect();
        assert_eq!(words, rows);
    }

    #[test]
    fn unsigned_is_refused_unless_only_this_host_can_send() {
        for (listen, problems) in [
            ("127.0.0.1:0", 0),
            ("127.8.8.8:80", 0),
            ("[::1]:8080", 0),
            ("localhost:8080", 0),
            ("0.0.0.0:8080", 1),
            ("[::]:8080", 1),
            ("10.0.0.1:8080", 1),
            ("localhost.example:8080", 1),
            ("[::ffff:10.0.0.1]:80", 1),
        ] {
            let told = told(&system(&[("listen", listen)], &[("none", "true")]), &[]);
            assert_eq!(told.len(), problems, "{listen}: {told:?}");
        }
        assert_eq!(told(&system(&[], &[("none", "false")]), &[]).len(), 1);
    }

    #[test]
    fn everything_that_a_table_cannot_say_is_told_at_once() {
        // given
        let system = system(
            &[("listen", "8080"), ("max_body", "17MiB"), ("patience", "1m")],
            &[("shopify", "a secret")],
        );
        // when
        let told = told(
            &system,
            &["/orders", "orders", "/orders", "/a b", "/a?b=c", "/other"],
        );
        // then
        assert_eq!(told.len(), 7, "{told:#?}");
        assert!(!format!("{told:?}").contains("a secret"));
    }

    #[test]
    fn an_address_is_host_and_port() {
        for right in [
            "127.0.0.1:0",
            "localhost:80",
            "[::1]:8080",
            "shop-1.internal:65535",
        ] {
            assert!(host(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            ":80",
            "127.0.0.1",
            "127.0.0.1:65536",
            "::1:80",
            "[::1:80",
            "http://a:80",
            "a b:1",
        ] {
            assert!(host(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_policy_holds_what_was_set_and_the_defaults() {
        let policy = Policy::read(&system(&[("listen", "127.0.0.1:0")], &[("shopify", "hush-hush")]))
            .expect("these settings are right");
        assert_eq!(policy.max_body, 1 << 20);
        assert_eq!(policy.patience, Duration::from_millis(3500));
        assert_eq!(policy.scheme.word, "shopify");
        assert!(!format!("{policy:?}").contains("hush"));
    }
}

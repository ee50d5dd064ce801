//! A mail server and how to sign in there, as a system's settings say.
//!
//! Promises: nothing here ever quotes the URL, which may hold a password.

use std::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use lettre::message::Mailbox;
use trunkline_sdk::{Options, Problem, Settings};

use crate::{letter::Addressee, options::SYSTEM};

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const MAX_SIZE: RangeInclusive<u64> = 1 << 10..=32 << 20;

/// A mail server, and how to speak to it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) security: Security,
    pub(crate) timeout: Duration,
}

/// When a connection becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    StartTls,
    FromTheStart,
    Nothing,
}

/// What a system's options amount to.
pub(crate) struct Account {
    /// `None`: where it is stands elsewhere, and `check` does not know it.
    pub(crate) server: Option<Server>,
    pub(crate) from: Mailbox,
    pub(crate) max_size: usize,
}

/// `host:port`: for people, without user and password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Account {
    /// Reads the options; all that is wrong with them at once.
    pub(crate) fn read(system: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(SYSTEM, system)?;
        let mut problems = Vec::new();
        let timeout = options.duration("timeout").unwrap_or_default();
        if let Some(setting) = options.get("timeout").filter(|_| !TIMEOUT.contains(&timeout)) {
            problems.push(Problem::new(
                &setting.place,
                "`timeout` must be from 100ms to 10m",
            ));
        }
        let max_size = options.size("max_size").unwrap_or_default();
        if let Some(setting) = options.get("max_size").filter(|_| !MAX_SIZE.contains(&max_size)) {
            problems.push(Problem::new(
                &setting.place,
                "`max_size` must be from 1KiB to 32MiB",
            ));
        }
        let from = options.get("from").and_then(|from| sender(from, &mut problems));
        let url = options.get("url").filter(|url| url.reference().is_none());
        let server = url.and_then(|url| {
            let read = Server::read(&options, url.text().unwrap_or_default(), timeout);
            read.map_err(|(what, hint)| problems.push(Problem::new(&url.place, what).hint(hint)))
                .ok()
        });
        match from {
            Some(from) if problems.is_empty() => Ok(Self {
                server,
                from,
                max_size: usize::try_from(max_size).unwrap_or(usize::MAX),
            }),
            _ => Err(problems),
        }
    }
}

impl Server {
    fn read(options: &Options<'_>, url: &str, timeout: Duration) -> Result<Self, (String, &'static str)> {
        const HINT: &str = "`smtp://user@host:587` or `smtps://user@host:465`, where `@`, `/`, `:` and `%` inside a name or \
                            password are percent-encoded";
        let unreadable = || {
            (
                "`url` cannot be read as the URL of a mail server".to_owned(),
                HINT,
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(unreadable)?;
        let is_none = options.text("tls") == Some("none");
        let (security, port) = match scheme.to_ascii_lowercase().as_str() {
            "smtp" if is_none => (Security::Nothing, 587),
            "smtp" => (Security::StartTls, 587),
            "smtps" if is_none => {
                return Err((
                    "`tls: none` and `smtps://` contradict each other".to_owned(),
                    "write `smtp://`, or leave `tls` out",
                ));
            }
            "smtps" => (Security::FromTheStart, 465),
            _ => return Err(unreadable()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (account, place) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(account, place)| (Some(account), place));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, number)) if !number.ends_with(']') => (
                host,
                number
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(unreadable)?,
            ),
            _ => (place, port),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) if address.parse::<IpAddr>().is_ok() => address,
            None if is_host(host) => host,
            _ => return Err(unreadable()),
        };
        let (user, password) = match account {
            Some(account) => {
                let (user, password) = account
                    .split_once(':')
                    .map_or((account, None), |(user, password)| (user, Some(password)));
                let decode = |text: &str| decoded(text).ok_or_else(unreadable);
                (Some(decode(user)?), password.map(decode).transpose()?)
            }
            None => (None, None),
        };
        let password = match (options.text("password"), password) {
            (Some(_), Some(_)) => {
                return Err((
                    "`password` and the one in `url` are two".to_owned(),
                    "leave one of them out",
                ));
            }
            (Some(password), None) => Some(password.to_owned()),
            (None, password) => password,
        };
        match (&user, &password) {
            (None, Some(_)) => {
                return Err((
                    "`password` is there, but `url` names no user".to_owned(),
                    "`smtp://user@host:587`",
                ));
            }
            (Some(_), None) => {
                return Err((
                    "`url` names a user, but there is no password".to_owned(),
                    "set `password: ${NAME}`; a server that asks for no password needs no user",
                ));
            }
            (Some(_), Some(_)) if security == Security::Nothing && !is_loopback(host) => {
                return Err((
                    "with `tls: none` the password would go through the network in the clear".to_owned(),
                    "leave `tls` out; only a server on a loopback address gets a password in the clear",
                ));
            }
            _ => {}
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            user,
            password,
            security,
            timeout,
        })
    }
}

/// An address that is the same for every mail.
pub(crate) fn sender(setting: &Settings, problems: &mut Vec<Problem>) -> Option<Mailbox> {
    let read = Addressee::read(setting.text().unwrap_or_default()).ok();
    let mailbox = read.and_then(|addressee| addressee.constant());
    if mailbox.is_none() {
        problems.push(
            Problem::new(&setting.place, "`from` is no mail address")
                .hint("`shop@acme.example` or `Acme Shop <shop@acme.example>`, the same for all mails"),
        );
    }
    mailbox
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Percent-encoding undone; `None`: it is wrong, or no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (bytes, rest) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(*high)? * 16 + digit(*low)?;
                bytes.push(u8::try_from(byte).ok()?);
                (bytes, tail)
            }
            (b'%', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                (bytes, tail)
            }
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: (&str, &str) = ("from", "Acme <shop@acme.example>");

    fn read(pairs: &[(&str, &str)]) -> Result<Account, Vec<String>> {
        let system = Settings::of([FROM].into_iter().chain(pairs.iter().copied()));
        Account::read(&system).map_err(|problems| {
            problems
                .into_iter()
                .map(|problem| format!("{problem:?}"))
                .collect()
        })
    }

    #[test]
    fn a_url_names_a_server_its_user_and_how_it_is_encrypted() {
        for (url, shown, user, security) in [
            (
                "smtp://mail.example",
                "mail.example:587",
                None,
                Security::StartTls,
            ),
            (
                "smtps://mail.example/",
                "mail.example:465",
                None,
                Security::FromTheStart,
            ),
            (
                "smtp://svc%40x:s3%3Acret@[::1]:25",
                "[::1]:25",
                Some("svc@x"),
                Security::StartTls,
            ),
        ] {
            let account = read(&[("url", url)]).unwrap_or_else(|told| panic!("{url}: {told:?}"));
            let server = account.server.expect("it is known");
            assert_eq!(
                (
                    server.to_string().as_str(),
                    server.user.as_deref(),
                    server.security
                ),
                (shown, user, security)
            );
            assert!(user.is_none() || server.password.as_deref() == Some("s3:cret"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_server_is_told_without_its_password() {
        for pairs in [
            &[("url", "s3cret")][..],
            &[("url", "http://svc:s3cret@mail.example")],
            &[("url", "smtp://svc:s3cret@mail.example:0")],
            &[("url", "smtp://svc:s3cret@mail example")],
            &[("url", "smtp://svc:s3cret%zz@mail.example")],
            &[("url", "smtp://svc:s3cret@mail.example"), ("password", "s3cret")],
            &[("url", "smtp://svc@mail.example")],
            &[("url", "smtp://mail.example"), ("password", "s3cret")],
            &[("url", "smtps://svc:s3cret@mail.example"), ("tls", "none")],
            &[("url", "smtp://svc:s3cret@mail.example"), ("tls", "none")],
            &[("url", "smtp://mail.example"), ("timeout", "1ms")],
            &[("url", "smtp://mail.example"), ("max_size", "1GiB")],
        ] {
            let told = read(pairs).err().expect("it is wrong");
            assert_eq!(told.len(), 1, "{told:#?}");
            assert!(!told[0].contains("s3cret"), "{told:#?}");
        }
        assert!(read(&[("url", "smtp://svc:s3cret@127.0.0.1"), ("tls", "none")]).is_ok());
    }
}

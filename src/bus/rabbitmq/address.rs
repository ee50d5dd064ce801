//! Where the broker is: the URL of a landscape's `bus:`, taken apart.
//!
//! `amqp://user:password@host-1:5672,host-2:5672/vhost?heartbeat=10s`; `amqps` for TLS. Several hosts are the
//! nodes of one cluster, tried in turn. Promises: no error and no `Debug` of this module shows the password.

use std::{fmt, time::Duration};

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use trunkline_sdk::{Fault, nearest, parse_duration};

/// A broker, or the nodes of a cluster, and whom we are there.
#[derive(Clone)]
pub(super) struct Address {
    scheme: AMQPScheme,
    user: String,
    password: String,
    hosts: Vec<(String, u16)>,
    vhost: String,
    heartbeat: Duration,
}

/// A broker that says nothing for twice as long is taken for gone.
const HEARTBEAT: Duration = Duration::from_secs(10);
const OPTIONS: [&str; 1] = ["heartbeat"];
const SHAPE: &str = "write it as `amqp://user:password@host:5672/vhost`, or `amqps://…` for TLS";

impl Address {
    /// Takes a URL apart. Faults: [`trunkline_sdk::Remedy::Stop`], saying which part is wrong.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::stop(format!("the bus's URL {what}")).hint(SHAPE);
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong("has no `amqp://` or `amqps://` before it".to_owned()))?;
        let scheme = match scheme {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            other => return Err(wrong(format!("begins with `{other}://`"))),
        };
        if rest.rfind('@') > rest.find(['/', '?']) && rest.contains(['/', '?']) {
            let what = "has a `/`, `?` or `@` that would begin another part".to_owned();
            let hint = "in user, password and vhost write `%2f` for `/`, `%3f` for `?` and `%40` for `@`";
            return Err(wrong(what).hint(hint));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let vhost = match path {
            None | Some("") => "/".to_owned(),
            Some(path) if path.contains('/') => {
                return Err(wrong("has a `/` in its vhost: write `%2f` for it".to_owned()));
            }
            Some(path) => decode(path).ok_or_else(|| wrong("has a vhost that is no text".to_owned()))?,
        };
        let default_port = scheme.default_port();
        let hosts = hosts
            .split(',')
            .map(|text| host(text, default_port))
            .collect::<Result<Vec<_>, _>>()
            .map_err(&wrong)?;
        let mut heartbeat = HEARTBEAT;
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if name != "heartbeat" {
                let hint = match nearest(name, OPTIONS) {
                    Some(near) => format!("did you mean `{near}`? options: `heartbeat`"),
                    None => "options: `heartbeat`".to_owned(),
                };
                return Err(Fault::stop(format!("the bus's URL has the unknown option `{name}`")).hint(hint));
            }
            heartbeat = parse_duration(value)
                .filter(|time| (1..=3600).contains(&time.as_secs()))
                .ok_or_else(|| {
                    Fault::stop("`heartbeat` of the bus's URL is no time between 1s and 1h")
                        .hint("write it with its unit: `heartbeat=10s`")
                })?;
        }
        Ok(Self {
            scheme,
            user: decode(user).ok_or_else(|| wrong("has a user that is no text".to_owned()))?,
            password: decode(password).ok_or_else(|| wrong("has a password that is no text".to_owned()))?,
            hosts,
            vhost,
            heartbeat,
        })
    }

    /// Number `attempt` of the nodes, in turn: what lapin connects to, with frames of at most `frame_max` bytes, and its
    /// name for people.
    pub(super) fn node(&self, attempt: usize, frame_max: u32) -> (AMQPUri, String) {
        let (host, port) = &self.hosts[attempt % self.hosts.len()];
        let uri = AMQPUri {
            scheme: self.scheme.clone(),
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.user.clone(),
                    password: self.password.clone(),
                },
                host: host.clone(),
                port: *port,
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: u16::try_from(self.heartbeat.as_secs()).ok(),
                frame_max: Some(frame_max),
                ..AMQPQueryString::default()
            },
        };
        (uri, format!("{host}:{port}"))
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.hosts.len()
    }

    /// As whom we connect.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// As whom we connect, with the password: for the management API only, never shown.
    pub(super) fn credentials(&self) -> (&str, &str) {
        (&self.user, &self.password)
    }

    /// The first host.
    pub(super) fn host(&self) -> &str {
        self.hosts.first().map_or("localhost", |(host, _)| host)
    }

    /// Whether it is reached by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == AMQPScheme::AMQPS
    }

    /// The virtual host.
    pub(super) fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// As people write it, without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|(host, port)| match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            })
            .collect();
        let vhost = match self.vhost.as_str() {
            "/" => "",
            vhost => vhost,
        };
        write!(f, "{scheme}://{}@{}/{vhost}", self.user, hosts.join(","))
    }
}

/// Shows everything but the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?}/{}", self.user, self.hosts, self.vhost)
    }
}

pub(super) fn host(text: &str, default_port: u16) -> Result<(String, u16), String> {
    // An IPv6 address stands in brackets, for it has colons of its own.
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    let port = match port {
        None => default_port,
        Some(port) => port
            .parse()
            .map_err(|_| format!("has a port of `{host}` that is no number up to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

/// Undoes percent-encoding; `None`: what comes out is no UTF-8, or a `%` has no two hex digits behind it.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but letters, digits and `-._~`.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_nodes_of_a_cluster_and_who_we_are() {
        // given
        let url = "amqps://trunk%40:p%2Fw@rabbit-1,rabbit-2:5673,[::1]:5674/%2fprod?heartbeat=20s";
        // when
        let address = Address::parse(url).unwrap();
        // then
        assert_eq!((address.user(), address.vhost()), ("trunk@", "/prod"));
        let nodes: Vec<_> = (0..4).map(|attempt| address.node(attempt, 4096).1).collect();
        assert_eq!(
            nodes,
            ["rabbit-1:5671", "rabbit-2:5673", "::1:5674", "rabbit-1:5671"]
        );
        assert_eq!(address.node(0, 4096).0.query.heartbeat, Some(20));
    }

    #[test]
    fn a_wrong_url_is_refused_by_its_part_without_its_password() {
        for (url, why) in [
            ("rabbit", "no `amqp://`"),
            ("http://u:s3cret@h/", "begins with `http://`"),
            ("amqp://u:s3cret@/v", "no host"),
            ("amqp://u:s3cret@h:99999/v", "port of `h`"),
            ("amqp://u:s3cret@h/a/b", "`%2f`"),
            ("amqp://u:a/s3cret@h", "would begin another part"),
            ("amqp://u:1,a/s3cret@h/v", "would begin another part"),
            ("amqp://u:a?s3cret@h/v", "would begin another part"),
            ("amqp://u:s3cret%zz@h/", "password that is no text"),
            ("amqp://u:s3cret@h/?hartbeat=1s", "unknown option `hartbeat`"),
            ("amqp://u:s3cret@h/?heartbeat=soon", "`heartbeat`"),
        ] {
            let fault = Address::parse(url).unwrap_err();
            assert!(fault.what.contains(why), "{url}: {fault}");
            assert!(!fault.to_string().contains("s3cret"), "{fault}");
        }
        let address = Address::parse("amqp://u:s3cret@h/v").unwrap();
        assert!(!format!("{address:?}").contains("s3cret"));
        assert_eq!(address.to_string(), "amqp://u@h:5672/v");
    }
}

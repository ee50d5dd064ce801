//! Where the broker is: the URL of a landscape's `bus:`, taken apart.
//!
//! `amqp://user:password@host-1:5672,host-2:5672/vhost?heartbeat=10s`; `amqps` for TLS. Several hosts are the
//! nodes of one cluster, tried in turn. The options behind the `?` have the names that RabbitMQ's own clients know:
//! `heartbeat`; `cacertfile`, `certfile` and `keyfile`, paths from the landscape's folder; `auth_mechanism=external`
//! where the certificate takes the place of a password. Promises: no error and no `Debug` of this module shows the
//! password.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use trunkline_sdk::{Fault, nearest, parse_duration};

use super::tls::Tls;

/// A broker, or the nodes of a cluster, and whom we are there.
#[derive(Clone)]
pub(super) struct Address {
    /// `None`: without TLS.
    tls: Option<Tls>,
    /// The broker knows us by our certificate, not by the password.
    external: bool,
    user: String,
    password: String,
    hosts: Vec<(String, u16)>,
    vhost: String,
    heartbeat: Duration,
}

/// A broker that says nothing for twice as long is taken for gone; and the broker so takes us, and gives what we held
/// to others.
const HEARTBEAT: Duration = Duration::from_secs(5);
const OPTIONS: [&str; 5] = ["heartbeat", "cacertfile", "certfile", "keyfile", "auth_mechanism"];
/// Those that name files.
const FILES: [&str; 3] = ["cacertfile", "certfile", "keyfile"];
const SHAPE: &str = "write it as `amqp://user:password@host:5672/vhost`, or `amqps://…` for TLS";

impl Address {
    /// Takes a URL apart. Faults: [`trunkline_sdk::Remedy::Stop`], saying which part is wrong.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::stop(format!("the bus's URL {what}")).hint(SHAPE);
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong("has no `amqp://` or `amqps://` before it".to_owned()))?;
        let is_tls = match scheme {
            "amqp" => false,
            "amqps" => true,
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
        let default_port = if is_tls { 5671 } else { 5672 };
        let hosts = hosts
            .split(',')
            .map(|text| host(text, default_port))
            .collect::<Result<Vec<_>, _>>()
            .map_err(&wrong)?;
        let options = Options::parse(query)?;
        if options.external && authority.rsplit_once('@').is_none() {
            let what = "has `auth_mechanism=external` and no user".to_owned();
            return Err(wrong(what).hint("write the user that the certificate names: `amqps://stock@host/…`"));
        }
        Ok(Self {
            tls: options.tls(is_tls)?,
            external: options.external,
            user: decode(user).ok_or_else(|| wrong("has a user that is no text".to_owned()))?,
            password: decode(password).ok_or_else(|| wrong("has a password that is no text".to_owned()))?,
            hosts,
            vhost,
            heartbeat: options.heartbeat,
        })
    }

    /// Number `attempt` of the nodes, in turn: what lapin connects to, with frames of at most `frame_max` bytes, and its
    /// name for people.
    pub(super) fn node(&self, attempt: usize, frame_max: u32) -> (AMQPUri, String) {
        let (host, port) = &self.hosts[attempt % self.hosts.len()];
        let uri = AMQPUri {
            // TLS is the link's: it needs more than a URL can say.
            scheme: AMQPScheme::AMQP,
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
                auth_mechanism: self.external.then_some(SASLMechanism::External),
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

    /// How it is reached by TLS; `None`: without.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The virtual host.
    pub(super) fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// As people write it, without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "amqps" } else { "amqp" };
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

/// What stands behind the `?`.
struct Options {
    heartbeat: Duration,
    external: bool,
    /// In the order of [`FILES`].
    files: [Option<PathBuf>; 3],
}

impl Options {
    fn parse(query: &str) -> Result<Self, Fault> {
        let mut options = Self {
            heartbeat: HEARTBEAT,
            external: false,
            files: [const { None }; 3],
        };
        for (name, value) in pairs(query) {
            let wrong = |what: &str| Fault::stop(format!("`{name}` of the bus's URL {what}"));
            if let Some(file) = FILES.iter().position(|file| *file == name) {
                let path = decode(value)
                    .filter(|path| !path.is_empty())
                    .ok_or_else(|| wrong("names no file"))?;
                options.files[file] = Some(path.into());
                continue;
            }
            match (name, value) {
                ("heartbeat", value) => {
                    options.heartbeat = parse_duration(value)
                        .filter(|time| (1..=3600).contains(&time.as_secs()))
                        .ok_or_else(|| {
                            wrong("is no time between 1s and 1h")
                                .hint("write it with its unit: `heartbeat=10s`")
                        })?;
                }
                ("auth_mechanism", "plain") => options.external = false,
                ("auth_mechanism", "external") => options.external = true,
                ("auth_mechanism", _) => {
                    return Err(wrong("is neither `plain` nor `external`")
                        .hint("`external`: the broker takes the user from our certificate"));
                }
                _ => {
                    let near = nearest(name, OPTIONS).map(|near| format!("did you mean `{near}`? "));
                    return Err(
                        Fault::stop(format!("the bus's URL has the unknown option `{name}`")).hint(format!(
                            "{}options: `{}`",
                            near.unwrap_or_default(),
                            OPTIONS.join("`, `")
                        )),
                    );
                }
            }
        }
        Ok(options)
    }

    /// Whether the options of TLS make sense together.
    fn tls(&self, is_tls: bool) -> Result<Option<Tls>, Fault> {
        let [authorities, certificate, key] = self.files.clone();
        if !is_tls {
            return match FILES.iter().zip(&self.files).find(|(_, file)| file.is_some()) {
                Some((name, _)) => Err(needs_tls(name)),
                None if self.external => Err(needs_tls("auth_mechanism=external")),
                None => Ok(None),
            };
        }
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) if self.external => {
                return Err(Fault::stop(
                    "`auth_mechanism=external` of the bus's URL needs a certificate of ours",
                )
                .hint("name it: `certfile=client.pem&keyfile=client.key`"));
            }
            (None, None) => None,
            (certificate, _) => {
                let (there, missing) = match certificate {
                    Some(_) => ("certfile", "keyfile"),
                    None => ("keyfile", "certfile"),
                };
                return Err(
                    Fault::stop(format!("the bus's URL has `{there}`, but no `{missing}`")).hint(
                        "a certificate and its key go together: `certfile=client.pem&keyfile=client.key`",
                    ),
                );
            }
        };
        Ok(Some(Tls {
            authorities,
            identity,
        }))
    }
}

fn needs_tls(option: &str) -> Fault {
    Fault::stop(format!("`{option}` of the bus's URL is of use with TLS only"))
        .hint("begin the URL with `amqps://`; RabbitMQ has TLS on port 5671")
}

/// The options behind the `?`, as they are written.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|option| option.split_once('=').unwrap_or((option, "")))
}

/// The URL with the paths in it made to begin at `home`; as it is, if it names no files.
pub(super) fn at_home(url: &str, home: &Path) -> String {
    let Some((rest, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let options: Vec<_> = pairs(query)
        .map(|(name, value)| match decode(value) {
            Some(path) if FILES.contains(&name) => {
                format!("{name}={}", encode(&home.join(path).to_string_lossy()))
            }
            _ => format!("{name}={value}"),
        })
        .collect();
    format!("{rest}?{}", options.join("&"))
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
    fn the_files_of_a_url_are_found_from_the_landscapes_folder() {
        // given
        let url = "amqps://stock@h/v?cacertfile=tls/our%20ca.pem&heartbeat=20s&certfile=/etc/c.pem&keyfile=c.key\
                   &auth_mechanism=external";
        // when
        let address = Address::parse(&at_home(url, Path::new("/home/shop"))).unwrap();
        // then
        let tls = Tls {
            authorities: Some("/home/shop/tls/our ca.pem".into()),
            identity: Some(("/etc/c.pem".into(), "/home/shop/c.key".into())),
        };
        assert_eq!(address.tls(), Some(&tls));
        let query = address.node(0, 4096).0.query;
        assert_eq!(query.auth_mechanism, Some(SASLMechanism::External));
        assert_eq!(query.heartbeat, Some(20));
        let plain = "amqp://guest:guest@h/v";
        assert_eq!(at_home(plain, Path::new("/home/shop")), plain);
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
            ("amqp://u:s3cret@h/?cacertfile=ca.pem", "with TLS only"),
            ("amqp://u:s3cret@h/?auth_mechanism=external", "with TLS only"),
            ("amqps://u:s3cret@h/?cacertfile=", "names no file"),
            ("amqps://u:s3cret@h/?certfile=c.pem", "no `keyfile`"),
            ("amqps://u:s3cret@h/?keyfile=c.key", "no `certfile`"),
            (
                "amqps://u:s3cret@h/?auth_mechanism=external",
                "needs a certificate",
            ),
            (
                "amqps://u:s3cret@h/?auth_mechanism=scram",
                "neither `plain` nor `external`",
            ),
            (
                "amqps://h/?auth_mechanism=external&certfile=c&keyfile=k",
                "no user",
            ),
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

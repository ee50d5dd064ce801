//! The options of a database and of a sink into it, and the URL that names the database.
//!
//! Promises: nothing here ever quotes the URL, which may hold a password.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use tokio_postgres::config::Host;
use trunkline_sdk::{Kind, Need, Opt, nearest};

use crate::statement::Dialect;

/// The options of a system.
pub(crate) const SYSTEM: &[Opt] = &[
    Opt {
        name: "url",
        kind: Kind::Url,
        need: Need::Required,
        summary: "the database: `sqlite:./stock.db` (relative to the landscape's folder) or \
                  `postgres://user:password@host:port/database`",
    },
    Opt {
        name: "password",
        kind: Kind::Secret,
        need: Need::Optional,
        summary: "the password, instead of one in `url`; PostgreSQL only",
    },
    Opt {
        name: "tls_ca",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "a file of root certificates (PEM), instead of the system's, that the server's certificate must lead \
                  to; with `sslmode=require` in `url`",
    },
    Opt {
        name: "create",
        kind: Kind::File,
        need: Need::Optional,
        summary: "a file of SQL that makes the database where there is no file yet, and against which `check` prepares \
                  the statements of sinks; SQLite only, ignored for servers",
    },
    Opt {
        name: "timeout",
        kind: Kind::Duration,
        need: Need::Default("30s"),
        summary: "how long to wait for a connection, for a lock and for one statement",
    },
];

/// The options of a sink.
pub(crate) const SINK: &[Opt] = &[
    Opt {
        name: "statement",
        kind: Kind::Text,
        need: Need::Required,
        summary: "one SQL statement; `:name` is the field `name` of the message, `:buyer.email` a field within a \
                  field",
    },
    Opt {
        name: "expect_rows",
        kind: Kind::Number(0, i64::MAX),
        need: Need::Optional,
        summary: "how many rows the statement must change; with any other number nothing is changed and the \
                  message is parked",
    },
];

/// Which database a URL names.
#[derive(Clone)]
pub(crate) enum Location {
    /// A file, as written: relative to the landscape's folder.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<tokio_postgres::Config>),
}

/// Why a URL names no database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) what: String,
    pub(crate) hint: String,
}

const SCHEMES: [&str; 3] = ["sqlite", "postgres", "postgresql"];

impl Location {
    /// Reads a URL.
    pub(crate) fn read(url: &str, password: Option<&str>) -> Result<Self, Unreadable> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", ""));
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Self::sqlite(rest, password),
            "postgres" | "postgresql" => Self::postgres(url, password),
            // Only a word before `://` is surely no part of a password.
            _ if rest.starts_with("//") && scheme.chars().all(|c| c.is_ascii_alphabetic()) => {
                let near = nearest(scheme, SCHEMES)
                    .map(|near| format!("did you mean `{near}`? "))
                    .unwrap_or_default();
                Err(Unreadable {
                    what: format!("`url` is of a kind that is not known: `{scheme}`"),
                    hint: format!("{near}known: `sqlite:./file.db`, `postgres://user@host:port/database`"),
                })
            }
            _ => Err(Unreadable {
                what: "`url` does not say what kind of database it is".to_owned(),
                hint: "begin it with `sqlite:` or `postgres://`".to_owned(),
            }),
        }
    }

    /// In whose grammar its statements are.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Location::Sqlite(_) => Dialect::Sqlite,
            Location::Postgres(_) => Dialect::Postgres,
        }
    }

    fn sqlite(rest: &str, password: Option<&str>) -> Result<Self, Unreadable> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path == ":memory:" {
            return Err(Unreadable {
                what: "`url` names no file".to_owned(),
                hint: "write `sqlite:./file.db`; a database in memory would lose what was confirmed"
                    .to_owned(),
            });
        }
        if password.is_some() {
            return Err(Unreadable {
                what: "`password` has no meaning for SQLite".to_owned(),
                hint: "leave it out".to_owned(),
            });
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    fn postgres(url: &str, password: Option<&str>) -> Result<Self, Unreadable> {
        let Ok(mut config) = tokio_postgres::Config::from_str(url) else {
            return Err(Unreadable {
                what: "`url` cannot be read as a PostgreSQL URL".to_owned(),
                hint: "`postgres://user:password@host:port/database?option=value`, where `@`, `/`, `:`, `?`, `#` and \
                       `%` inside a name or password are percent-encoded; `sslmode` is `disable`, `prefer` or \
                       `require`, which verifies"
                    .to_owned(),
            });
        };
        if config.get_hosts().is_empty() {
            return Err(Unreadable {
                what: "`url` names no host".to_owned(),
                hint: "`postgres://user@host:port/database`".to_owned(),
            });
        }
        if let Some(password) = password {
            config.password(password);
        }
        Ok(Self::Postgres(Box::new(config)))
    }
}

/// `stock.db`, `host:5432/database`: for people, without user and password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match self {
            Location::Sqlite(path) => return write!(f, "{}", path.display()),
            Location::Postgres(config) => config,
        };
        for (at, host) in config.get_hosts().iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(host) => f.write_str(host)?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
            let ports = config.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            write!(f, ":{port}")?;
        }
        match config.get_dbname() {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

/// The longest wait of a [`SYSTEM`]'s `timeout` that both databases can express in milliseconds.
pub(crate) const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        for (url, shown) in [
            ("sqlite:./stock.db", "./stock.db"),
            ("sqlite:///var/lib/stock.db", "/var/lib/stock.db"),
            ("sqlite:stock.db", "stock.db"),
            ("postgres://svc:pw@db.example:6432/shop", "db.example:6432/shop"),
            ("postgresql://svc@a,b/shop", "a:5432,b:5432/shop"),
            ("postgres://svc:p%40w@[::1]/shop", "::1:5432/shop"),
        ] {
            let location = Location::read(url, None).unwrap_or_else(|flaw| panic!("{url}: {flaw:?}"));
            assert_eq!(location.to_string(), shown);
        }
    }

    #[test]
    fn no_refusal_of_a_url_shows_its_password() {
        for url in [
            "",
            "s3cret",
            "svc:s3cret@db/shop",
            "s3cret://",
            "mysql://svc:s3cret@db/shop",
            "postgress://svc:s3cret@db/shop",
            "postgres://svc:s3cret@db:port/shop",
            "postgres://svc:s3cret@db/shop?sslmode=verify-full",
            "postgres://db?s3cret=1",
            "postgres:///shop?password=s3cret",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let flaw = Location::read(url, None)
                .err()
                .unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(!format!("{flaw:?}").contains("s3cret"), "{url}: {flaw:?}");
        }
    }

    #[test]
    fn a_mistyped_scheme_is_answered_with_the_one_that_was_meant() {
        let flaw = Location::read("postgress://a@b/c", None).err().unwrap();
        assert!(flaw.hint.contains("did you mean `postgres`?"), "{}", flaw.hint);
    }
}

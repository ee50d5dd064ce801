//! The `smtp` adapter: a sink that sends a mail per message.
//!
//! Promises: a value of a message adds no header, no recipient and no markup to a mail; a mail is reported as sent when the
//! server took it, as refused when it did not, and as in doubt only when the connection was lost after the whole mail and
//! before the answer (level E4: the flow says `in_doubt: park` or `repeat`); a mail that is repeated has the same
//! Message-ID. Not promised: that a mail reaches anybody; the server took it, and what bounces later comes by mail.
//!
//! [`account`] and [`draft`] read the settings. The path of a message: [`template`] fills the texts, [`letter`] makes a
//! mail of them, [`sink`] hands it to the [`conversation`] with the server, which reads each [`reply`]. Of lettre only the
//! mail itself is taken (headers, MIME, encodings): its asynchronous connections read a line without end into memory, set
//! a time limit only to connecting, and keep what was said before TLS.

mod account;
mod conversation;
mod draft;
mod letter;
mod options;
mod reply;
mod shape;
mod sink;
mod template;
mod tls;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use trunkline_sdk::{
    Adapter, Description, Effect, Endpoint, Fault, Problem, Settings, Sink, Source, System, Used,
};

use crate::{
    account::{Account, Security},
    sink::{Outgoing, SmtpSink, Taken},
};

/// The adapter `smtp`, for the registry: [`Smtp::new`].
#[derive(Debug, Default)]
pub struct Smtp {
    taken: OnceLock<Arc<Taken>>,
}

static DESCRIPTION: Description = Description {
    name: "smtp",
    summary: "sends a mail per message, by SMTP",
    system: options::SYSTEM,
    source: None,
    sink: Some(options::SINK),
    effect: Effect::Plain,
};

/// The largest template in a file, in bytes.
const LONGEST_TEMPLATE: u64 = 1 << 20;

impl Smtp {
    /// The adapter; it has sent nothing yet.
    pub const fn new() -> Self {
        Self {
            taken: OnceLock::new(),
        }
    }
}

#[async_trait]
impl Adapter for Smtp {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        draft::check(system, endpoints)
    }

    fn uses(&self, _system: &Settings, sink: &Settings) -> Option<Vec<Used>> {
        draft::uses(sink)
    }

    /// Connects to nothing: a server that is away keeps no flow from starting.
    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault> {
        let account = Account::read(system).map_err(|problems| refused(&problems))?;
        let server = account
            .server
            .clone()
            .ok_or_else(|| Fault::stop("smtp: `url` was not read from where it stands"))?;
        let ca = system
            .get("tls_ca")
            .and_then(Settings::text)
            .map(|path| home.join(path));
        let taken = self.taken.get_or_init(Arc::default).clone();
        Ok(Box::new(Post {
            outgoing: Arc::new(Outgoing::new(server, ca.as_deref(), taken)?),
            account,
            home: home.to_owned(),
        }))
    }
}

/// One mail server, as one sender uses it.
struct Post {
    outgoing: Arc<Outgoing>,
    account: Account,
    home: PathBuf,
}

#[async_trait]
impl System for Post {
    async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        Err(Fault::stop("smtp: there is nothing to read"))
    }

    async fn sink(&self, flow: &str, endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        let file = |setting: &Settings| {
            let path = setting.text().unwrap_or_default();
            read(&self.home.join(path)).map(Some).map_err(|_| {
                format!("`{path}` cannot be read as a text of at most 1MiB, from the landscape's folder")
            })
        };
        let letter = draft::letter(endpoint, Some(&self.account), None, &file)
            .map_err(|problems| refused(&problems))?
            .ok_or_else(|| Fault::stop("smtp: the mail has no sender or no subject"))?;
        Ok(Box::new(SmtpSink {
            outgoing: self.outgoing.clone(),
            flow: flow.to_owned(),
            letter,
        }))
    }

    /// Connects, encrypts and signs in.
    async fn test(&self) -> Result<String, Fault> {
        let server = self.outgoing.server();
        self.outgoing.connect().await?.close().await;
        let security = match server.security {
            Security::StartTls => "encrypted by STARTTLS",
            Security::FromTheStart => "encrypted from the start",
            Security::Nothing => "in the clear",
        };
        let user = match &server.user {
            Some(_) => "signed in",
            None => "without a user",
        };
        Ok(format!("mail server {server} answers, {security}, {user}"))
    }

    async fn close(&self) {
        self.outgoing.close().await;
    }
}

/// The text of a template's file.
fn read(path: &Path) -> std::io::Result<Arc<str>> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    file.take(LONGEST_TEMPLATE + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LONGEST_TEMPLATE {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(text.into()),
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

//! How a session is opened: connected, limited in its waits, with its inbox, its statements prepared.
//!
//! Promises: what can never work (user, rights, table, syntax) shows here, before the first message.

use futures_util::future::join;
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Config, Error, NoTls, Socket, Statement,
    tls::{MakeTlsConnect, TlsConnect},
};
use trunkline_sdk::{Fault, Remedy};

use super::{GRACE, Postgres, fault, tls};
use crate::sink::{Job, inbox_table};

const INBOX: &str = inbox_table!("timestamptz NOT NULL DEFAULT now()");
const CLAIM: &str = "INSERT INTO trunkline_inbox (flow, message_id) SELECT $1, unnest($2::text[]) \
                     ON CONFLICT DO NOTHING RETURNING message_id";
/// Off means that a crash of the server takes back what it has confirmed.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";
/// A request that should have been inside a transaction and is not, because its BEGIN was cancelled, must not commit
/// by itself: an id in the inbox without its effect would be a lost message.
const GUARD: &str = "SET default_transaction_read_only = on";

/// A connection, ready for the statement of one sink.
pub(crate) struct Session {
    pub(super) client: Client,
    pub(super) claim: Statement,
    pub(super) statement: Statement,
    /// Carries the bytes; ends with the session.
    connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Postgres {
    pub(super) async fn client(&self, name: &str) -> Result<(Client, JoinHandle<()>), Fault> {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name(name);
        }
        match &self.tls {
            Some(tls) => self.connect_over(&config, tls.clone()).await,
            None => self.connect_over(&config, NoTls).await,
        }
    }

    async fn connect_over<T>(&self, config: &Config, tls: T) -> Result<(Client, JoinHandle<()>), Fault>
    where
        T: MakeTlsConnect<
                Socket,
                Stream: Send + 'static,
                TlsConnect: Send + TlsConnect<Socket, Future: Send>,
            > + Send,
    {
        let (client, connection) = tokio::time::timeout(self.timeout + GRACE, config.connect(tls))
            .await
            .map_err(|_| self.silent())?
            .map_err(|error| self.at_connect(error))?;
        let connection = tokio::spawn(async move {
            // Its error comes out of the request that was under way, too.
            let _ = connection.await;
        });
        Ok((client, connection))
    }

    pub(super) async fn prepare(&self, job: &Job) -> Result<Session, Fault> {
        let (client, connection) = self.client(&format!("trunkline {}", job.flow)).await?;
        let timeout = self.timeout.as_millis();
        let limits = format!(
            "SET statement_timeout = {timeout}; SET lock_timeout = {timeout}; \
             SET idle_in_transaction_session_timeout = {timeout}"
        );
        client
            .batch_execute(&limits)
            .await
            .map_err(|error| self.at_open(error))?;
        client
            .batch_execute(DURABLE)
            .await
            .map_err(|error| self.at_open(error))?;
        self.make_inbox(&client).await?;
        client
            .batch_execute(GUARD)
            .await
            .map_err(|error| self.at_open(error))?;
        let (claim, statement) = join(client.prepare(CLAIM), client.prepare(&job.statement.text)).await;
        let claim = claim.map_err(|error| self.without_inbox(error))?;
        let statement = statement.map_err(|error| self.at_prepare(error, "statement"))?;
        if statement.params().len() != job.statement.parameters.len() {
            return Err(
                Fault::stop("PostgreSQL sees other parameters in the statement than Trunkline")
                    .hint("write parameters as `:name` only"),
            );
        }
        Ok(Session {
            client,
            claim,
            statement,
            connection,
        })
    }

    /// Creates the inbox if it is missing. Two processes may do so at once: the slower finds it made.
    async fn make_inbox(&self, client: &Client) -> Result<(), Fault> {
        let is_there = async || {
            client
                .query_one("SELECT to_regclass('trunkline_inbox') IS NOT NULL", &[])
                .await
                .and_then(|row| row.try_get::<_, bool>(0))
                .map_err(|error| self.at_open(error))
        };
        if is_there().await? {
            return Ok(());
        }
        match client.batch_execute(INBOX).await {
            Ok(()) => Ok(()),
            Err(_) if is_there().await? => Ok(()),
            Err(error) => Err(self.without_inbox(error)),
        }
    }

    pub(super) fn without_inbox(&self, error: Error) -> Fault {
        let fault = self.at_open(error);
        match fault.remedy {
            Remedy::Stop => Fault {
                what: format!(
                    "the table `trunkline_inbox` cannot be created or written: {}",
                    fault.what
                ),
                ..fault
            }
            .hint(format!(
                "have its owner run: {INBOX}; and grant INSERT and SELECT on it to the user of `url`"
            )),
            _ => fault,
        }
    }

    /// The session could not be had; no message was at hand.
    fn at_connect(&self, error: Error) -> Fault {
        match error.code() {
            Some(_) => self.at_open(error),
            None if tls::is_refusal(&error) => {
                Fault::stop(format!("PostgreSQL at `{}` speaks no TLS, or its certificate is not trusted", self.shown))
                    .hint("name its certificate authority with `tls_ca`; the host in `url` must be the one in the certificate")
                    .because(error)
            }
            None => Fault::reopen(format!("PostgreSQL at `{}` cannot be reached", self.shown))
                .hint("is it running, and are host and port in `url` right?")
                .because(error),
        }
    }

    pub(super) fn at_open(&self, error: Error) -> Fault {
        let fault = fault::classify(&error, &self.shown);
        let fault = match fault.remedy {
            Remedy::DeadLetter => Fault {
                remedy: Remedy::Stop,
                ..fault
            },
            Remedy::Retry | Remedy::Wait => Fault {
                remedy: Remedy::Reopen,
                ..fault
            },
            _ => fault,
        };
        fault.because(error)
    }

    /// Here the server's words can quote only the settings. `option`: the one that holds the refused text.
    pub(super) fn at_prepare(&self, error: Error, option: &str) -> Fault {
        match error.as_db_error() {
            Some(refusal)
                if fault::is_about_the_statement(refusal.code()) && !fault::is_outdated(refusal) =>
            {
                let (message, code) = (refusal.message(), refusal.code().code());
                Fault::stop(format!("`{option}` is refused by PostgreSQL: {message} ({code})"))
                    .hint(format!("mend `{option}`, or the tables in `{}`", self.shown))
                    .because(error)
            }
            _ => self.at_open(error),
        }
    }
}

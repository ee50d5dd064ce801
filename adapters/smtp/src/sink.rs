//! A flow's mails, one after the other through the connection that all flows of a system share.
//!
//! Promises: a mail that a server took from this process is not sent there again for the same flow and message, as long as
//! it is among the last [`REMEMBERED`]; while the server is away a batch tries it once. Not promised: that of another process,
//! or of this one before a restart: SMTP knows no idempotency key, so the flow says what becomes of a mail in doubt.

use std::{
    collections::{HashSet, VecDeque},
    path::Path,
    sync::{Arc, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::Mutex;
use trunkline_sdk::{Body, Delivered, Fault, Outcome, Sink};

use crate::{
    account::Server,
    conversation::{Conversation, Verdict},
    letter::{Letter, Mail},
    tls::Tls,
};

/// So many mails that were taken are known, for messages that come again.
const REMEMBERED: usize = 10_000;

/// A mail server, with the connection to it.
pub(crate) struct Outgoing {
    server: Server,
    tls: Option<Tls>,
    /// Kept between mails; one mail at a time has it for itself.
    conversation: Mutex<Option<Conversation>>,
    taken: Arc<Taken>,
}

/// The last mails that were taken, for all systems of a process: one that is opened anew knows them still.
#[derive(Debug, Default)]
pub(crate) struct Taken(std::sync::Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Outgoing {
    /// Connects to nothing yet. Faults: `Stop`, where the roots of `tls_ca` cannot be used.
    pub(crate) fn new(server: Server, ca: Option<&Path>, taken: Arc<Taken>) -> Result<Self, Fault> {
        let tls = match server.security {
            crate::account::Security::Nothing => None,
            _ => Some(Tls::new(&server.host, ca)?),
        };
        Ok(Self {
            server,
            tls,
            conversation: Mutex::default(),
            taken,
        })
    }

    /// A new connection, for a look.
    pub(crate) async fn connect(&self) -> Result<Conversation, Fault> {
        Conversation::open(&self.server, self.tls.as_ref()).await
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Gives up the connection.
    pub(crate) async fn close(&self) {
        if let Some(conversation) = self.conversation.lock().await.take() {
            conversation.close().await;
        }
    }

    async fn send(&self, key: &str, mail: &Mail) -> Outcome {
        let mut held = self.conversation.lock().await;
        if self.taken.contains(key) {
            return Outcome::AlreadyThere(None);
        }
        let (mut conversation, mut is_kept) = match held.take() {
            Some(conversation) => (conversation, true),
            None => match self.connect().await {
                Ok(conversation) => (conversation, false),
                Err(fault) => return Outcome::NotTried(fault),
            },
        };
        // Where this is dropped half-way, the connection is with it: nobody goes on in the middle of a mail.
        let verdict = loop {
            let verdict = conversation.deliver(mail).await;
            if matches!(verdict, Verdict::NotTried(_)) && is_kept {
                // A server closes connections that were idle; and it has not got the mail.
                is_kept = false;
                conversation = match self.connect().await {
                    Ok(conversation) => conversation,
                    Err(fault) => return Outcome::NotTried(fault),
                };
                continue;
            }
            break verdict;
        };
        if !conversation.is_spent() {
            *held = Some(conversation);
        }
        match verdict {
            Verdict::Taken => {
                self.taken.remember(key);
                Outcome::Applied(None)
            }
            Verdict::Rejected(fault) => Outcome::Rejected(fault),
            Verdict::NotTried(fault) => Outcome::NotTried(fault),
            Verdict::InDoubt(fault) => Outcome::InDoubt(fault),
        }
    }
}

impl Taken {
    fn contains(&self, key: &str) -> bool {
        self.known().keys.contains(key)
    }

    fn remember(&self, key: &str) {
        let known = &mut *self.known();
        if known.order.len() == REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.keys.remove(&oldest);
        }
        let key: Arc<str> = key.into();
        known.keys.insert(key.clone());
        known.order.push_back(key);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Only ever changed as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mails of one flow.
pub(crate) struct SmtpSink {
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) flow: String,
    pub(crate) letter: Letter,
}

impl SmtpSink {
    async fn one(&self, delivered: &Delivered) -> Outcome {
        let id = &delivered.context.message_id;
        let Body::Value(record) = &delivered.record.body else {
            return Outcome::Rejected(
                Fault::dead_letter("the message is bytes, not fields")
                    .hint("let a step `translate` make a message of it"),
            );
        };
        match self.letter.write(record, &self.flow, id) {
            Ok(mail) => {
                let key = format!("{} {} {} {id}", self.outgoing.server, mail.from, self.flow);
                self.outgoing.send(&key, &mail).await
            }
            Err(fault) => Outcome::Rejected(fault),
        }
    }
}

#[async_trait]
impl Sink for SmtpSink {
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(batch.len());
        for delivered in batch {
            let away = match outcomes.last() {
                // Each of the others would wait for the server as long.
                Some(Outcome::NotTried(fault) | Outcome::InDoubt(fault)) => Some(again(fault)),
                Some(Outcome::Rejected(fault)) if fault.remedy == trunkline_sdk::Remedy::Stop => {
                    Some(again(fault))
                }
                _ => None,
            };
            outcomes.push(match away {
                Some(fault) => Outcome::NotTried(fault),
                None => self.one(delivered).await,
            });
        }
        outcomes
    }
}

/// The same fault for a further message; the library's error stays with the first.
fn again(fault: &Fault) -> Fault {
    Fault {
        remedy: fault.remedy,
        what: fault.what.clone(),
        hint: fault.hint.clone(),
        retry_after: fault.retry_after,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_mails_that_were_taken_the_last_are_known() {
        let taken = Taken::default();
        for number in 0..=REMEMBERED {
            taken.remember(&number.to_string());
        }
        assert!(!taken.contains("0") && taken.contains("1") && taken.contains("10000"));
        let known = taken.known();
        assert_eq!((known.keys.len(), known.order.len()), (REMEMBERED, REMEMBERED));
    }
}

//! What went wrong, and what is to be done about it.

use std::{error::Error, fmt, time::Duration};

/// What Trunkline does about a [`Fault`]. The adapter knows the system, so the adapter decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// May pass by itself (timeout, deadlock, 500): try this message again later; counts as an attempt.
    Retry,
    /// The system asks for patience (429, 503 with `Retry-After`): wait; not an attempt.
    Wait,
    /// The connection is gone: open the system again, then go on; not an attempt.
    Reopen,
    /// This message will never be accepted (a constraint, 422): park it, with this fault as its cause.
    DeadLetter,
    /// No message would be accepted (credentials refused, table missing): stop the flow and call a person.
    Stop,
}

/// What went wrong, with its remedy. `what` and `hint` never hold a secret, nor a value from a record.
#[derive(Debug)]
pub struct Fault {
    /// What is to be done.
    pub remedy: Remedy,
    /// What went wrong, where; lower-case, no full stop.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// How long the system asked us to wait, with [`Remedy::Wait`].
    pub retry_after: Option<Duration>,
    /// The library's error behind it; for `debug!` only, it may quote values.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with this remedy.
    pub fn new(remedy: Remedy, what: impl Into<String>) -> Self {
        Self {
            remedy,
            what: what.into(),
            hint: None,
            retry_after: None,
            source: None,
        }
    }

    /// [`Remedy::Retry`].
    pub fn retry(what: impl Into<String>) -> Self {
        Self::new(Remedy::Retry, what)
    }

    /// [`Remedy::Wait`], as long as the system asked for.
    pub fn wait(what: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(Remedy::Wait, what)
        }
    }

    /// [`Remedy::Reopen`].
    pub fn reopen(what: impl Into<String>) -> Self {
        Self::new(Remedy::Reopen, what)
    }

    /// [`Remedy::DeadLetter`].
    pub fn dead_letter(what: impl Into<String>) -> Self {
        Self::new(Remedy::DeadLetter, what)
    }

    /// [`Remedy::Stop`].
    pub fn stop(what: impl Into<String>) -> Self {
        Self::new(Remedy::Stop, what)
    }

    /// Says how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the library's error.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

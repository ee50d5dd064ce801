//! The field rules of buf.validate: compiled from the descriptors at load, checked over the encoded bytes of a message.
//!
//! Promised: all violations of a message at once (so many that a person reads them), each with the path of its field
//! and the rule it breaks, and never with a value; a message whose type has no rules, its parts included, costs
//! nothing; parts without rules are not looked into; whatever the bytes, checking ends. A rule that cannot be compiled
//! is a problem at load.
//!
//! Not promised: predefined rules (rules that a `.proto` file defines as extensions), which are refused at load; `now`
//! in `cel` rules, which the language does not know; that what a `cel` rule says of a value is shown, for it may hold
//! the value; that texts are UTF-8, where a rule does not need to know.

#[cfg(test)]
mod cases;
mod cel;
mod compile;
mod constraints;
pub(crate) mod formats;
mod gather;
mod known;
mod options;
mod pattern;
mod plan;
mod prune;
mod quick;
mod required;
mod test;
mod texts;
mod walk;

use std::{fmt, time::SystemTime};

use prost_reflect::{FileDescriptor, MessageDescriptor};
use trunkline_sdk::Fault;

use super::wire::Broken;
pub(crate) use options::{of_field as stated, of_message as stated_of};
pub use required::{has_rules, is_required, is_required_oneof};

/// How many violations of one message are told; the rest are counted.
pub const TOLD: usize = 32;

/// The compiled rules of one message type and of all it holds.
#[derive(Debug)]
pub struct Rules {
    messages: Vec<plan::Message>,
    /// Whether one of them is about now.
    is_timed: bool,
}

/// A rule that a message breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field: `lines[1].quantity`; of an entry of a map its number, for its key is a value: `labels[#2]`. Empty:
    /// the whole message.
    pub path: String,
    /// The rule: `uint32.gt`, `required`, or what a `cel` rule calls itself.
    pub rule: String,
    /// What it asks for.
    pub what: String,
}

/// The rules that a message breaks, and how many more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// Those that are told, at most [`TOLD`].
    pub told: Vec<Violation>,
    /// How many more there are.
    pub more: usize,
}

/// A rule that cannot be compiled.
#[derive(Debug)]
pub struct Wrong {
    /// The file that states it.
    pub file: FileDescriptor,
    /// The path of the field or message in it.
    pub path: Vec<i32>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Rules {
    /// Compiles the rules of a message type; `None`: it has none, nor has what it holds.
    pub fn compile(message: &MessageDescriptor) -> Result<Option<Self>, Vec<Wrong>> {
        compile::compile(message)
    }

    /// What is wrong with the rules of these message types, and of those they hold.
    pub fn wrong(messages: Vec<MessageDescriptor>) -> Vec<Wrong> {
        compile::wrong(messages)
    }

    /// Checks an encoded message of the type; `now` is what `lt_now` and `within` are measured by, and is asked for
    /// by rules like these alone.
    pub fn check(&self, bytes: &[u8], now: impl FnOnce() -> SystemTime) -> Result<Violations, Broken> {
        let now = if self.is_timed { nanos(now()) } else { 0 };
        let glance = quick::Glance {
            messages: &self.messages,
            now,
        };
        if glance.obeys(0, bytes) {
            return Ok(Violations::default());
        }
        walk::check(&self.messages, bytes, now)
    }
}

/// Nanoseconds since 1970.
fn nanos(now: SystemTime) -> i128 {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos),
    }
}

impl Violations {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// As the one fault of its message.
    #[cold]
    pub fn into_fault(self) -> Fault {
        Fault::dead_letter(self.to_string())
            .hint("mend the record where it comes from, or the mapping that makes the message of it")
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, violation) in self.told.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "; " })?;
            violation.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "{path}: {}", self.what),
        }
    }
}

//! What a flow remembers of its messages: kept when the message is settled, in the same transaction where the engine has
//! one, and forgotten by itself.
//!
//! Promises: what is remembered of a message that was settled outlives a crash; of one that was not settled nothing is.
//! Not promised: that two processes share it where the store is a folder of each.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use jiff::Timestamp;

use crate::names::FlowName;

/// What a memo is about: a flow, one of its steps, a key of the step's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemoKey(String);

impl MemoKey {
    /// The key of a step, told from others of its flow by `step`. However long the parts, it is short.
    pub fn of(flow: &FlowName, step: &str, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(step.len() as u64).to_le_bytes());
        hasher.update(step.as_bytes());
        hasher.update(key.as_bytes());
        Self(format!("{flow}/{}", &hasher.finalize().to_hex()[..32]))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to be remembered of a message when it is settled.
#[derive(Debug)]
pub struct Memo {
    /// What it is about.
    pub key: MemoKey,
    /// What is remembered.
    pub value: Bytes,
    /// Until when.
    pub until: Timestamp,
    /// Until then its key is under way.
    pub(crate) _turn: Option<Turn>,
}

impl Memo {
    /// It, to be written; the turn of its key goes on.
    pub(crate) fn written(&self) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value.clone(),
            until: self.until,
            _turn: None,
        }
    }
}

/// The keys whose first message is under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashSet<MemoKey>>);

/// The turn of one key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<Turns>,
    key: MemoKey,
}

impl Turns {
    /// Takes the turn of a key; `None`: another message has it.
    pub(crate) fn take(self: &Arc<Self>, key: &MemoKey) -> Option<Turn> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(key.clone()).then(|| Turn {
            of: self.clone(),
            key: key.clone(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_others_and_has_one_turn_at_a_time() {
        let flow = FlowName::new("once").unwrap();
        let key = MemoKey::of(&flow, "a", "bc");
        assert_ne!(key, MemoKey::of(&flow, "ab", "c"));
        let turns = Arc::new(Turns::default());
        let turn = turns.take(&key);
        assert!(turn.is_some() && turns.take(&key).is_none());
        drop(turn);
        assert!(turns.take(&key).is_some());
    }
}

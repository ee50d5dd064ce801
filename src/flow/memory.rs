//! What the steps of a flow remember while they work on one message.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use trunkline_sdk::Fault;

use crate::bus::{Bus, Memo, MemoKey, Turns};

/// Of two with one key the second comes again after this: by then the first is mostly settled.
const MOMENT: Duration = Duration::from_secs(1);

/// The memory of one flow, as one message meets it.
pub(crate) struct Memory<'m> {
    pub(super) bus: &'m dyn Bus,
    pub(super) turns: &'m Arc<Turns>,
    /// To be kept when the message is settled.
    pub(super) memos: Vec<Memo>,
}

/// Whether a message is the first of its key.
pub(super) enum Place {
    First,
    Repeat,
    /// That is not known before this time, for another is under way.
    Unknown(Timestamp),
}

impl Memory<'_> {
    /// Whether this message is the first of this key; if so, that is remembered for so long from when it is settled.
    pub(super) async fn place(&mut self, key: MemoKey, within: Duration) -> Result<Place, Fault> {
        let now = Timestamp::now();
        let after = |time: Duration| now.saturating_add(time).unwrap_or(Timestamp::MAX);
        // The turn first: whoever has it may be about to leave its mark.
        let turn = self.turns.take(&key);
        if self.bus.recall(&key).await?.is_some() {
            return Ok(Place::Repeat);
        }
        let Some(turn) = turn else {
            return Ok(Place::Unknown(after(MOMENT)));
        };
        self.memos.push(Memo {
            key,
            value: Bytes::new(),
            until: after(within),
            _turn: Some(turn),
        });
        Ok(Place::First)
    }
}

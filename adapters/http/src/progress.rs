//! What a source has read: how far, and which records.
//!
//! Promises: what is stored is small however much was read; a record that is not remembered comes again, under the same
//! id. The reading goes on from behind a mark only when nothing before it can have been passed over.

use std::collections::HashSet;

use bytes::Bytes;
use jiff::Timestamp;
use trunkline_formats::json;
use trunkline_sdk::{Fault, Position, Value};

use crate::{
    mark::Mark,
    template::{find, text},
};

/// So many records are remembered in a stored position.
const MOST_STORED: usize = 1000;

/// How one record is written there.
const DIGITS: usize = 16;

/// How far the reading is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Behind it something may be new.
    pub(crate) mark: Option<Mark>,
    /// What was sent, or was there when the list was last read.
    known: HashSet<u64>,
    /// The last of them, in the order in which they came, as they are stored.
    tail: String,
    /// The greatest mark of a list that was long enough to change while it was read.
    candidate: Option<Mark>,
}

/// One reading of the list, from its first page to its last.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) pages: usize,
    pub(crate) fresh: usize,
    seen: Vec<u64>,
    high: Option<Mark>,
    /// Something new lies before what the reading before had come to: it had been passed over.
    has_late: bool,
}

impl Progress {
    /// Reads a stored position. Faults: `Stop` when it is not one that this adapter wrote.
    pub(crate) fn read(position: Option<&Position>) -> Result<Self, Fault> {
        let Some(position) = position else {
            return Ok(Self::default());
        };
        let read = json::read(&position.0).ok().and_then(|tree| {
            let tail = find(&tree, "seen").and_then(text)?.into_owned();
            let mark = match find(&tree, "mark")? {
                Value::Null => None,
                value => Some(Mark::read(&text(value)?)?),
            };
            let digits = tail.as_bytes().chunks(DIGITS);
            let known = digits.map(|digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
            Some(Self {
                mark,
                known: known.collect::<Option<_>>()?,
                tail,
                candidate: None,
            })
        });
        read.ok_or_else(|| {
            Fault::stop("the stored position is not one of an HTTP source")
                .hint("the flow read from another kind of system before; reset its position")
        })
    }

    /// As it is stored; `mark`: in place of the one that holds.
    pub(crate) fn position(&self, mark: Option<&Mark>) -> Position {
        let mark = match mark.or(self.mark.as_ref()) {
            Some(mark) => Value::Text(mark.text().into()),
            None => Value::Null,
        };
        let from = self.tail.len().saturating_sub(MOST_STORED * DIGITS);
        let tree = Value::Object(vec![
            ("mark".into(), mark),
            ("seen".into(), Value::Text(self.tail[from..].into())),
        ]);
        Position(Bytes::from(json::write(&tree)))
    }

    /// Takes notice of a record. True: it is new, and is to be sent.
    pub(crate) fn meet(&mut self, pass: &mut Pass, record: u64, mark: Option<&Mark>) -> bool {
        pass.seen.push(record);
        if !self.known.insert(record) {
            return false;
        }
        pass.fresh += 1;
        pass.has_late |= mark
            .zip(self.candidate.as_ref())
            .is_some_and(|(mark, candidate)| mark <= candidate);
        self.remember(record);
        true
    }

    /// The list was read to its end.
    pub(crate) fn finish(&mut self, pass: Pass) {
        // On one page nothing can move to another while it is read; and where nothing was new, nothing has moved.
        let is_sure = pass.pages <= 1 || pass.fresh == 0;
        let sure = if is_sure {
            pass.high.clone()
        } else {
            self.candidate.take().filter(|_| !pass.has_late)
        };
        self.advance(sure);
        self.candidate = pass.high.filter(|_| !is_sure);
        self.tail.clear();
        let rest = pass.seen.len().saturating_sub(MOST_STORED);
        for record in &pass.seen[rest..] {
            self.remember(*record);
        }
        self.known = pass.seen.into_iter().collect();
    }

    fn advance(&mut self, mark: Option<Mark>) {
        if let Some(mark) = mark
            && self.mark.as_ref().is_none_or(|held| mark > *held)
        {
            self.mark = Some(mark);
        }
    }

    fn remember(&mut self, record: u64) {
        if self.tail.len() >= 2 * MOST_STORED * DIGITS {
            self.tail.drain(..MOST_STORED * DIGITS);
        }
        self.tail.push_str(&format!("{record:016x}"));
    }
}

impl Pass {
    /// A record has this mark. Errors: it cannot be compared with those of others.
    pub(crate) fn reach(&mut self, mark: &Mark, now: Timestamp) -> Result<(), ()> {
        let mark = mark.clone().not_ahead(now);
        match &self.high {
            None => self.high = Some(mark),
            Some(high) => match mark.partial_cmp(high) {
                None => return Err(()),
                Some(order) if order.is_gt() => self.high = Some(mark),
                Some(_) => {}
            },
        }
        Ok(())
    }

    /// The greatest mark so far.
    pub(crate) fn high(&self) -> Option<&Mark> {
        self.high.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pages of (record, mark); returns what was sent.
    fn pass(progress: &mut Progress, pages: &[&[(u64, i128)]]) -> Vec<u64> {
        let mut pass = Pass::default();
        let mut sent = Vec::new();
        for page in pages {
            pass.pages += 1;
            for (record, mark) in *page {
                let mark = Mark::Number(*mark);
                pass.reach(&mark, Timestamp::UNIX_EPOCH).expect("numbers");
                if progress.meet(&mut pass, *record, Some(&mark)) {
                    sent.push(*record);
                }
            }
        }
        progress.finish(pass);
        sent
    }

    fn mark(progress: &Progress) -> Option<String> {
        progress.mark.as_ref().map(Mark::text)
    }

    #[test]
    fn a_list_on_one_page_is_read_once() {
        let mut progress = Progress::default();
        assert_eq!(pass(&mut progress, &[&[(1, 10), (2, 20)]]), [1, 2]);
        assert_eq!(mark(&progress).as_deref(), Some("20"));
        assert_eq!(pass(&mut progress, &[&[(2, 20), (3, 20)]]), [3]);
    }

    #[test]
    fn a_record_that_moved_between_two_pages_is_found_before_the_reading_goes_on() {
        // given: 1 is changed while the first page is read, so that 3 moves onto that page, unseen
        let mut progress = Progress::default();
        assert_eq!(
            pass(&mut progress, &[&[(1, 10), (2, 20)], &[(4, 40), (101, 50)]]),
            [1, 2, 4, 101]
        );
        assert_eq!(mark(&progress), None, "too early");
        // when
        assert_eq!(
            pass(&mut progress, &[&[(2, 20), (3, 30)], &[(4, 40), (101, 50)]]),
            [3]
        );
        // then
        assert_eq!(mark(&progress), None, "more of the kind may be missing");
        assert!(pass(&mut progress, &[&[(2, 20), (3, 30)], &[(4, 40), (101, 50)]]).is_empty());
        assert_eq!(mark(&progress).as_deref(), Some("50"));
    }

    #[test]
    fn a_list_that_grows_all_the_time_is_read_on_all_the_same() {
        let mut progress = Progress::default();
        pass(&mut progress, &[&[(1, 10)], &[(2, 20)]]);
        pass(&mut progress, &[&[(1, 10)], &[(2, 20), (3, 30)]]);
        assert_eq!(
            mark(&progress).as_deref(),
            Some("20"),
            "what came is all behind it"
        );
        pass(&mut progress, &[&[(2, 20)], &[(3, 30), (4, 40)]]);
        assert_eq!(mark(&progress).as_deref(), Some("30"));
    }

    #[test]
    fn what_is_stored_is_small_and_is_read_again() {
        let mut progress = Progress::default();
        let records: Vec<_> = (0..5000).map(|number| (number, i128::from(number))).collect();
        assert_eq!(pass(&mut progress, &[&records]).len(), 5000);
        let position = progress.position(None);
        assert!(position.0.len() < 17_000);
        let mut again = Progress::read(Some(&position)).expect("it is ours");
        assert_eq!(mark(&again).as_deref(), Some("4999"));
        assert_eq!(
            pass(&mut again, &[&records[3990..]]),
            (3990..4000).collect::<Vec<_>>()
        );
        for stranger in [
            "",
            "{}",
            r#"{"mark":"x","seen":""}"#,
            r#"{"mark":null,"seen":"zz"}"#,
        ] {
            assert!(
                Progress::read(Some(&Position(Bytes::from(stranger)))).is_err(),
                "{stranger}"
            );
        }
    }
}

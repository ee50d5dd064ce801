//! Which deliveries of one channel are settled, and the fewest acks that say so.
//!
//! Promises: a `multiple` ack covers only what is settled: it reaches up to the first delivery that is not.

use std::collections::VecDeque;

/// The deliveries of one channel; their tags count from 1.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The tag of the first mark.
    base: u64,
    marks: VecDeque<Mark>,
    /// Settled since the last flush.
    fresh: Vec<u64>,
    out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Given out.
    Out,
    /// To be acked.
    Settled,
    /// Acked, or put back.
    Done,
}

/// An ack to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    /// All up to the tag.
    pub(super) multiple: bool,
}

impl Ledger {
    /// The ledger of a new channel.
    pub(super) fn new() -> Self {
        Self {
            base: 1,
            marks: VecDeque::new(),
            fresh: Vec::new(),
            out: 0,
        }
    }

    /// Notes a delivery.
    pub(super) fn deliver(&mut self, tag: u64) {
        if self.marks.is_empty() {
            self.base = tag;
        }
        // Tags follow each other; one that we never saw is never acked by itself.
        while self.base + (self.marks.len() as u64) < tag {
            self.marks.push_back(Mark::Done);
        }
        self.marks.push_back(Mark::Out);
        self.out += 1;
    }

    /// It is done with: an ack will say so.
    pub(super) fn settle(&mut self, tag: u64) {
        if self.mark(tag, Mark::Settled) {
            self.fresh.push(tag);
        }
    }

    /// It was put back; true unless that was known.
    pub(super) fn put_back(&mut self, tag: u64) -> bool {
        self.mark(tag, Mark::Done)
    }

    /// How many are given out.
    pub(super) fn out(&self) -> u64 {
        self.out
    }

    /// The acks for all that was settled since the last time.
    pub(super) fn flush(&mut self) -> Vec<Ack> {
        let (mut up_to, mut covered) = (0, 0);
        while let Some(mark) = self.marks.front().filter(|mark| **mark != Mark::Out) {
            if *mark == Mark::Settled {
                up_to = self.base;
                covered += 1;
            }
            self.marks.pop_front();
            self.base += 1;
        }
        let mut acks = Vec::new();
        if covered > 0 {
            acks.push(Ack {
                tag: up_to,
                multiple: covered > 1,
            });
        }
        let (base, marks) = (self.base, &mut self.marks);
        for tag in self.fresh.drain(..).filter(|tag| *tag >= base) {
            marks[usize::try_from(tag - base).expect("it was found there when it was settled")] = Mark::Done;
            acks.push(Ack { tag, multiple: false });
        }
        acks
    }

    fn mark(&mut self, tag: u64, mark: Mark) -> bool {
        let place = tag
            .checked_sub(self.base)
            .and_then(|index| self.marks.get_mut(usize::try_from(index).ok()?))
            .filter(|mark| **mark == Mark::Out);
        let Some(place) = place else {
            return false;
        };
        *place = mark;
        self.out -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(deliveries: u64) -> Ledger {
        let mut ledger = Ledger::new();
        (1..=deliveries).for_each(|tag| ledger.deliver(tag));
        ledger
    }

    fn acks(ledger: &mut Ledger) -> Vec<(u64, bool)> {
        ledger.flush().iter().map(|ack| (ack.tag, ack.multiple)).collect()
    }

    #[test]
    fn one_ack_covers_a_settled_prefix_and_stops_at_what_is_given_out() {
        let mut ledger = ledger(6);
        [1, 2, 3, 5].into_iter().for_each(|tag| ledger.settle(tag));
        assert_eq!(acks(&mut ledger), [(3, true), (5, false)]);
        assert_eq!(ledger.out(), 2);
        [4, 6].into_iter().for_each(|tag| ledger.settle(tag));
        assert_eq!(acks(&mut ledger), [(6, true)]);
        assert_eq!(acks(&mut ledger), []);
    }

    #[test]
    fn an_ack_never_names_a_delivery_that_was_put_back() {
        let mut ledger = ledger(3);
        [1, 2].into_iter().for_each(|tag| ledger.settle(tag));
        assert!(ledger.put_back(3));
        assert!(!ledger.put_back(3));
        assert_eq!(acks(&mut ledger), [(2, true)]);
        ledger.settle(3);
        assert_eq!((acks(&mut ledger), ledger.out()), (vec![], 0));
    }

    #[test]
    fn the_first_stays_out_as_long_as_it_likes_and_the_others_are_acked() {
        let mut ledger = ledger(1_000);
        for tag in (2..=1_000).rev() {
            ledger.settle(tag);
            assert_eq!(acks(&mut ledger), [(tag, false)]);
        }
        ledger.settle(1);
        assert_eq!(acks(&mut ledger), [(1, false)]);
    }
}

//! How many records of a file came to what, and why.

use std::collections::BTreeMap;

use trunkline_formats::Mark;

/// So many reasons are counted by themselves; the others together.
const MOST_REASONS: usize = 16;

/// How many records came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The last record of which all before it are told here.
    pub(crate) upto: Mark,
    pub(crate) accepted: u64,
    /// By rule.
    pub(crate) filtered: Counts,
    /// By reason.
    pub(crate) rejected: Counts,
    /// Safe on the bus, but what became of them was not noted before a crash.
    pub(crate) unknown: u64,
}

/// How often each of some words was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    words: BTreeMap<String, u64>,
}

impl Tally {
    /// Records that were read, whatever became of them.
    pub(crate) fn read(&self) -> u64 {
        self.accepted + self.filtered.total + self.rejected.total + self.unknown
    }

    pub(crate) fn add(&mut self, group: Self) {
        self.upto = group.upto;
        self.accepted += group.accepted;
        for (ours, theirs) in [
            (&mut self.filtered, group.filtered),
            (&mut self.rejected, group.rejected),
        ] {
            theirs
                .words
                .iter()
                .for_each(|(word, count)| ours.count(word, *count));
        }
    }
}

impl Counts {
    pub(crate) fn count(&mut self, word: &str, times: u64) {
        self.total += times;
        let word = match self.words.len() < MOST_REASONS || self.words.contains_key(word) {
            true => word,
            false => "others",
        };
        *self.words.entry(word.to_owned()).or_default() += times;
    }

    /// The words with their counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, u64)> {
        self.words.iter().map(|(word, count)| (word, *count))
    }

    /// The words with their counts, the most frequent first.
    pub(crate) fn told(&self) -> String {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(word, count)| (std::cmp::Reverse(**count), *word));
        let told: Vec<_> = words
            .iter()
            .map(|(word, count)| format!("{count} x {word}"))
            .collect();
        told.join("; ")
    }
}

/// What is the same in the reasons of many records: all but the place.
pub(crate) fn rule_of(reason: &str) -> &str {
    match reason
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((place, rule)) if place.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) => rule,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_without_their_places_the_most_frequent_first_and_not_without_end() {
        // given
        let mut counts = Counts::default();
        for line in 0..3 {
            counts.count(rule_of(&format!("line {line}, column 7: expected UTF-8")), 1);
        }
        counts.count(rule_of("line: no number"), 1);
        // when, then
        assert_eq!(counts.told(), "3 x expected UTF-8; 1 x line: no number");
        for number in 0..1_000 {
            counts.count(&format!("reason {number}"), 1);
        }
        assert_eq!((counts.total, counts.iter().count()), (1_004, MOST_REASONS + 1));
    }
}

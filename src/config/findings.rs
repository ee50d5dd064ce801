//! What reading a landscape found wrong, before it is checked.

use std::collections::HashMap;

use trunkline_sdk::{Place, Problem, Settings};

/// Problems of reading; what is wrong with a value that no variable filled in is set apart, for whatever else is
/// said of such a value only follows from that.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) unset: Vec<Problem>,
    /// Whether nobody needs to hear of `unset`: nothing is going to run.
    pub(crate) is_lenient: bool,
    /// Values that were left out, and are told nobody.
    pub(crate) left_out: Vec<Settings>,
}

impl Findings {
    /// These and what the check found: in the order of their places, the same problem once.
    pub(crate) fn with(&self, checked: Vec<Problem>) -> Vec<Problem> {
        let mut unset: HashMap<_, Vec<&Place>> = HashMap::new();
        for problem in &self.unset {
            let place = &problem.place;
            unset.entry((&place.file, place.line)).or_default().push(place);
        }
        let follows = |Problem { place, .. }: &Problem| {
            let on_line = unset.get(&(&place.file, place.line));
            on_line.is_some_and(|unset| unset.iter().any(|unset| covers(unset, place)))
        };
        let mut all: Vec<_> = self
            .problems
            .iter()
            .cloned()
            .chain(checked)
            .filter(|problem| !follows(problem))
            .chain(self.unset.iter().filter(|_| !self.is_lenient).cloned())
            .collect();
        all.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.what.cmp(&b.what)));
        all.dedup();
        all
    }
}

/// Both on one line.
fn covers(value: &Place, place: &Place) -> bool {
    (value.column..value.column + value.width).contains(&place.column)
}

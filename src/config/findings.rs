//! What reading a landscape found wrong, before it is checked.

use trunkline_sdk::{Place, Problem};

/// Problems of reading; what is wrong with a value that no variable filled in is set apart, for whatever else is
/// said of such a value only follows from that.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) unset: Vec<Problem>,
}

impl Findings {
    /// These and what the check found: in the order of their places, the same problem once.
    pub(crate) fn with(&self, checked: Vec<Problem>) -> Vec<Problem> {
        let follows = |problem: &Problem| {
            self.unset
                .iter()
                .any(|unset| covers(&unset.place, &problem.place))
        };
        let mut all: Vec<_> = self
            .problems
            .iter()
            .cloned()
            .chain(checked)
            .filter(|problem| !follows(problem))
            .chain(self.unset.iter().cloned())
            .collect();
        all.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.what.cmp(&b.what)));
        all.dedup();
        all
    }
}

fn covers(value: &Place, place: &Place) -> bool {
    value.file == place.file
        && value.line == place.line
        && (value.column..value.column + value.width).contains(&place.column)
}

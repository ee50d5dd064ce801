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
    /// These and what the check found: the files on which others build first, then in the order of their places; the
    /// same problem once.
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
        let order = |problem: &Problem| (rank(&problem.place.file), problem.place.clone());
        all.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.what.cmp(&b.what)));
        all.dedup();
        all
    }
}

/// What is wrong in the first of these may be behind what is told of the others.
fn rank(file: &str) -> usize {
    const FIRST: [&str; 4] = ["trunkline.yaml", "proto/", "tables/", "schemas/"];
    let first = FIRST.iter().position(|first| file.starts_with(first));
    first.unwrap_or(FIRST.len())
}

/// Both on one line.
fn covers(value: &Place, place: &Place) -> bool {
    (value.column..value.column + value.width).contains(&place.column)
}

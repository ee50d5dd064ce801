//! Going along the ways: what a field comes from, what it goes to, and whole chains.

use std::collections::BTreeSet;

use super::{Decision, Edge, Lineage, Point, Site};

/// A way from where data comes in to where it goes out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain {
    /// The field of a system; `None`: a constant, or nothing that is known.
    pub source: Option<String>,
    /// The canonical fields, one after the other; what is passed on under its name is told once.
    pub canonical: Vec<String>,
    /// Where it ends.
    pub target: Option<String>,
}

impl Lineage {
    /// The steps by which these come to be what they are, the nearest to the sources first.
    pub fn upstream(&self, of: &BTreeSet<Point>) -> Vec<&Edge> {
        self.reach(of, |edge, point| edge.to == *point, |edge| edge.from.clone())
    }

    /// The steps on which these go.
    pub fn downstream(&self, of: &BTreeSet<Point>) -> Vec<&Edge> {
        self.reach(
            of,
            |edge, point| edge.from.as_ref() == Some(point),
            |edge| Some(edge.to.clone()),
        )
    }

    /// What these and all that comes of them decide.
    pub fn decided_by(&self, of: &BTreeSet<Point>) -> Vec<&Decision> {
        let mut points = of.clone();
        points.extend(self.downstream(of).into_iter().map(|edge| edge.to.clone()));
        self.decisions
            .iter()
            .filter(|decision| points.contains(&decision.by))
            .collect()
    }

    fn reach(
        &self,
        of: &BTreeSet<Point>,
        touches: impl Fn(&Edge, &Point) -> bool,
        next: impl Fn(&Edge) -> Option<Point>,
    ) -> Vec<&Edge> {
        let mut seen = of.clone();
        let mut queue: Vec<Point> = of.iter().cloned().collect();
        let mut found = BTreeSet::new();
        while let Some(point) = queue.pop() {
            for edge in self.edges.iter().filter(|edge| touches(edge, &point)) {
                found.insert(edge);
                if let Some(next) = next(edge).filter(|next| seen.insert(next.clone())) {
                    queue.push(next);
                }
            }
        }
        found.into_iter().collect()
    }

    /// All ways from end to end, sorted by what they begin with.
    pub fn chains(&self) -> BTreeSet<Chain> {
        let is_end = |point: &Point| {
            !self
                .edges
                .iter()
                .any(|edge| edge.to == *point && edge.from.is_some())
        };
        let mut chains = BTreeSet::new();
        for start in self.points.iter().filter(|point| is_end(point)) {
            self.follow(&mut vec![start.clone()], &mut chains);
        }
        chains
    }

    fn follow(&self, way: &mut Vec<Point>, chains: &mut BTreeSet<Chain>) {
        let Some(at) = way.last().cloned() else {
            return;
        };
        let onward = self.edges.iter().filter(|edge| edge.from.as_ref() == Some(&at));
        let onward: BTreeSet<_> = onward.map(|edge| &edge.to).collect();
        let decided = self.decisions.iter().filter(|decision| decision.by == at);
        let decided: BTreeSet<_> = decided
            .map(|decision| format!("{} in {}", decision.step, decision.flow))
            .collect();
        if onward.is_empty() && decided.is_empty() {
            chains.insert(chain(way, None));
        }
        for decided in decided {
            chains.insert(chain(way, Some(decided)));
        }
        for next in onward {
            if !way.contains(next) {
                way.push(next.clone());
                self.follow(way, chains);
                way.pop();
            }
        }
    }
}

fn chain(way: &[Point], decided: Option<String>) -> Chain {
    let told = |point: &Point| point.to_string();
    let source = way
        .first()
        .filter(|point| matches!(point.site, Site::Source(_)))
        .map(told);
    let sink = way
        .last()
        .filter(|point| matches!(point.site, Site::Sink(_)))
        .map(told);
    let is_between = |point: &&Point| !matches!(point.site, Site::Source(_) | Site::Sink(_));
    let mut canonical: Vec<_> = way.iter().filter(is_between).map(told).collect();
    canonical.dedup();
    Chain {
        source,
        canonical,
        target: decided.or(sink),
    }
}

//! `tests/*.yaml`: what flows make of records and messages, written down by those who know.
//!
//! Promises: everything wrong with a test file at once, each with its place: misspelt words, flows and channels that
//! are not there, fields and words of enums that the types do not have.
//! Not promised: anything about what the flows do; [`crate::cli`] runs them.

mod expect;
mod given;
mod references;

use prost_reflect::DescriptorPool;
use trunkline_sdk::{Kind, Need, Opt, Options, Place, Problem, Settings};

pub(super) use self::expect::EXPECT;
pub use self::expect::{Arrival, Arrivals, Expected, FaultWanted};
use super::{Landscape, Plan, findings::Findings, unknown_hint, variables::Variables, yaml};
use crate::{config::FlowPlan, message::Message, store::CrossReference};

/// The words of a test file.
pub(super) const FILE: &[Opt] = &[
    Opt {
        name: "flow",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the flow that these tests are about, where a test does not name another",
    },
    Opt {
        name: "tests",
        kind: Kind::List(&Kind::Any),
        need: Need::Required,
        summary: "the tests",
    },
];

/// The words of a test.
pub(super) const TEST: &[Opt] = &[
    Opt {
        name: "test",
        kind: Kind::Text,
        need: Need::Required,
        summary: "what is true, as a sentence",
    },
    Opt {
        name: "flow",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the flow, where it is not the file's",
    },
    Opt {
        name: "given",
        kind: Kind::Group(given::GIVEN),
        need: Need::Required,
        summary: "what comes in: `record`, `message` or `file`",
    },
    Opt {
        name: "expect",
        kind: Kind::Any,
        need: Need::Required,
        summary: "what becomes of it: `message`, `messages`, `filtered`, `fault`, or the word `nothing`",
    },
];

/// One test.
#[derive(Debug)]
pub struct Test {
    /// What it says.
    pub name: String,
    /// Where it says so.
    pub place: Place,
    /// The flow, by its place in the plan.
    pub flow: usize,
    /// What comes in.
    pub given: Message,
    /// The cross-references that there are, and no others.
    pub references: Vec<CrossReference>,
    /// What is to become of it.
    pub expect: Expected,
}

/// Reads all tests of a landscape. All problems at once, in the order of the files.
pub fn tests(landscape: &Landscape, plan: &Plan, pool: &DescriptorPool) -> Result<Vec<Test>, Vec<Problem>> {
    let mut findings = Findings::default();
    let mut tests = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in landscape.files.in_folder("tests") {
        let Some(root) = yaml::read(file, text, &Variables::none(), &mut findings) else {
            continue;
        };
        let mut reader = Reader {
            landscape,
            plan,
            pool,
            problems: &mut problems,
        };
        reader.file(&root, &mut tests);
    }
    let problems = findings.with(problems);
    if problems.is_empty() {
        Ok(tests)
    } else {
        Err(problems)
    }
}

/// Reads one file.
struct Reader<'r, 'p> {
    landscape: &'r Landscape,
    plan: &'r Plan,
    pool: &'r DescriptorPool,
    problems: &'p mut Vec<Problem>,
}

impl<'r> Reader<'r, '_> {
    fn file(&mut self, root: &Settings, tests: &mut Vec<Test>) {
        if let Err(found) = Options::read(FILE, root) {
            self.problems.extend(found);
        }
        // What it says of the file's flow is told once, and not with each test.
        let flow = root.get("flow").map(|named| self.flow(named));
        let items = root.get("tests").and_then(Settings::items).unwrap_or_default();
        for item in items {
            tests.extend(self.test(item, flow));
        }
    }

    fn test(&mut self, item: &Settings, of_file: Option<Option<usize>>) -> Option<Test> {
        let before = self.problems.len();
        if let Err(found) = Options::read(TEST, item) {
            self.problems.extend(found);
        }
        let named = item.get("flow").map(|named| self.flow(named));
        let Some(flow) = named.or(of_file) else {
            if item.entries().is_some() {
                self.problem(&item.place, "it does not say which flow it is about")
                    .hint = Some("write `flow: <name>` here, or once at the top of the file".to_owned());
            }
            return None;
        };
        let flow = flow?;
        let plan: &'r FlowPlan = &self.plan.flows[flow];
        let given = item.get("given").and_then(|given| self.given(plan, given));
        let references = item.get("given").and_then(|given| given.get("references"));
        let references = references.map(|references| self.references(references));
        let expect = item.get("expect").and_then(|expect| self.expect(plan, expect));
        let name = item.get("test")?;
        if self.problems.len() > before {
            return None;
        }
        Some(Test {
            name: name.text()?.to_owned(),
            place: name.place.clone(),
            flow,
            given: given?,
            references: references.unwrap_or_default(),
            expect: expect?,
        })
    }

    /// The flow of this name, by its place in the plan.
    fn flow(&mut self, named: &Settings) -> Option<usize> {
        let name = named.text().filter(|name| !name.is_empty())?;
        let found = self.plan.flows.iter().position(|flow| flow.name.as_str() == name);
        if found.is_none() {
            let known = self.plan.flows.iter().map(|flow| flow.name.as_str());
            let hint = unknown_hint(name, known, "flows");
            self.problem(&named.place, format!("there is no flow `{name}`"))
                .hint = Some(hint);
        }
        found
    }

    fn problem(&mut self, place: &Place, what: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::new(place, what));
        self.problems.last_mut().expect("one was pushed just now")
    }
}

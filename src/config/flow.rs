//! What stands in a flow file, before it is checked.

use std::sync::Arc;

use trunkline_sdk::{Entry, Kind, Need, Opt, Options, Place, Problem, Settings};

use super::{files::start, findings::Findings, variables::Variables, yaml};

/// The words of a flow file.
pub(crate) const FLOW: &[Opt] = &[
    Opt {
        name: "flow",
        kind: Kind::Text,
        need: Need::Required,
        summary: "its name, once in the landscape",
    },
    Opt {
        name: "from",
        kind: Kind::Any,
        need: Need::Required,
        summary: "a channel, or a system: `{ system: shop, … }`",
    },
    Opt {
        name: "steps",
        kind: Kind::List(&Kind::Any),
        need: Need::Optional,
        summary: "what is done, in order",
    },
    Opt {
        name: "to",
        kind: Kind::Any,
        need: Need::Optional,
        summary: "a channel, a system: `{ system: erp, … }`, or `reply`: the return address of a request; not with a `route` as last step",
    },
    Opt {
        name: "retry",
        kind: Kind::Group(RETRY),
        need: Need::Optional,
        summary: "how often and when a message is tried again before it is parked",
    },
];

/// The word of a `to:` that answers to the return address of each message; so no channel may be called so.
pub(crate) const REPLY: &str = "reply";

/// The words of a `from:` at a system, beside the options of its adapter.
pub(crate) const FROM: &[Opt] = &[
    SYSTEM,
    Opt {
        name: "schema",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "what its records look like, so that mappings are checked against it: a JSON Schema or the columns of a \
                  table, as in `schemas/order.json` or `schemas/orders.csv`",
    },
];

/// The words of a `to:` at a system, beside the options of its adapter.
pub(crate) const TO: &[Opt] = &[
    SYSTEM,
    Opt {
        name: "in_doubt",
        kind: Kind::Choice(&["park", "repeat"]),
        need: Need::Optional,
        summary: "what becomes of a message of which the system did not say whether it took it: `park` keeps it for a \
                  person, `repeat` writes it again, and it may act twice; only where the adapter cannot tell",
    },
];

const SYSTEM: Opt = Opt {
    name: "system",
    kind: Kind::Text,
    need: Need::Required,
    summary: "the system, a name under `systems:` in trunkline.yaml",
};

/// What stands at the end of a flow for the adapter.
pub(crate) fn beside_system(end: &Settings) -> Settings {
    let ours = FROM.iter().chain(TO);
    ours.fold(end.clone(), |end, word| end.without(word.name))
}

/// The words of `retry:`.
pub(crate) const RETRY: &[Opt] = &[
    Opt {
        name: "attempts",
        kind: Kind::Number(1, 1000),
        need: Need::Default("8"),
        summary: "how often in all, the first time included",
    },
    Opt {
        name: "first",
        kind: Kind::Duration,
        need: Need::Default("1s"),
        summary: "the delay before the second attempt; delays snap up to 1s, 5s, 30s, 2m, 10m or 1h",
    },
    Opt {
        name: "factor",
        kind: Kind::Number(1, 100),
        need: Need::Default("2"),
        summary: "each delay is the one before times this",
    },
    Opt {
        name: "max",
        kind: Kind::Duration,
        need: Need::Default("10m"),
        summary: "no delay is longer",
    },
];

/// A flow file as read.
#[derive(Debug)]
pub struct FlowFile {
    /// The flow's name, and where it stands.
    pub name: (String, Place),
    /// `from:`; `None`: it is missing, and that was told.
    pub from: Option<Settings>,
    /// `steps:`.
    pub steps: Vec<Settings>,
    /// `to:`.
    pub to: Option<Settings>,
    /// `retry:`.
    pub retry: Option<Settings>,
    /// Whether all that stands in it was understood: a misspelt word may hide its steps, or where it goes.
    pub(crate) is_whole: bool,
}

impl FlowFile {
    /// Whether a part of it stands in this file: its own, and those of its mappings.
    pub(crate) fn stands_in(&self, file: &str) -> bool {
        let mut words = self.steps.iter().filter_map(Settings::entries).flatten();
        *self.name.1.file == *file || words.any(|entry| entry.value.text() == Some(file))
    }

    /// Reads a flow file; `None`: what is missing was told.
    pub(crate) fn read(
        file: &Arc<str>,
        text: &str,
        variables: &Variables<'_>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let before = findings.problems.len();
        let Some(root) = yaml::read(file, text, variables, findings) else {
            if findings.problems.len() == before {
                let place = start(file);
                findings
                    .problems
                    .push(Problem::new(&place, "this flow file is empty").hint("begin with `flow: <name>`"));
            }
            return None;
        };
        if let Err(found) = Options::read(FLOW, &root) {
            findings.problems.extend(found);
        }
        let is_known = |entry: &Entry| FLOW.iter().any(|option| option.name == entry.key);
        let is_whole = root.entries().is_some_and(|entries| entries.iter().all(is_known));
        let name = root.get("flow")?;
        let steps = match root.get("steps") {
            Some(steps) => steps
                .items()
                .map_or_else(|| vec![steps.clone()], <[Settings]>::to_vec),
            None => Vec::new(),
        };
        Some(Self {
            name: (name.text()?.to_owned(), name.place.clone()),
            from: root.get("from").cloned(),
            steps,
            to: root.get("to").cloned(),
            retry: root.get("retry").cloned(),
            is_whole,
        })
    }
}

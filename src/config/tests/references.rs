//! `given: references:` the cross-references that a flow finds in a test.

use std::collections::BTreeSet;

use trunkline_sdk::{Kind, Need, Opt, Settings};

use super::Reader;
use crate::{config::unknown_hint, store::CrossReference};

/// The words of a reference: the columns of `trunkline xref import`.
pub(super) const REFERENCE: &[Opt] = &[
    Opt {
        name: "system",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the system",
    },
    Opt {
        name: "kind",
        kind: Kind::Text,
        need: Need::Required,
        summary: "what is identified: `customer`, `product`",
    },
    Opt {
        name: "id",
        kind: Kind::Text,
        need: Need::Required,
        summary: "what the system calls it",
    },
    Opt {
        name: "identity",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the identity that it means",
    },
];

impl Reader<'_, '_> {
    /// The references that stand there; what is no reference was told when the test's words were read.
    pub(super) fn references(&mut self, settings: &Settings) -> Vec<CrossReference> {
        let one = std::slice::from_ref(settings);
        let mut references = Vec::new();
        let mut seen = BTreeSet::new();
        for item in settings.items().unwrap_or(one) {
            let word = |name| item.get(name).and_then(Settings::text).map(str::to_owned);
            let (Some(system), Some(kind), Some(id), Some(identity)) =
                (word("system"), word("kind"), word("id"), word("identity"))
            else {
                continue;
            };
            if let Some(named) = item.get("system")
                && !self.plan.tables.systems().any(|known| known == system)
            {
                let hint = unknown_hint(&system, self.plan.tables.systems(), "systems");
                self.problem(&named.place, format!("there is no system `{system}`"))
                    .hint = Some(hint);
            }
            if !seen.insert((system.clone(), kind.clone(), id.clone())) {
                self.problem(&item.place, "this id of this system and kind is given twice")
                    .hint = Some("an id means one identity: keep one of the two".to_owned());
            }
            references.push(CrossReference {
                system,
                kind,
                id,
                identity,
            });
        }
        references
    }
}

//! Flows that ask: a request to which no flow can answer keeps its caller waiting for nothing.

use std::collections::BTreeSet;

use trunkline_sdk::Problem;

use super::{
    super::{
        landscape::Landscape,
        plan::{Feed, FlowPlan, Target},
    },
    Systems, Uses,
};

/// Tells flows whose source asks where no way leads to a flow that answers; another program that reads a channel on the
/// way may answer as well.
pub(super) fn check(
    landscape: &Landscape,
    systems: &Systems<'_>,
    flows: &[FlowPlan],
    uses: &Uses,
    problems: &mut Vec<Problem>,
) {
    if !uses.is_clear {
        return;
    }
    for flow in flows.iter().filter(|flow| asks(flow, systems)) {
        if is_answered(flow, landscape, flows) {
            continue;
        }
        let file = landscape
            .flows
            .iter()
            .find(|file| file.name.0 == flow.name.as_str());
        let Some(from) = file.and_then(|file| file.from.as_ref()) else {
            continue;
        };
        let what = format!("flow `{}` asks, but none answers what it publishes", flow.name);
        problems.push(
            Problem::new(&from.place, what)
                .hint("let a flow that reads its channel, or a later one, end in `to: reply`"),
        );
    }
}

fn asks(flow: &FlowPlan, systems: &Systems<'_>) -> bool {
    let Feed::System { system, settings } = &flow.feed else {
        return false;
    };
    let found = systems.get(system.as_str());
    found.is_some_and(|(_, (adapter, _))| adapter.asks(settings))
}

/// Whether a way leads from what a flow publishes to one that answers.
fn is_answered(flow: &FlowPlan, landscape: &Landscape, flows: &[FlowPlan]) -> bool {
    let mut reached: BTreeSet<_> = flow.publishes().collect();
    let mut next: Vec<_> = reached.iter().copied().collect();
    while let Some(channel) = next.pop() {
        let entry = landscape
            .channels
            .iter()
            .find(|entry| entry.name == channel.as_str());
        if entry.is_some_and(|entry| entry.external) {
            return true;
        }
        let reads =
            |flow: &&FlowPlan| matches!(&flow.feed, Feed::Channel { channel: read, .. } if read == channel);
        for reader in flows.iter().filter(reads) {
            if matches!(reader.target, Target::Reply { .. }) {
                return true;
            }
            next.extend(reader.publishes().filter(|published| reached.insert(published)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use async_trait::async_trait;
    use trunkline_sdk::{Adapter, Description, Effect, Fault, Settings, System};

    use super::*;
    use crate::{
        config::{Files, Variables, check},
        names::SystemName,
    };

    struct Asking;

    #[async_trait]
    impl Adapter for Asking {
        fn describe(&self) -> &'static Description {
            &Description {
                name: "asking",
                summary: "for this test",
                system: &[],
                source: Some(&[]),
                sink: None,
                effect: Effect::Plain,
            }
        }

        fn asks(&self, _source: &Settings) -> bool {
            true
        }

        async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
            Err(Fault::stop("it is only looked at"))
        }
    }

    /// What is told of a flow that asks over this channel, with these flows beside it.
    fn told(channel: &str, others: &[&str]) -> Vec<String> {
        let landscape = format!(
            "systems: {{ in: {{ file: {{ folder: . }} }}, db: {{ sql: {{ url: \"sqlite:./db\" }} }} }}\nchannels:\n  {channel}\n  \
             on: {{ type: trunkline.commerce.v1.StockMove, external: true }}\n"
        );
        let ask = "flow: ask\nfrom: { system: in, pattern: \"*.jsonl\" }\nsteps: [{ translate: \"StockMove{ sku: this.sku, \
                   quantity: 1u }\" }]\nto: asked\n";
        let names: Vec<_> = (0..others.len())
            .map(|number| format!("flows/{number}.yaml"))
            .collect();
        let files = Files::of(
            [("trunkline.yaml", landscape.as_str()), ("flows/ask.yaml", ask)]
                .into_iter()
                .chain(names.iter().map(String::as_str).zip(others.iter().copied())),
        );
        let landscape = Landscape::of(PathBuf::from("."), files, &Variables::new(&|_| None), Vec::new());
        let plan = check(&landscape, trunkline_proto::descriptor_pool()).expect("all else is right");
        let settings = Settings::of([]);
        let mut systems = Systems::new(true);
        systems.insert(
            "in",
            SystemName::new("in").unwrap(),
            (&Asking as &dyn Adapter, &settings),
        );
        let mut problems = Vec::new();
        let uses = Uses::new(&landscape);
        super::check(&landscape, &systems, &plan.flows, &uses, &mut problems);
        problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_flow_that_asks_needs_one_that_answers_at_the_end_of_its_way() {
        let asked = "asked: { type: trunkline.commerce.v1.StockMove }";
        let pass = "flow: pass\nfrom: asked\nto: on\n";
        let answer = "flow: answer\nfrom: asked\nto: reply\n";
        assert_eq!(told(asked, &[answer]), [""; 0]);
        // `on` is read by other programs, which may answer.
        assert_eq!(told(asked, &[pass]), [""; 0]);
        let end =
            "flow: end\nfrom: asked\nto: { system: db, statement: \"INSERT INTO t (id) VALUES (:sku)\" }\n";
        assert_eq!(
            told(asked, &[end]),
            ["flow `ask` asks, but none answers what it publishes"]
        );
    }
}

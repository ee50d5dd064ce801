//! Flows that remember: what one process has seen, another does not know.

use trunkline_sdk::Problem;

use super::super::{landscape::Landscape, plan::FlowPlan};

/// Tells flows that remember and are run by several processes.
pub(super) fn check(landscape: &Landscape, flows: &[FlowPlan], problems: &mut Vec<Problem>) {
    let remembering = flows
        .iter()
        .filter_map(|flow| Some((flow.name.as_str(), flow.steps.remembers()?)));
    for (name, word) in remembering {
        let named = landscape.processes.iter().flat_map(|(process, flows)| {
            let named = flows.iter().filter(|flow| flow.text() == Some(name));
            named.map(|flow| (process.key.as_str(), &flow.place))
        });
        let mut first: Option<&str> = None;
        for (process, place) in named {
            let Some(other) = first.filter(|other| *other != process) else {
                first = Some(process);
                continue;
            };
            let what = format!("flow `{name}` remembers (`{word}`), and process `{other}` runs it already");
            let hint = "let one process run it: what one has seen, the other does not know";
            problems.push(Problem::new(place, what).hint(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use async_trait::async_trait;
    use trunkline_sdk::Fault;

    use super::*;
    use crate::{
        config::{Feed, Files, Target, Variables},
        flow::{Keys, Processor, Step, Steps},
        message::Message,
        names::{ChannelName, FlowName, TypeName},
        recovery::Schedule,
    };

    struct Remembering;

    #[async_trait]
    impl Processor for Remembering {
        fn word(&self) -> &'static str {
            "aggregate"
        }

        fn remembers(&self) -> bool {
            true
        }

        fn expressions(&self) -> Vec<crate::flow::Expression<'_>> {
            Vec::new()
        }

        async fn process(&self, message: Message) -> Result<Step, Fault> {
            Ok(Step::Pass(message))
        }
    }

    fn told(processes: &str) -> Vec<String> {
        let text = format!("processes:\n{processes}");
        let files = Files::of([("trunkline.yaml", text.as_str())]);
        let none = |_: &str| None;
        let landscape = Landscape::of(PathBuf::from("."), files, &Variables::new(&none), Vec::new());
        let channel = ChannelName::new("orders").unwrap();
        let flow = FlowPlan {
            name: FlowName::new("bundle").unwrap(),
            feed: Feed::Channel {
                channel: channel.clone(),
                type_name: TypeName::new("trunkline.commerce.v1.Order"),
                order: None,
            },
            steps: Steps::new(vec![Box::new(Remembering)]),
            target: Target::Channel(channel),
            sends: Vec::new(),
            keys: Keys::default(),
            retry: Schedule::default(),
            makes: Arc::default(),
            reads: None,
        };
        let mut problems = Vec::new();
        check(&landscape, &[flow], &mut problems);
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.place.line, problem.what))
            .collect()
    }

    #[test]
    fn a_flow_that_remembers_is_run_by_one_process() {
        assert!(told("  a: [bundle]\n  b: [other]\n").is_empty());
        assert_eq!(
            told("  a: [bundle]\n  b: [other, bundle]\n"),
            ["3: flow `bundle` remembers (`aggregate`), and process `a` runs it already"]
        );
    }
}

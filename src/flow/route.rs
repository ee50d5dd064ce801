//! `route:` sends each message to the channel of the first case that is true (EIP Content-Based Router).

use async_trait::async_trait;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Processor, Scope, Step, reading::reading};
use crate::{mapping::Predicate, message::Message, names::ChannelName};

const CASE: &[Opt] = &[
    Opt {
        name: "when",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the condition",
    },
    Opt {
        name: "to",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the channel, when it is true",
    },
    Opt {
        name: "otherwise",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the channel, when no condition is true: the last case",
    },
];

struct Router {
    cases: Vec<(Predicate, ChannelName)>,
    otherwise: ChannelName,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let Some(items) = settings.items() else {
        scope
            .problem(&settings.place, "`route` must be a list of cases")
            .hint = Some("as in `- { when: …, to: … }` and, last, `- { otherwise: … }`".to_owned());
        return None;
    };
    let mut cases = Vec::new();
    let mut otherwise = None;
    for (index, item) in items.iter().enumerate() {
        if let Err(found) = Options::read(CASE, item) {
            scope.problems.extend(found);
            continue;
        }
        match (item.get("when"), item.get("to"), item.get("otherwise")) {
            (Some(when), Some(to), None) => {
                let source = scope.expression(when);
                let predicate = source.map(|source| Predicate::compile(&source, &scope.environment()));
                let channel = channel(to, scope);
                match (predicate, channel) {
                    (Some(Ok(predicate)), Some(channel)) => cases.push((predicate, channel)),
                    (Some(Err(found)), _) => scope.problems.extend(found),
                    _ => {}
                }
            }
            (None, None, Some(to)) if index + 1 == items.len() => otherwise = channel(to, scope),
            (None, None, Some(to)) => {
                scope.problem(&to.place, "nothing gets behind `otherwise`").hint =
                    Some("make it the last case".to_owned());
            }
            _ => {
                scope.problem(&item.place, "a case is `when` with `to`, or `otherwise`");
            }
        }
    }
    if items.last().is_none_or(|last| last.get("otherwise").is_none()) {
        let hint = "end with `- { otherwise: <channel> }`: no message vanishes unseen; a `filter` before it drops some";
        scope
            .problem(
                &settings.place,
                "`route` does not say what becomes of the other messages",
            )
            .hint = Some(hint.to_owned());
    }
    Some(Box::new(Router {
        cases,
        otherwise: otherwise?,
    }))
}

fn channel(to: &Settings, scope: &mut Scope<'_>) -> Option<ChannelName> {
    let name = to.text()?;
    scope.routed.push((name.to_owned(), to.place.clone()));
    let channel = scope.channel(name, &to.place)?;
    scope.fits(&channel, &to.place)?;
    Some(channel)
}

#[async_trait]
impl Processor for Router {
    fn word(&self) -> &'static str {
        "route"
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        for (when, to) in &self.cases {
            if reading(&message, |input, facts| when.test(input, facts))? {
                return Ok(Step::Send(message, to.clone()));
            }
        }
        Ok(Step::Send(message, self.otherwise.clone()))
    }
}

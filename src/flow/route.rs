//! `route:` sends each message to the channel of the first case that is true (EIP Content-Based Router).

use async_trait::async_trait;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Expression, Processor, Scope, Step, reading::reading};
use crate::{mapping::Predicate, message::Message, names::ChannelName};

pub(super) const CASE: &[Opt] = &[
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

const SHAPE: &str = "as in `- { when: …, to: … }` and, last, `- { otherwise: … }`";

struct Router {
    cases: Vec<(Predicate, ChannelName)>,
    otherwise: ChannelName,
}

/// Conditions, each with its channel.
pub(super) struct Cases {
    pub(super) list: Vec<(Predicate, ChannelName)>,
    pub(super) otherwise: Option<ChannelName>,
}

impl Cases {
    pub(super) fn expressions(&self) -> Vec<Expression<'_>> {
        self.list
            .iter()
            .map(|(when, _)| Expression::Decides(when))
            .collect()
    }
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let Cases { list, otherwise } = cases("route", settings, scope)?;
    Some(Box::new(Router {
        cases: list,
        otherwise: otherwise?,
    }))
}

/// Reads the cases of this step; `None`: it has none, and that was told.
pub(super) fn cases(word: &str, settings: &Settings, scope: &mut Scope<'_>) -> Option<Cases> {
    let Some(items) = settings.items() else {
        scope
            .problem(&settings.place, format!("`{word}` must be a list of cases"))
            .hint = Some(SHAPE.to_owned());
        scope.is_clear = false;
        return None;
    };
    let mut cases = Vec::new();
    let mut otherwise = None;
    let mut is_misread = false;
    for (index, item) in items.iter().enumerate() {
        if let Err(found) = Options::read(CASE, item) {
            scope.problems.extend(found);
            scope.is_clear = false;
            is_misread = true;
            continue;
        }
        match (item.get("when"), item.get("to"), item.get("otherwise")) {
            (Some(when), Some(to), None) => {
                let predicate = scope.expression(when).and_then(|source| {
                    scope.compile(&[&source], |environment| Predicate::compile(&source, environment))
                });
                cases.extend(predicate.zip(channel(to, scope)));
            }
            (None, None, Some(to)) => {
                let channel = channel(to, scope);
                if index + 1 == items.len() {
                    otherwise = channel;
                } else {
                    scope.problem(&to.place, "nothing gets behind `otherwise`").hint =
                        Some("make it the last case".to_owned());
                }
            }
            (_, to, otherwise) => {
                for to in to.into_iter().chain(otherwise) {
                    channel(to, scope);
                }
                scope
                    .problem(&item.place, "a case is `when` with `to`, or `otherwise`")
                    .hint = Some(SHAPE.to_owned());
                scope.is_clear = false;
            }
        }
    }
    // Whoever lists recipients may have none.
    if word == "route" && !is_misread && items.iter().all(|item| item.get("otherwise").is_none()) {
        let hint = "end with `- { otherwise: <channel> }`: no message vanishes unseen; a `filter` before it drops some";
        scope
            .problem(
                &settings.place,
                "`route` does not say what becomes of the other messages",
            )
            .hint = Some(hint.to_owned());
        scope.is_clear = false;
    }
    Some(Cases {
        list: cases,
        otherwise,
    })
}

fn channel(to: &Settings, scope: &mut Scope<'_>) -> Option<ChannelName> {
    let name = to.text()?;
    scope.routed.push(name.to_owned());
    let channel = scope.channel(name, &to.place)?;
    scope.fits(&channel, &to.place)?;
    Some(channel)
}

#[async_trait]
impl Processor for Router {
    fn word(&self) -> &'static str {
        "route"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        self.cases
            .iter()
            .map(|(when, _)| Expression::Decides(when))
            .collect()
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        for (when, to) in &self.cases {
            if reading(&message, |input, facts| when.test(input, facts))? {
                return Ok(Step::Send(message, vec![to.clone()]));
            }
        }
        Ok(Step::Send(message, vec![self.otherwise.clone()]))
    }
}

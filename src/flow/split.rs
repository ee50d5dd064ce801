//! `split:` makes one message per element of a list (EIP Splitter). Part number `n` always gets the same id, so a
//! repeat of the whole is a repeat of each part.

use async_trait::async_trait;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Carries, Expression, Processor, Scope, Step, reading::reading};
use crate::{
    mapping::Split,
    message::{Content, Message},
    names::{FlowName, TypeName},
};

pub(super) const SPLIT: &[Opt] = &[
    Opt {
        name: "each",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the list: `this.lines`",
    },
    Opt {
        name: "as",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the word for one element: `line`",
    },
    Opt {
        name: "emit",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the message per element: `StockMove{ sku: line.sku, … }`",
    },
];

struct Splitter {
    split: Split,
    type_name: TypeName,
    flow: FlowName,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let split = compile(settings, scope);
    scope.carries = Carries::Unknown;
    let split = split?;
    scope.carries = Carries::Message(split.produces().clone());
    Some(Box::new(Splitter {
        type_name: TypeName::new(split.produces().full_name()),
        split,
        flow: scope.flow.clone(),
    }))
}

fn compile(settings: &Settings, scope: &mut Scope<'_>) -> Option<Split> {
    let options = Options::read(SPLIT, settings)
        .map_err(|found| scope.problems.extend(found))
        .ok()?;
    let each = scope.expression(options.get("each")?);
    let emit = scope.mapping(options.get("emit")?);
    let variable = word(options.get("as")?, scope);
    let (each, emit, variable) = (each?, emit?, variable?);
    scope.compile(&[&each, &emit], |environment| {
        Split::compile(&each, &variable, &emit, environment, None)
    })
}

/// The word for one element; `None`: nothing could be read by it, and that was told.
fn word(named: &Settings, scope: &mut Scope<'_>) -> Option<String> {
    let word = named.text()?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_word = word.chars().all(is_part) && !word.starts_with(|c: char| c.is_ascii_digit());
    let what = match word {
        "this" => "`this` is the whole message already".to_owned(),
        "attributes" => "`attributes` are those of the message already".to_owned(),
        _ if is_word && !word.is_empty() => return Some(word.to_owned()),
        _ => format!("`{word}` is no word for one element"),
    };
    scope.problem(&named.place, what).hint =
        Some("letters, digits and `_`, as in `line`; `emit` reads the element by it: `line.sku`".to_owned());
    None
}

#[async_trait]
impl Processor for Splitter {
    fn word(&self) -> &'static str {
        "split"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        vec![Expression::Splits(&self.split)]
    }

    fn may_end(&self) -> bool {
        true
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        let parts = reading(&message, |input, facts| self.split.run(input, facts))?;
        let part = |(ordinal, bytes): (usize, Vec<u8>)| {
            let content = Content::Canonical {
                type_name: self.type_name.clone(),
                bytes: bytes.into(),
            };
            message.derive(message.id.derived(&self.flow, ordinal), content)
        };
        Ok(Step::Emit(parts.into_iter().enumerate().map(part).collect()))
    }
}

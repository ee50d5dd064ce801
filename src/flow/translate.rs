//! `translate:` makes another message of each: a mapping, from a file or in place (EIP Message Translator).
//!
//! A record that a source read becomes a canonical message under its own id; what is made of a message, be it a
//! message or a record, gets an id of its own, derived from the first one's.

use std::sync::Arc;

use async_trait::async_trait;
use trunkline_sdk::{Body, Fault, Settings};

use super::{Carries, Expression, Processor, Scope, Step, reading::reading};
use crate::{
    mapping::{Attempt, Mapping, Produces, References, Translated},
    message::{Content, Message},
    names::{FlowName, TypeName},
    store::CrossReferences,
};

/// How often references may lead to further ones.
const TURNS: usize = 8;

struct Translator {
    mapping: Mapping,
    /// The type of what it makes; `None`: a native record.
    type_name: Option<TypeName>,
    flow: FlowName,
    /// Where the cross-references are asked for that the mapping reads.
    references: Arc<dyn CrossReferences>,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let mapping = scope.mapping(settings).and_then(|source| {
        scope.compile(&[&source], |environment| {
            Mapping::compile(&source, environment, None)
        })
    });
    scope.carries = Carries::Unknown;
    let mapping = mapping?;
    let (carries, type_name) = match mapping.produces() {
        Produces::Message(descriptor) => (
            Carries::Message(descriptor.clone()),
            Some(TypeName::new(descriptor.full_name())),
        ),
        Produces::Record(shape) => (Carries::Native(shape.clone()), None),
    };
    scope.carries = carries;
    Some(Box::new(Translator {
        mapping,
        type_name,
        flow: scope.flow.clone(),
        references: scope.references.clone(),
    }))
}

impl Translator {
    /// Runs the mapping; the cross-references that it needs for this message are fetched before.
    async fn translate(&self, message: &Message) -> Result<Translated, Fault> {
        let mut known = References::default();
        for _ in 0..TURNS {
            let attempt = reading(message, |input, facts| self.mapping.attempt(input, facts, &known))?;
            let needs = match attempt {
                Attempt::Done(translated) => return Ok(translated),
                Attempt::Needs(needs) => needs,
            };
            let store = self.references.clone();
            let asked = tokio::task::spawn_blocking(move || (store.find(&needs), needs));
            let (found, needs) = asked
                .await
                .map_err(|_| Fault::retry("the store broke while it looked for cross-references"))?;
            for (reference, found) in needs.into_iter().zip(found?) {
                known.insert(reference, found);
            }
        }
        Err(Fault::dead_letter(
            "cross-references lead to further ones without an end",
        ))
    }
}

#[async_trait]
impl Processor for Translator {
    fn word(&self) -> &'static str {
        "translate"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        vec![Expression::Translates(&self.mapping)]
    }

    async fn process(&self, mut message: Message) -> Result<Step, Fault> {
        let produced = self.translate(&message).await?;
        let was_canonical = matches!(message.content, Content::Canonical { .. });
        let content = match (produced, &self.type_name) {
            (Translated::Message(bytes), Some(type_name)) => Content::Canonical {
                type_name: type_name.clone(),
                bytes: bytes.into(),
            },
            (Translated::Record(value), _) => Content::Native(Body::Value(value)),
            (Translated::Message(_), None) => {
                return Err(Fault::stop(
                    "the mapping made a message where a record was planned",
                ));
            }
        };
        if was_canonical {
            let id = message.id.derived(&self.flow, 0);
            return Ok(Step::Pass(message.derive(id, content)));
        }
        message.content = content;
        message.facts = Arc::default();
        Ok(Step::Pass(message))
    }
}

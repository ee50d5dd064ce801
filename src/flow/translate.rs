//! `translate:` makes another message of each: a mapping, from a file or in place (EIP Message Translator).
//!
//! A record that a source read becomes a canonical message under its own id; what is made of a message, be it a
//! message or a record, gets an id of its own, derived from the first one's.

use std::sync::Arc;

use async_trait::async_trait;
use trunkline_sdk::{Body, Fault, Settings};

use super::{Carries, Expression, Processor, Scope, Step, reading::reading};
use crate::{
    mapping::{self, Attempt, Mapping, Produces, References, Translated},
    message::{Content, Message},
    names::{FlowName, TypeName},
    store::CrossReferences,
};

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
    async fn translate(&self, message: &Message) -> Result<Translated, Fault> {
        let attempt =
            |known: &References| reading(message, |input, facts| self.mapping.attempt(input, facts, known));
        fetching(&self.references, attempt).await
    }
}

/// Runs a mapping; the cross-references that it needs for this message are fetched before.
pub(super) async fn fetching(
    references: &Arc<dyn CrossReferences>,
    attempt: impl Fn(&References) -> Result<Attempt, Fault> + Send,
) -> Result<Translated, Fault> {
    let mut known = References::default();
    for _ in 0..mapping::TURNS {
        let needs = match attempt(&known)? {
            Attempt::Done(translated) => return Ok(translated),
            Attempt::Needs(needs) => needs,
        };
        let store = references.clone();
        let asked = tokio::task::spawn_blocking(move || (store.find(&needs), needs));
        let (found, needs) = asked
            .await
            .map_err(|_| Fault::retry("the store broke while it looked for cross-references"))?;
        known.extend(needs.into_iter().zip(found?));
    }
    Err(mapping::endless())
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

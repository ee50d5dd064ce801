//! One message made of two: a message, and what a system has said about it.

use std::sync::Arc;

use trunkline_sdk::{Body, Fault, Settings};

use super::{
    Carries, Scope,
    reading::{reading, tree},
    translate::fetching,
};
use crate::{
    mapping::{Mapping, Produces, References, Translated},
    message::{Content, Message},
    names::TypeName,
    store::CrossReferences,
};

/// A mapping over a message, as `this`, and the answer of a system, under a name of the flow file.
#[derive(Clone)]
pub(crate) struct Combination {
    mapping: Arc<Mapping>,
    /// The type of what it makes; `None`: a native record.
    type_name: Option<TypeName>,
    references: Arc<dyn CrossReferences>,
}

impl Combination {
    /// Plans it over what comes in; from then on its product is what comes. `None`: what is wrong was told.
    pub(crate) fn plan(emit: &Settings, variable: &Settings, scope: &mut Scope<'_>) -> Option<Self> {
        let name = variable.text().unwrap_or_default();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || ["this", "attributes"].contains(&name) {
            let what = format!("`{name}` is no word for what the system says");
            scope.problem(&variable.place, what).hint = Some("as in `as: answer`".to_owned());
        }
        let mapping = scope.mapping(emit).and_then(|source| {
            scope.compile(&[&source], |environment| {
                Mapping::compile_with(&source, environment, name)
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
        Some(Self {
            mapping: Arc::new(mapping),
            type_name,
            references: scope.references.clone(),
        })
    }

    /// The mapping.
    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// What comes of a message and the answer to it.
    pub(crate) async fn make(&self, message: &Message, answer: &Body) -> Result<Content, Fault> {
        let attempt = |known: &References| {
            tree(answer, "reply", |beside| {
                reading(message, |input, facts| {
                    self.mapping.attempt_over(input, beside, facts, known)
                })
            })
        };
        let made = fetching(&self.references, attempt).await?;
        match (made, &self.type_name) {
            (Translated::Message(bytes), Some(type_name)) => Ok(Content::Canonical {
                type_name: type_name.clone(),
                bytes: bytes.into(),
            }),
            (Translated::Record(value), _) => Ok(Content::Native(Body::Value(value))),
            (Translated::Message(_), None) => Err(Fault::stop(
                "the mapping made a message where a record was planned",
            )),
        }
    }
}

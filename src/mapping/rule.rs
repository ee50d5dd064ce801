//! A rule of a field or message: an expression that is true where it holds, or a text that is empty there.
//!
//! `this` is the message, the field's value, or each element of a list or map. Where a rule cannot be told (a fault,
//! a budget that is used up) it does not hold.

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind as Declared, MessageDescriptor};
use trunkline_sdk::Problem;

use super::{
    Environment, Input, NoFacts, Tables, This,
    check::Checker,
    evaluate::Run,
    field::Field,
    kind::Kind,
    plan::Node,
    source::Source,
    syntax,
    types::Type,
    value::{Blob, Val},
};

/// What a rule is about.
#[derive(Debug, Clone)]
pub(crate) enum Over {
    Message(MessageDescriptor),
    Field(FieldDescriptor),
    /// Each item of a list.
    Items(FieldDescriptor),
    /// Each key of a map.
    Keys(FieldDescriptor),
    /// Each value of a map.
    Values(FieldDescriptor),
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    node: Node,
    slot: usize,
    slots: usize,
    reads: Reads,
}

#[derive(Debug)]
enum Reads {
    Message(Box<Kind>),
    Field(Field),
    Items(Field),
    Keys(Field),
    Values(Field),
}

impl Over {
    fn pool(&self) -> &DescriptorPool {
        match self {
            Self::Message(message) => message.parent_pool(),
            Self::Field(field) | Self::Items(field) | Self::Keys(field) | Self::Values(field) => {
                field.parent_pool()
            }
        }
    }

    fn this(&self) -> Type {
        let entry = |field: &FieldDescriptor| match field.kind() {
            Declared::Message(entry) if field.is_map() => Some(entry),
            _ => None,
        };
        match self {
            Self::Message(message) => Type::of_message(message),
            Self::Field(field) => Type::of_field(field),
            Self::Items(field) => Type::of_kind(&field.kind()),
            Self::Keys(field) => entry(field).map_or(Type::Error, |entry| {
                Type::of_kind(&entry.map_entry_key_field().kind())
            }),
            Self::Values(field) => entry(field).map_or(Type::Error, |entry| {
                Type::of_kind(&entry.map_entry_value_field().kind())
            }),
        }
    }
}

impl Rule {
    /// Checks and compiles a rule.
    ///
    /// Problems: all of them, in the order of the text.
    pub(crate) fn compile(text: &str, over: &Over) -> Result<Self, Vec<Problem>> {
        let source = Source::file("rule", text);
        let expr = syntax::parse(&source)?;
        let tables = Tables::default();
        let environment = Environment {
            pool: over.pool(),
            this: This::Record,
            tables: &tables,
            zone: None,
        };
        let mut checker = Checker::new(&environment, &source);
        let (slot, node) = checker.rule("this", over.this(), &expr);
        let slots = checker.slots();
        let reads = match over {
            Over::Message(message) => Reads::Message(Box::new(Kind::new(message))),
            Over::Field(field) => Reads::Field(Field::new(field)),
            Over::Items(field) => Reads::Items(Field::new(field)),
            Over::Keys(field) => Reads::Keys(Field::new(field)),
            Over::Values(field) => Reads::Values(Field::new(field)),
        };
        checker.finish(Self {
            node,
            slot,
            slots,
            reads,
        })
    }

    /// Whether it is about each element of a list or map.
    pub(crate) fn is_of_elements(&self) -> bool {
        matches!(self.reads, Reads::Items(_) | Reads::Keys(_) | Reads::Values(_))
    }

    /// The numbers of the elements of which it does not hold, in this encoded message; 0 where it is about one thing.
    pub(crate) fn broken(&self, message: &[u8]) -> Vec<usize> {
        let blob = Blob::Borrowed(message);
        let values = match &self.reads {
            Reads::Message(kind) => Ok(vec![Val::Message(blob, Some(kind))]),
            Reads::Field(field) => field.read(&blob).map(|value| vec![value]),
            Reads::Items(field) => {
                let mut items = Vec::new();
                let all = field.each(&blob, |item| {
                    items.push(item);
                    true
                });
                all.map(|()| items)
            }
            Reads::Keys(field) => field
                .entries(&blob)
                .map(|all| all.into_iter().map(|(key, _)| key).collect()),
            Reads::Values(field) => field
                .entries(&blob)
                .map(|all| all.into_iter().map(|(_, value)| value).collect()),
        };
        let Ok(values) = values else { return vec![0] };
        let mut run = Run::new(Input::Message(&[]), None, &NoFacts, self.slots);
        let mut broken = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            run.set(self.slot, value);
            let holds = match run.evaluate(&self.node) {
                Ok(Val::Bool(flag)) => flag,
                Ok(Val::Text(text)) => text.as_str().is_empty(),
                _ => false,
            };
            if !holds {
                broken.push(at);
            }
        }
        broken
    }
}

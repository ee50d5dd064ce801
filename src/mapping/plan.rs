//! A checked expression, ready to run: names are resolved to numbers and slots, words of enums to their numbers,
//! patterns are compiled.

use std::sync::{Arc, atomic::AtomicUsize};

use prost_reflect::EnumDescriptor;
use regex::Regex;

use super::{
    failure::Failure, field::Field, functions::Implementation, kind::Kind, references::ReferenceUse,
    schema::RecordObject, source::Span, syntax::BinaryOp, value::Val,
};
use crate::canonical::Tree;

/// One step of the plan. `at`: where it stands in the source, for faults.
#[derive(Debug)]
pub(crate) enum Node {
    Const(Val<'static>),
    /// The message or record.
    This,
    /// A variable of a loop or binding.
    Local(usize),
    Attribute {
        name: Box<str>,
        at: Span,
        /// `Absent` instead of a fault where there is none.
        optional: bool,
    },
    HasAttribute(Box<str>),
    Field(Box<Node>, Box<Field>),
    HasField(Box<Node>, Box<Field>),
    /// `.?field`: absent where it is not set.
    OptionalField(Box<Node>, Box<Field>),
    Key(Box<Key>),
    HasKey(Box<Key>),
    OptionalKey(Box<Key>),
    Index {
        of: Box<Node>,
        index: Box<Node>,
        optional: bool,
        at: Span,
    },
    Not(Box<Node>, Span),
    Negate(Box<Node>, Span),
    And(Vec<Node>, Span),
    Or(Vec<Node>, Span),
    Choose(Box<[Node; 3]>, Span),
    Compare(BinaryOp, Box<[Node; 2]>, Span),
    Arithmetic(BinaryOp, Box<[Node; 2]>, Span),
    In(Box<[Node; 2]>, Span),
    Call {
        run: Implementation,
        args: Vec<Node>,
        /// The type of the message that it gives.
        kind: Option<Box<Kind>>,
        at: Span,
    },
    Pattern(Box<Pattern>),
    Lookup(Box<Lookup>),
    Xref(Box<Xref>),
    Loop(Box<Loop>),
    Bind {
        slot: usize,
        value: Box<Node>,
        body: Box<Node>,
    },
    OrValue(Box<[Node; 2]>),
    Or2(Box<[Node; 2]>),
    HasValue(Box<Node>),
    /// Nothing, where the value is empty.
    NonZero(Box<Node>),
    /// `optMap`, `optFlatMap`.
    OptMap {
        of: Box<Node>,
        slot: usize,
        body: Box<Node>,
    },
    /// `.value()` of an optional.
    Unwrap(Box<Node>, Span),
    /// The type of a value; known where it is an optional.
    TypeOf(Box<Node>, Option<&'static str>),
    /// The word of an enum's number.
    Word(EnumDescriptor, Box<Node>),
    Money {
        amount: Box<Node>,
        currency: Box<Node>,
        kind: Box<Kind>,
        at: Span,
    },
    Message(Arc<Literal>),
    List(Vec<Item>),
    Map(Vec<Entry>, Span),
}

/// `of.name` on a record.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) of: Node,
    pub(crate) name: Box<str>,
    /// Of a record, where null is nothing there.
    pub(crate) lenient: bool,
    /// Where in its object the field stood last: records of one source look alike.
    pub(crate) last: AtomicUsize,
    /// The path as it is written.
    pub(crate) written: Box<str>,
    pub(crate) at: Span,
}

#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) key: Node,
    /// Per code what its word means where it goes: the text itself, or the enum's number.
    pub(crate) values: std::collections::HashMap<Box<str>, Val<'static>>,
    pub(crate) otherwise: Option<Node>,
    pub(crate) at: Span,
}

/// `xref(..)` and its like.
#[derive(Debug)]
pub(crate) struct Xref {
    pub(crate) used: ReferenceUse,
    /// Absent instead of a fault where there is no entry.
    pub(crate) optional: bool,
    pub(crate) id: Node,
    pub(crate) at: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// Of those that pass the test, the body.
    Map,
    /// A map of the same keys, with the body for each value.
    TransformMap,
    /// A map of the entries that the body gives.
    TransformMapEntry,
    SortBy,
}

/// A pattern, and what is made of what it finds.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) of: Node,
    pub(crate) regex: Regex,
    pub(crate) finding: Finding,
    pub(crate) at: Span,
}

#[derive(Debug)]
pub(crate) enum Finding {
    Matches,
    Extract,
    ExtractAll,
    Replace { with: Node, most: Option<Node> },
}

/// A macro over a list.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Node,
    pub(crate) slot: usize,
    /// The variable of the item or value, where the first is that of the place or key.
    pub(crate) second: Option<usize>,
    pub(crate) test: Option<Node>,
    pub(crate) body: Node,
    pub(crate) at: Span,
}

/// A message literal.
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) kind: Kind,
    /// In the order of their numbers, as the other encoders write.
    pub(crate) setters: Vec<Setter>,
}

/// `name: value` of a message literal.
#[derive(Debug)]
pub(crate) struct Setter {
    pub(crate) name: Box<str>,
    pub(crate) field: Field,
    pub(crate) value: Node,
    /// The rule `required`: what is empty at run time is a fault.
    pub(crate) required: bool,
    pub(crate) at: Span,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) value: Node,
    pub(crate) form: Form,
    pub(crate) optional: bool,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) form: Form,
    pub(crate) optional: bool,
    pub(crate) at: Span,
}

/// How a value is shown in a native tree, as far as its run-time value does not say it itself.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// One value, as it is.
    Plain,
    /// What it is shows at run time.
    Open,
    /// A declared object of a record.
    Object(Arc<RecordObject>),
    Enum(EnumDescriptor),
    Message(Arc<Tree>),
    List(Box<Form>),
    Map(Box<Form>),
}

impl Node {
    pub(crate) fn boxed(self) -> Box<Node> {
        Box::new(self)
    }
}

/// What running a step gives.
pub(crate) type Evaluated<'a> = Result<Val<'a>, Box<Failure>>;

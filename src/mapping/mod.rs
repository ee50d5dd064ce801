//! The language of mappings and predicates: CEL, checked against the descriptors before it runs, run over encoded
//! bytes or a native record without decoding what it does not read.
//!
//! - [`Predicate`]: an expression that is true or false of a message; the filter and the router ask it.
//! - [`Mapping`]: a message literal (to canonical) or a map literal (to native); the translator runs it.
//! - [`Split`]: a list and a literal for each of its items; the splitter runs it.
//! - [`Tables`]: the code tables that `lookup` reads.
//!
//! The syntax is CEL's (cel.dev). What differs, on purpose:
//! - int and uint mix; a result that does not fit is a fault;
//! - an enum is compared with, and set from, its word as a text, in full or without the type's prefix; it is checked;
//! - a part of a record (of unknown type until it runs) goes into a scalar field only if it is exactly of the field's
//!   kind, and never into a message, timestamp, enum or list field: conversions are written out;
//! - numbers of records are decimal: compared digit by digit, reckoned with exactly to 38 digits, or it is a fault;
//! - a record's null counts as nothing there for `has()` and `.?`; `has(a.b.c)` is false where `a.b` is missing;
//! - a pattern and the name of a lookup table are literals, so that they are checked before they run.
//!
//! Everything compiled is `Send + Sync` and is run through `&self`.

mod check;
#[cfg(test)]
mod conformance;
mod encode;
mod entries;
mod evaluate;
mod explain;
mod failure;
mod faults;
mod field;
mod formula;
pub mod functions;
mod hidden;
mod json;
mod kind;
mod known;
mod lineage;
mod loops;
mod native;
mod operators;
mod parts;
mod pattern;
mod plan;
mod predicate;
mod references;
pub(crate) mod rule;
mod scalar;
mod schema;
mod shape;
mod source;
mod split;
mod syntax;
mod tables;
mod translate;
mod types;
mod value;

pub use explain::{Explanation, Origin, Reason, explain};
pub use formula::Formula;
pub use hidden::Hidden;
pub use lineage::{How, Leaf, Made, Part, Read};
pub use predicate::Predicate;
pub use references::{Attempt, Direction, Found, Reference, ReferenceUse, References};
pub use schema::{RecordField, RecordKind, RecordObject, RecordSchema, RecordType};
pub use source::Source;
pub use split::Split;
pub use tables::{Table, Tables};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Fault, Problem, Shape, Value};

use check::Checker;
use evaluate::Run;
use faults::Faults;
use kind::Kind;
use plan::{Form, Node};
use source::Span;
use types::Type;

/// What an expression is checked against.
#[derive(Debug, Clone)]
pub struct Environment<'e> {
    /// All message types there are.
    pub pool: &'e DescriptorPool,
    /// What `this` is.
    pub this: This,
    /// The lookup tables.
    pub tables: &'e Tables,
    /// The time zone of functions that are given none, by its name; `None`: UTC, and a text must say its offset.
    pub zone: Option<&'e str>,
}

/// What comes in.
#[derive(Debug, Clone)]
pub enum This {
    /// A canonical message: its fields are checked.
    Message(MessageDescriptor),
    /// A native record without a schema: its fields show when it runs.
    Record,
    /// A native record whose source declares its structure: its fields are checked.
    Declared(RecordSchema),
}

impl This {
    /// The type of the message, for what is read of it without being known before.
    fn kind(&self) -> Option<Box<Kind>> {
        match self {
            Self::Message(message) => Some(Box::new(Kind::new(message))),
            Self::Record | Self::Declared(_) => None,
        }
    }
}

/// One thing to run over; of the kind that [`This`] said.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// An encoded canonical message.
    Message(&'a [u8]),
    /// A native record.
    Record(&'a Value<'a>),
}

/// The attributes of the message at hand, read as `attributes.<name>`: `id`, `source`, `subject`, `time` (RFC 3339),
/// `key`, `type`, `correlation_id`, and what its source gave it beside.
pub trait Facts {
    /// The attribute of this name, if the message has it.
    fn get(&self, name: &str) -> Option<&str>;
}

/// No attributes.
#[derive(Debug, Clone, Copy)]
pub struct NoFacts;

impl Facts for NoFacts {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

impl Facts for [(&str, &str)] {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
    }
}

impl<const N: usize> Facts for [(&str, &str); N] {
    fn get(&self, name: &str) -> Option<&str> {
        Facts::get(self.as_slice(), name)
    }
}

/// What is wrong with the syntax of an expression, whatever it is about.
pub(crate) fn check_syntax(source: &Source) -> Vec<Problem> {
    syntax::parse(source).err().unwrap_or_default()
}

/// A compiled translation.
#[derive(Debug)]
pub struct Mapping {
    source: Source,
    takes: This,
    whole: Span,
    this: Option<Box<Kind>>,
    node: Node,
    slots: usize,
    references: Vec<ReferenceUse>,
    produces: Produces,
    form: Form,
    zone: Option<Box<str>>,
    /// The variable that holds a system's answer.
    answer: Option<usize>,
}

/// How often references may lead to further ones.
pub const TURNS: usize = 8;

/// References led to further ones more than [`TURNS`] times.
pub fn endless() -> Fault {
    Fault::dead_letter("cross-references lead to further ones without an end")
}

/// What a mapping gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Produces {
    /// A canonical message of this type.
    Message(MessageDescriptor),
    /// A native record that looks like this, as far as it is known.
    Record(Shape),
}

/// What one run of a mapping gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Translated {
    /// An encoded canonical message.
    Message(Vec<u8>),
    /// A native record.
    Record(Value<'static>),
}

impl Mapping {
    /// Checks and compiles a mapping; with `expects` it must give just that type.
    ///
    /// Problems: all of them, in the order of the text.
    pub fn compile(
        source: &Source,
        environment: &Environment<'_>,
        expects: Option<&MessageDescriptor>,
    ) -> Result<Self, Vec<Problem>> {
        Self::compile_over(source, environment, expects, None)
    }

    /// As [`Mapping::compile`]; it reads a record under the name `variable` beside what comes in, which
    /// [`Mapping::attempt_over`] gives it.
    pub fn compile_with(
        source: &Source,
        environment: &Environment<'_>,
        variable: &str,
    ) -> Result<Self, Vec<Problem>> {
        Self::compile_over(source, environment, None, Some(variable))
    }

    fn compile_over(
        source: &Source,
        environment: &Environment<'_>,
        expects: Option<&MessageDescriptor>,
        variable: Option<&str>,
    ) -> Result<Self, Vec<Problem>> {
        let expr = syntax::parse(source)?;
        let mut checker = Checker::new(environment, source).with_references();
        let answer = variable.map(|variable| checker.declare(variable, Type::Dyn));
        let typed = checker.mapping(&expr, expects);
        let form = checker.form(&typed.ty);
        let produces = match &typed.ty {
            Type::Message(message) => Produces::Message(message.clone()),
            _ => Produces::Record(shape::of(source.name(), &typed.node, &form)),
        };
        let (node, slots, references) = (typed.node, checker.slots(), checker.references());
        checker.finish(Self {
            source: source.clone(),
            takes: environment.this.clone(),
            whole: expr.span,
            this: environment.this.kind(),
            node,
            slots,
            references,
            produces,
            form,
            zone: environment.zone.map(Into::into),
            answer,
        })
    }

    /// Its text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What it takes.
    pub fn takes(&self) -> &This {
        &self.takes
    }

    /// The time zone of its functions that are given none.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// What it gives.
    pub fn produces(&self) -> &Produces {
        &self.produces
    }

    /// The cross-references that it reads.
    pub fn references(&self) -> &[ReferenceUse] {
        &self.references
    }

    /// Translates one message or record by a mapping that reads no cross-references.
    ///
    /// Faults: as of [`Mapping::attempt`]; `Stop`: it reads some.
    pub fn run(&self, input: Input<'_>, facts: &dyn Facts) -> Result<Translated, Fault> {
        match self.attempt(input, facts, &References::default())? {
            Attempt::Done(translated) => Ok(translated),
            Attempt::Needs(_) => Err(Fault::stop("the mapping needs cross-references")
                .hint("xref(..) works in a step `translate`, which has a store to ask")),
        }
    }

    /// Translates one message or record; `ask` answers, in their order, which references mean what.
    ///
    /// Faults: as of [`Mapping::attempt`], and those of `ask`.
    pub fn run_asking(
        &self,
        input: Input<'_>,
        facts: &dyn Facts,
        mut ask: impl FnMut(&[Reference]) -> Result<Vec<Found>, Fault>,
    ) -> Result<Translated, Fault> {
        let mut known = References::default();
        for _ in 0..TURNS {
            match self.attempt(input, facts, &known)? {
                Attempt::Done(translated) => return Ok(translated),
                Attempt::Needs(needs) => {
                    let found = ask(&needs)?;
                    known.extend(needs.into_iter().zip(found));
                }
            }
        }
        Err(endless())
    }

    /// The references that it needs for one message or record, as `ask` answers them; also where it fails in the end.
    ///
    /// Faults: those of `ask`.
    pub fn gather(
        &self,
        input: Input<'_>,
        facts: &dyn Facts,
        mut ask: impl FnMut(&[Reference]) -> Result<Vec<Found>, Fault>,
    ) -> Result<References, Fault> {
        let mut known = References::default();
        for _ in 0..TURNS {
            let Ok(Attempt::Needs(needs)) = self.attempt(input, facts, &known) else {
                break;
            };
            let found = ask(&needs)?;
            known.extend(needs.into_iter().zip(found));
        }
        Ok(known)
    }

    /// Translates one message or record, or says which cross-references it needs for that.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`], with every field that failed by its path and place, and without
    /// any value of the record.
    pub fn attempt(
        &self,
        input: Input<'_>,
        facts: &dyn Facts,
        references: &References,
    ) -> Result<Attempt, Fault> {
        self.attempt_over(input, &Value::Null, facts, references)
    }

    /// As [`Mapping::attempt`], with the record that a mapping of [`Mapping::compile_with`] reads beside.
    pub fn attempt_over(
        &self,
        input: Input<'_>,
        beside: &Value<'_>,
        facts: &dyn Facts,
        references: &References,
    ) -> Result<Attempt, Fault> {
        let mut run = Run::new(input, self.this.as_deref(), facts, self.slots);
        if let Some(slot) = self.answer {
            run.set(slot, value::Val::record(beside));
        }
        run.references = Some(references);
        let mut faults = Faults::default();
        let translated = match self.produces {
            Produces::Message(_) => {
                let mut out = Vec::with_capacity(512);
                run.put_whole(&self.node, &mut out, &mut faults);
                Translated::Message(out)
            }
            Produces::Record(_) => Translated::Record(run.native(&self.node, &self.form, &mut faults)),
        };
        // What failed for want of a reference may not fail with it.
        let needs = run.needs();
        if !needs.is_empty() {
            Ok(Attempt::Needs(needs))
        } else if faults.is_empty() {
            Ok(Attempt::Done(translated))
        } else {
            Err(faults.into_fault(&self.source, self.whole))
        }
    }
}

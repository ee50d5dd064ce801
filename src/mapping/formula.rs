//! A formula: one value of a message, where a flow needs no more of it: the text by which messages belong together, or
//! an instant.

use jiff::Timestamp;
use trunkline_sdk::{Fault, Problem};

use super::{
    Environment, Facts, Input,
    check::Checker,
    evaluate::Run,
    failure::Failure,
    faults::fault,
    kind::Kind,
    plan::Node,
    source::{Source, Span},
    syntax,
    types::Type,
    value::Val,
};
use crate::canonical::time::Instant;

/// The longest text that may be a key, in bytes.
const MAX_KEY: usize = 255;

/// A compiled formula.
#[derive(Debug)]
pub struct Formula {
    source: Source,
    whole: Span,
    this: Option<Box<Kind>>,
    node: Node,
    slots: usize,
}

impl Formula {
    /// Checks and compiles a formula for a key: a text, a whole number, a truth value or a word of an enum.
    ///
    /// Problems: all of them, in the order of the text.
    pub fn key(source: &Source, environment: &Environment<'_>) -> Result<Self, Vec<Problem>> {
        let may_be = |ty: &Type| {
            matches!(
                ty,
                Type::Text
                    | Type::Int
                    | Type::Uint
                    | Type::Bool
                    | Type::Number
                    | Type::Enum(_)
                    | Type::Dyn
                    | Type::Any
            )
        };
        Self::compile(source, environment, may_be, "a text or a whole number")
    }

    /// Checks and compiles a formula for an instant.
    ///
    /// Problems: as of [`Formula::key`].
    pub fn instant(source: &Source, environment: &Environment<'_>) -> Result<Self, Vec<Problem>> {
        let may_be = |ty: &Type| matches!(ty, Type::Timestamp);
        Self::compile(source, environment, may_be, "a timestamp")
    }

    fn compile(
        source: &Source,
        environment: &Environment<'_>,
        may_be: impl Fn(&Type) -> bool,
        wanted: &str,
    ) -> Result<Self, Vec<Problem>> {
        let expr = syntax::parse(source)?;
        let mut checker = Checker::new(environment, source);
        let node = checker.formula(&expr, may_be, wanted);
        let slots = checker.slots();
        checker.finish(Self {
            source: source.clone(),
            whole: expr.span,
            this: environment.this.kind(),
            node,
            slots,
        })
    }

    /// Its text as it was written.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The key of this message or record, at most 255 bytes.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`] where it has none, or it cannot be told.
    pub fn read_key(&self, input: Input<'_>, facts: &dyn Facts) -> Result<String, Fault> {
        self.read(input, facts, |value| {
            let key = match value {
                Val::Text(text) => text.as_str().to_owned(),
                Val::Int(number) => number.to_string(),
                Val::Uint(number) => number.to_string(),
                Val::Number(digits) => digits.as_str().to_owned(),
                Val::Bool(value) => value.to_string(),
                other => {
                    return Err(Failure::new(format!("is {}, which is no key", other.kind()))
                        .hint("a key is a text or a whole number"));
                }
            };
            match key.len() {
                0 => Err(Failure::new("is an empty text, which is no key".to_owned())),
                1..=MAX_KEY => Ok(key),
                _ => Err(Failure::new(format!(
                    "is a text of more than {MAX_KEY} bytes, which is no key"
                ))),
            }
        })
    }

    /// The instant that this message or record tells.
    ///
    /// Faults: as of [`Formula::read_key`].
    pub fn read_instant(&self, input: Input<'_>, facts: &dyn Facts) -> Result<Timestamp, Fault> {
        self.read(input, facts, |value| match value {
            Val::Timestamp(Instant { seconds, nanos }) => Timestamp::new(*seconds, *nanos)
                .map_err(|_| Failure::new("lies outside of the years that there are".to_owned())),
            other => Err(Failure::new(format!("is {}, and no timestamp", other.kind()))),
        })
    }

    fn read<T>(
        &self,
        input: Input<'_>,
        facts: &dyn Facts,
        take: impl FnOnce(&Val<'_>) -> Result<T, Box<Failure>>,
    ) -> Result<T, Fault> {
        let mut run = Run::new(input, self.this.as_deref(), facts, self.slots);
        run.evaluate(&self.node)
            .and_then(|value| take(&value))
            .map_err(|failure| fault(failure, self.whole, &self.source))
    }
}

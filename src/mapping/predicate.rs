//! A predicate: true or false of a message. Filters and routers ask it of every message, so it reads the encoded
//! bytes where they are, and copies nothing.

use trunkline_sdk::{Fault, Problem};

use super::{
    Environment, Facts, Input,
    check::Checker,
    evaluate::Run,
    faults::fault,
    kind::Kind,
    plan::Node,
    source::{Source, Span},
    syntax,
};

/// A compiled predicate.
#[derive(Debug)]
pub struct Predicate {
    source: Source,
    whole: Span,
    this: Option<Box<Kind>>,
    node: Node,
    slots: usize,
}

impl Predicate {
    /// Checks and compiles a predicate.
    ///
    /// Problems: all of them, in the order of the text.
    pub fn compile(source: &Source, environment: &Environment<'_>) -> Result<Self, Vec<Problem>> {
        let expr = syntax::parse(source)?;
        let mut checker = Checker::new(environment, source);
        let node = checker.predicate(&expr);
        let slots = checker.slots();
        checker.finish(Self {
            source: source.clone(),
            whole: expr.span,
            this: environment.this.kind(),
            node,
            slots,
        })
    }

    /// Whether it is true of this message or record.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`] where it cannot be told: a field of the record is missing, kinds
    /// do not compare, the message is broken.
    pub fn test(&self, input: Input<'_>, facts: &dyn Facts) -> Result<bool, Fault> {
        let mut run = Run::new(input, self.this.as_deref(), facts, self.slots);
        run.test(&self.node, self.whole)
            .map_err(|failure| fault(failure, self.whole, &self.source))
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The text as it was written: the name of the rule that dropped or routed a message.
    pub fn text(&self) -> &str {
        self.source.text()
    }
}

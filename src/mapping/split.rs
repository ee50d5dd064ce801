//! The Splitter's plan: a list in a message, and a message literal for each of its items.

use prost_reflect::MessageDescriptor;
use trunkline_sdk::{Fault, Problem};

use super::{
    Environment, Facts, Input,
    check::Checker,
    evaluate::Run,
    faults::{Faults, fault},
    kind::Kind,
    plan::Node,
    source::{Source, Span},
    syntax,
};

/// A compiled split: `each`, the variable, and what is emitted for each.
#[derive(Debug)]
pub struct Split {
    each: (Source, Span, Node),
    emit: (Source, Span, Node),
    variable: String,
    this: Option<Box<Kind>>,
    slot: usize,
    slots: usize,
    produces: MessageDescriptor,
}

impl Split {
    /// Checks and compiles the two expressions together; with `expects` the parts must be just of that type. In `emit`
    /// the item is read as `variable`, the whole as `this`.
    ///
    /// Problems: all of both, in the order of the texts.
    pub fn compile(
        each: &Source,
        variable: &str,
        emit: &Source,
        environment: &Environment<'_>,
        expects: Option<&MessageDescriptor>,
    ) -> Result<Self, Vec<Problem>> {
        let (each_expr, emit_expr) = match (syntax::parse(each), syntax::parse(emit)) {
            (Ok(each), Ok(emit)) => (each, emit),
            (each, emit) => {
                let problems = each.err().into_iter().chain(emit.err()).flatten();
                return Err(problems.collect());
            }
        };
        let mut checker = Checker::new(environment, each);
        let (range, item) = checker.range(&each_expr);
        checker.source(emit);
        let (slot, node, produces) = checker.part(variable, item, &emit_expr, expects);
        let slots = checker.slots();
        checker.finish(())?;
        // Without a type there was a problem.
        let Some(produces) = produces else {
            return Err(Vec::new());
        };
        Ok(Self {
            each: (each.clone(), each_expr.span, range),
            emit: (emit.clone(), emit_expr.span, node),
            variable: variable.to_owned(),
            this: environment.this.kind(),
            slot,
            slots,
            produces,
        })
    }

    /// `each`, `emit`, and the word for one element.
    pub(crate) fn texts(&self) -> (&Source, &Source, &str) {
        (&self.each.0, &self.emit.0, &self.variable)
    }

    /// The type of the parts.
    pub fn produces(&self) -> &MessageDescriptor {
        &self.produces
    }

    /// The parts of one message or record, encoded, in the order of the list. All of them or none.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`], as a mapping's, the paths beginning with the part: `[3].quantity`.
    pub fn run(&self, input: Input<'_>, facts: &dyn Facts) -> Result<Vec<Vec<u8>>, Fault> {
        let mut run = Run::new(input, self.this.as_deref(), facts, self.slots);
        let (each_source, each_span, range) = &self.each;
        let (emit_source, emit_span, node) = &self.emit;
        let each_failed = |failure| fault(failure, *each_span, each_source);
        let range = run.evaluate(range).map_err(each_failed)?;
        let (mut parts, mut faults) = (Vec::new(), Faults::default());
        run.each(&range, *each_span, |run, item| {
            run.set(self.slot, item);
            let (since, mut part) = (faults.len(), Vec::with_capacity(128));
            run.put_whole(node, &mut part, &mut faults);
            if faults.len() > since {
                faults.prefix(since, &format!("[{}]", parts.len()));
            }
            parts.push(part);
            Ok(!faults.is_exhausted())
        })
        .map_err(each_failed)?;
        if faults.is_empty() {
            Ok(parts)
        } else {
            Err(faults.into_fault(emit_source, *emit_span))
        }
    }
}

//! Why a run stops: a step that fails, or a budget that is used up.

use super::source::Span;
use crate::canonical::wire::Broken;

/// Why a step failed. Says kinds and shapes, never a value of the input.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
    /// Where, in the source; the innermost step that knows says it.
    pub(crate) at: Option<Span>,
    /// The budget is used up: there is no use in going on.
    pub(crate) exhausted: bool,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            what: what.into(),
            hint: None,
            at: None,
            exhausted: false,
        })
    }

    #[must_use]
    pub(crate) fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn at(mut self: Box<Self>, at: Span) -> Box<Self> {
        self.at.get_or_insert(at);
        self
    }
}

impl From<Broken> for Box<Failure> {
    fn from(broken: Broken) -> Self {
        Failure::new(broken.to_string())
    }
}

/// How much work one run may do: a step is an item of a loop, or some hundred bytes looked at or written.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

/// Enough for a message of 16 MiB and a mapping that looks at each of its parts some times; about 0.1 s.
const STEPS: u64 = 2_000_000;

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: STEPS }
    }

    #[inline]
    pub(crate) fn steps(&mut self, steps: usize) -> Result<(), Box<Failure>> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.exhausted()),
        }
    }

    /// Bytes that are looked at or written.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), Box<Failure>> {
        self.steps(bytes / 128)
    }

    #[cold]
    fn exhausted(&mut self) -> Box<Failure> {
        self.left = 0;
        let mut failure = Failure::new(format!("it takes more than {STEPS} steps for this record"))
            .hint("loops inside loops multiply; look at fewer items");
        failure.exhausted = true;
        failure
    }
}

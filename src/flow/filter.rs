//! `filter:` drops the messages for which its expression is false (EIP Message Filter).
//!
//! The expression itself is the name of the rule, so the ledger says in the words of the flow file why a message
//! went no further.

use async_trait::async_trait;
use trunkline_sdk::{Fault, Settings};

use super::{Expression, Processor, Rule, Scope, Step, reading::reading};
use crate::{mapping::Predicate, message::Message};

struct Filter {
    keep: Predicate,
    rule: Rule,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let source = scope.expression(settings)?;
    let rule = Rule(
        source
            .text()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .into(),
    );
    let keep = scope.compile(&[&source], |environment| Predicate::compile(&source, environment))?;
    Some(Box::new(Filter { keep, rule }))
}

#[async_trait]
impl Processor for Filter {
    fn word(&self) -> &'static str {
        "filter"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        vec![Expression::Decides(&self.keep)]
    }

    fn may_end(&self) -> bool {
        true
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        let keep = reading(&message, |input, facts| self.keep.test(input, facts))?;
        if keep {
            Ok(Step::Pass(message))
        } else {
            Ok(Step::Filtered(self.rule.clone()))
        }
    }
}

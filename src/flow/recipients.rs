//! `recipients:` sends each message to the channels of all cases that are true (EIP Recipient List). Each of them gets it,
//! or it is not settled, and comes again under the same id.

use async_trait::async_trait;
use trunkline_sdk::{Fault, Settings};

use super::{
    Expression, Processor, Rule, Scope, Step,
    reading::reading,
    route::{Cases, cases},
};
use crate::{message::Message, names::ChannelName};

struct RecipientList {
    cases: Cases,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let cases = cases("recipients", settings, scope)?;
    Some(Box::new(RecipientList { cases }))
}

#[async_trait]
impl Processor for RecipientList {
    fn word(&self) -> &'static str {
        "recipients"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        self.cases.expressions()
    }

    fn may_end(&self) -> bool {
        self.cases.otherwise.is_none()
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        let mut to: Vec<ChannelName> = Vec::new();
        for (when, channel) in &self.cases.list {
            if !to.contains(channel) && reading(&message, |input, facts| when.test(input, facts))? {
                to.push(channel.clone());
            }
        }
        if to.is_empty() {
            to.extend(self.cases.otherwise.clone());
        }
        if to.is_empty() {
            return Ok(Step::Filtered(Rule("recipients: none".into())));
        }
        Ok(Step::Send(message, to))
    }
}

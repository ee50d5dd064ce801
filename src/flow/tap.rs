//! `tap:` sends a copy of each message to a channel, and the message goes on (EIP Wire Tap).
//!
//! The copy keeps the id: it is the same message, for other readers. It is no request: it carries neither the return
//! address nor the deadline. All or nothing: the message is settled when the copy is confirmed, too.

use async_trait::async_trait;
use trunkline_sdk::{Fault, Settings};

use super::{Expression, Processor, Scope, Step};
use crate::{message::Message, names::ChannelName};

struct WireTap {
    to: ChannelName,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let Some(name) = settings.text().filter(|name| !name.is_empty()) else {
        scope.problem(&settings.place, "`tap` names no channel").hint = Some("as in `tap: audit`".to_owned());
        scope.is_clear = false;
        return None;
    };
    scope.routed.push(name.to_owned());
    let to = scope.channel(name, &settings.place)?;
    scope.fits(&to, &settings.place)?;
    scope.copied.extend(scope.carries.message().cloned());
    Some(Box::new(WireTap { to }))
}

#[async_trait]
impl Processor for WireTap {
    fn word(&self) -> &'static str {
        "tap"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        vec![Expression::Copies(&self.to)]
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        Ok(Step::Copy(message, self.to.clone()))
    }
}

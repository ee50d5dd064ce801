//! Where systems meet the bus: [`Inbound`], from a source to a channel; [`Outbound`], from a flow into a sink.

mod asking;
mod inbound;
mod outbound;
mod writing;

pub(crate) use inbound::Inbound;
pub(crate) use outbound::{Door, Opened, Outbound};

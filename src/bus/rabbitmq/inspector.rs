//! Looks at the broker through its management API, for `trunkline topology`. Changes nothing.

use trunkline_sdk::Fault;

use super::{address::Address, compare, inventory::Inventory, management::Management};
use crate::bus::{Difference, Topology};

/// A look at the virtual host of a bus.
#[derive(Debug)]
pub struct Inspector {
    pub(super) management: Management,
    pub(super) address: Address,
}

impl Inspector {
    /// Of the bus at this URL. The management API is at `management`, or where RabbitMQ has it: port 15672 of
    /// the first host, 15671 for `amqps`; asked as the user of the bus if its URL names none.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when a URL is wrong. None shows a password.
    pub fn new(bus: &str, management: Option<&str>) -> Result<Self, Fault> {
        let address = Address::parse(bus)?;
        let management = Management::of(management, &address)?;
        Ok(Self { management, address })
    }

    /// What the landscape needs against what the virtual host has.
    ///
    /// Faults: `Reopen` when the management API cannot be reached, `Stop` when we may not ask it.
    pub async fn differences(&self, topology: &Topology) -> Result<Vec<Difference>, Fault> {
        let inventory = self.inventory().await?;
        Ok(compare::differences(topology, &inventory))
    }

    pub(super) async fn inventory(&self) -> Result<Inventory, Fault> {
        Inventory::read(&self.management, self.address.vhost()).await
    }
}

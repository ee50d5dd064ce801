//! A landscape that passed its check: everything resolved, ready to run.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Adapter, Fault, Settings};

use crate::{
    bus::{Partition, Queue, Takes, Topology, rabbitmq},
    canonical::rules::Rules,
    flow::{FollowUp, Keyed, Keys, Steps},
    mapping::Tables,
    names::{ChannelName, FlowName, ProcessName, QueueName, SystemName, TypeName},
    recovery::Schedule,
    store::GivenStore,
};

/// What will run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The landscape's folder.
    pub home: PathBuf,
    /// The bus.
    pub bus: BusAddress,
    /// The folder for what flows remember.
    pub store: PathBuf,
    /// Where a running process tells how it is; `None`: nowhere.
    pub health: Option<SocketAddr>,
    /// Where flows that are only looked at find cross-references; `None`: these will run, and ask the store.
    pub given: Option<Arc<GivenStore>>,
    /// The systems that flows use.
    pub systems: BTreeMap<SystemName, SystemPlan>,
    /// The flows, in the order of their files.
    pub flows: Vec<FlowPlan>,
    /// Which flows run in which process.
    pub processes: BTreeMap<ProcessName, Vec<FlowName>>,
    /// Every channel and queue of the landscape.
    pub topology: Topology,
    /// All message types there are, the landscape's own among them.
    pub types: DescriptorPool,
    /// The code tables.
    pub tables: Tables,
}

impl Plan {
    /// Whether the source of this flow asks, and waits for answers.
    pub fn asks(&self, flow: &FlowPlan) -> bool {
        let Feed::System { system, settings } = &flow.feed else {
            return false;
        };
        self.systems
            .get(system)
            .is_some_and(|plan| plan.adapter.asks(settings))
    }

    /// The flows of one process, or all of them.
    pub fn flows_of(&self, process: Option<&ProcessName>) -> impl Iterator<Item = &FlowPlan> {
        let chosen = process.and_then(|process| self.processes.get(process));
        self.flows
            .iter()
            .filter(move |flow| chosen.is_none_or(|chosen| chosen.contains(&flow.name)))
    }
}

/// Where the bus is.
#[derive(Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// In this folder.
    Embedded(PathBuf),
    /// At this URL; it may hold a password.
    RabbitMq(String),
}

impl BusAddress {
    /// Takes an address as it stands in `trunkline.yaml`; its folder or files are relative to `home`. The fault
    /// shows nothing of it: there may be a password in it.
    pub fn parse(text: &str, home: &Path) -> Result<Self, Fault> {
        match text.strip_prefix("embedded:") {
            Some(folder) if !folder.is_empty() => return Ok(Self::Embedded(home.join(folder))),
            None if text.starts_with("amqp://") || text.starts_with("amqps://") => {
                rabbitmq::check_address(text)?;
                return Ok(Self::RabbitMq(rabbitmq::at_home(text, home)));
            }
            _ => {}
        }
        Err(Fault::stop("this is no address of a bus")
            .hint("it is `embedded:<folder>`, `amqp://user:password@host:5672/vhost` or `amqps://…`"))
    }
}

/// Shows no password.
impl fmt::Debug for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddress::Embedded(folder) => write!(f, "embedded:{}", folder.display()),
            BusAddress::RabbitMq(_) => f.write_str("amqp:…"),
        }
    }
}

/// As people write it, without the password.
impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddress::Embedded(folder) => write!(f, "embedded:{}", folder.display()),
            BusAddress::RabbitMq(url) => f.write_str(&rabbitmq::shown(url)),
        }
    }
}

/// A system with its adapter.
#[derive(Clone)]
pub struct SystemPlan {
    /// The adapter.
    pub adapter: &'static dyn Adapter,
    /// Its settings.
    pub settings: Settings,
}

impl fmt::Debug for SystemPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.adapter.describe().name, self.settings)
    }
}

/// One flow.
#[derive(Debug, Clone)]
pub struct FlowPlan {
    /// Its name.
    pub name: FlowName,
    /// Where its messages come from.
    pub feed: Feed,
    /// What is done to them.
    pub steps: Steps,
    /// Where they go.
    pub target: Target,
    /// The channels to which its steps send messages, beside `target`.
    pub sends: Vec<ChannelName>,
    /// By which keys channels keep order.
    pub keys: Keys,
    /// When a message is tried again.
    pub retry: Schedule,
    /// The rules of the messages that leave it, by their types; those without have none.
    pub makes: Arc<BTreeMap<TypeName, Arc<Rules>>>,
    /// The rules of the messages that it reads, where its channel says `validate: true`.
    pub reads: Option<Arc<Rules>>,
}

impl FlowPlan {
    /// The flow's queues: one, or where its channel keeps order one for each partition and an intake. Of an inbound
    /// flow only its parked messages exist.
    pub fn queues(&self) -> Vec<Queue> {
        let (channel, order) = match &self.feed {
            Feed::Channel { channel, order, .. } => (channel, order),
            Feed::System { system, .. } => {
                return vec![Queue {
                    name: QueueName::of_source(system, &self.name),
                    channel: None,
                    takes: Takes::All,
                }];
            }
        };
        let queue = |name, takes| Queue {
            name,
            channel: Some(channel.clone()),
            takes,
        };
        let Some(keyed) = order else {
            let name = QueueName::of_subscriber(channel, &self.name);
            return vec![queue(name, Takes::All)];
        };
        let partition = |partition: Partition| {
            let name = QueueName::of_partition(channel, &self.name, partition.index);
            queue(name, Takes::Partition(partition))
        };
        let intake = queue(QueueName::of_intake(channel, &self.name), Takes::Unkeyed);
        Partition::all(keyed.partitions)
            .map(partition)
            .chain([intake])
            .collect()
    }

    /// Every channel it publishes to.
    pub fn publishes(&self) -> impl Iterator<Item = &ChannelName> {
        self.target.channel().into_iter().chain(&self.sends)
    }

    /// The systems it uses.
    pub fn systems(&self) -> impl Iterator<Item = &SystemName> {
        let source = match &self.feed {
            Feed::System { system, .. } => Some(system),
            Feed::Channel { .. } => None,
        };
        let sink = match &self.target {
            Target::System { system, .. } => Some(system),
            Target::Channel(_) | Target::Reply { .. } | Target::Routed => None,
        };
        source.into_iter().chain(sink)
    }
}

/// Where a flow's messages come from.
#[derive(Debug, Clone)]
pub enum Feed {
    /// A channel, which carries messages of this type.
    Channel {
        /// The channel.
        channel: ChannelName,
        /// The type.
        type_name: TypeName,
        /// By which key it keeps order, if it does.
        order: Option<Keyed>,
    },
    /// A system.
    System {
        /// The system.
        system: SystemName,
        /// What stands beside `system:`.
        settings: Settings,
    },
}

/// Where a flow's messages go.
#[derive(Debug, Clone)]
pub enum Target {
    /// To a channel.
    Channel(ChannelName),
    /// Into a system.
    System {
        /// The system.
        system: SystemName,
        /// What stands beside `system:`.
        settings: Settings,
        /// The type of the canonical messages that arrive there; `None`: native records.
        arrives: Option<MessageDescriptor>,
        /// What becomes of a message of which the system did not say whether it took it.
        in_doubt: InDoubt,
        /// What is made of its answers; its channel is one of `sends`.
        then: Option<FollowUp>,
    },
    /// To whoever asked: the return address of each message.
    Reply {
        /// The type of the canonical messages that are the answers; `None`: native records.
        arrives: Option<MessageDescriptor>,
    },
    /// Where the last step, a `route`, sends each.
    Routed,
}

/// What becomes of a message of which a system did not say whether it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// It is written again.
    Repeat,
    /// It is parked for a person.
    Park,
}

impl Target {
    /// The channel, if it is one.
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Target::Channel(channel) => Some(channel),
            Target::System { .. } | Target::Reply { .. } | Target::Routed => None,
        }
    }
}

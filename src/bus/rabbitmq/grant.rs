//! Least privilege: one broker user for each role, who may do what the landscape needs of it and nothing else.
//!
//! Promises: nobody but `topology` may make or remove anything; a process may publish to the channels of its own
//! flows, retry and park, and read the queues of its own flows; nobody may publish to the default exchange, which
//! reaches every queue. Passwords leave this module only as salted hashes.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rustls::crypto::ring;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trunkline_sdk::Fault;

use super::{
    inspector::Inspector,
    management::segment,
    topology::{DEAD, REDELIVER, REPLY, channel_exchange, rung},
};
use crate::{
    bus::Topology,
    names::{ChannelName, ProcessName, QueueName, ReturnAddress},
    recovery::Rung,
};

const NOTHING: &str = "^$";

/// A part in a landscape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A process, with all that its flows publish to and read.
    Process {
        /// Its name.
        name: ProcessName,
        /// The channels that its flows publish to.
        publishes: Vec<ChannelName>,
        /// The queues that its flows read.
        reads: Vec<QueueName>,
        /// Whether its flows ask, and it has a queue for the answers.
        asks: bool,
        /// Whether its flows answer.
        answers: bool,
    },
    /// Whoever looks at parked messages and sends them on: `trunkline dead-letters`.
    Operator,
    /// Whoever makes the topology: `trunkline topology`.
    Topology,
}

/// What a broker user may do in one virtual host: three patterns of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user.
    pub user: String,
    /// What it may make and remove.
    pub configure: String,
    /// What it may publish to.
    pub write: String,
    /// What it may take from.
    pub read: String,
    /// What it may ask the management API.
    pub tags: &'static [&'static str],
}

impl Role {
    /// Its word: the name of the process, `operator` or `topology`.
    pub fn word(&self) -> &str {
        match self {
            Role::Process { name, .. } => name.as_str(),
            Role::Operator => "operator",
            Role::Topology => "topology",
        }
    }

    /// What its user, `<prefix>-<word>`, may do.
    pub fn grant(&self, prefix: &str, topology: &Topology) -> Grant {
        let user = format!("{prefix}-{}", self.word());
        let nothing = NOTHING.to_owned();
        match self {
            Role::Process {
                name,
                publishes,
                reads,
                asks,
                answers,
            } => Grant {
                user,
                configure: if *asks {
                    format!("^{}$", own_answers(name))
                } else {
                    nothing
                },
                write: one_of(
                    publishes
                        .iter()
                        .map(channel_exchange)
                        .chain([DEAD.to_owned()])
                        .chain(Rung::ALL.map(rung))
                        .chain(fed_by(publishes, topology))
                        // What has come without a bucket goes on from the intake to its partition.
                        .chain(keeps_order(reads, topology).then(|| REDELIVER.to_owned()))
                        .chain(answers.then(|| REPLY.to_owned())),
                    asks.then(|| own_answers(name)),
                ),
                read: one_of(
                    reads
                        .iter()
                        .flat_map(|queue| readable(queue, topology))
                        // To bind its own queue to it.
                        .chain(asks.then(|| REPLY.to_owned())),
                    asks.then(|| own_answers(name)),
                ),
                tags: &[],
            },
            Role::Operator => Grant {
                user,
                configure: nothing,
                write: one_of([DEAD.to_owned(), REDELIVER.to_owned()], None),
                read: one_of(topology.queues.iter().map(|queue| queue.name.parked()), None),
                tags: &[],
            },
            // It also mends what no landscape names any more: queues of flows that are gone.
            Role::Topology => Grant {
                user,
                configure: ".*".to_owned(),
                write: ".*".to_owned(),
                read: ".*".to_owned(),
                tags: &["monitoring", "policymaker"],
            },
        }
    }
}

/// The queues of these channels. No message takes that way, and to bind them takes a right to the exchange as well:
/// but from RabbitMQ 4.3 on, whoever has no right at all to a queue may not ask whether it is there, which a publisher
/// must know before its first message.
fn fed_by(channels: &[ChannelName], topology: &Topology) -> impl Iterator<Item = String> {
    let mut queues = Vec::from_iter(&topology.queues);
    queues.retain(|queue| {
        queue
            .channel
            .as_ref()
            .is_some_and(|channel| channels.contains(channel))
    });
    queues.into_iter().map(|queue| queue.name.to_string())
}

/// A queue that a process reads; where order is kept, it must also see what is parked.
fn readable(name: &QueueName, topology: &Topology) -> impl Iterator<Item = String> {
    let parked = is_ordered(name, topology).then(|| name.parked());
    [name.to_string()].into_iter().chain(parked)
}

fn keeps_order(reads: &[QueueName], topology: &Topology) -> bool {
    reads.iter().any(|name| is_ordered(name, topology))
}

fn is_ordered(name: &QueueName, topology: &Topology) -> bool {
    let mut queues = topology.queues.iter();
    queues.any(|queue| queue.name == *name && queue.takes.is_ordered())
}

/// A pattern for the queues on which the answers to a process's requests arrive, each for one connection.
fn own_answers(process: &ProcessName) -> String {
    format!("{}{process}\\.[0-9a-f]+", escaped(ReturnAddress::OURS))
}

fn escaped(name: &str) -> String {
    name.replace('.', "\\.")
}

/// A pattern that fits exactly these names, and what fits this pattern.
fn one_of(names: impl IntoIterator<Item = String>, pattern: Option<String>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| escaped(&name)).collect();
    names.sort();
    names.dedup();
    names.extend(pattern);
    match &names[..] {
        [] => NOTHING.to_owned(),
        [name] => format!("^{name}$"),
        names => format!("^({})$", names.join("|")),
    }
}

/// A broker user's password. Its `Debug` shows nothing of it.
pub struct Password(String);

impl Password {
    /// A password that somebody has chosen.
    pub fn chosen(text: String) -> Self {
        Self(text)
    }

    /// 192 random bits, in letters, digits, `-` and `_`: it needs no encoding in a URL.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when the system has no random numbers.
    pub fn generate() -> Result<Self, Fault> {
        let bits: [u8; 24] = random()?;
        Ok(Self(
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bits),
        ))
    }

    /// The password, for whoever asked to see it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As RabbitMQ keeps it: four bytes of salt, and the SHA-256 hash of salt and password.
    pub fn hash(&self) -> Result<String, Fault> {
        let salt: [u8; 4] = random()?;
        let hash = Sha256::new().chain_update(salt).chain_update(&self.0).finalize();
        Ok(BASE64.encode([&salt[..], &hash[..]].concat()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled
        .map(|()| bytes)
        .map_err(|_| Fault::stop("the system has no random numbers"))
}

impl Grant {
    /// The user as RabbitMQ's definitions have it, to be imported.
    pub fn user_definition(&self, password: &Password) -> Result<Value, Fault> {
        Ok(json!({
            "name": self.user,
            "password_hash": password.hash()?,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": self.tags,
        }))
    }

    /// Its rights in a virtual host as RabbitMQ's definitions have them.
    pub fn permission_definition(&self, vhost: &str) -> Value {
        json!({
            "user": self.user,
            "vhost": vhost,
            "configure": self.configure,
            "write": self.write,
            "read": self.read,
        })
    }
}

impl Inspector {
    /// Whether the broker has a user of this name.
    pub async fn has_user(&self, name: &str) -> Result<bool, Fault> {
        let found: Option<Value> = self.management.find(&format!("users/{}", segment(name))).await?;
        Ok(found.is_some())
    }

    /// Makes a user, or gives it another password, and gives it its rights in the bus's virtual host. Without a
    /// password the user must be there, and keeps its own. What it may do in other virtual hosts stays.
    ///
    /// Faults: `Stop` when we are no administrator there.
    pub async fn grant(&self, grant: &Grant, password: Option<&Password>) -> Result<(), Fault> {
        let user = segment(&grant.user);
        if let Some(password) = password {
            let mut definition = grant.user_definition(password)?;
            // Where RabbitMQ 3.10 exports a list, it wants to be given a text.
            definition["tags"] = grant.tags.join(",").into();
            self.management.put(&format!("users/{user}"), &definition).await?;
        }
        let vhost = self.address.vhost();
        let path = format!("permissions/{}/{user}", segment(vhost));
        self.management
            .put(&path, &grant.permission_definition(vhost))
            .await
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        self.address.vhost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::{Partition, Queue, Takes},
        names::FlowName,
    };

    #[test]
    fn a_process_may_do_what_its_flows_do_and_nothing_else() {
        let orders = ChannelName::new("orders").unwrap();
        let role = Role::Process {
            name: ProcessName::new("shop").unwrap(),
            publishes: vec![
                ChannelName::new("eu-orders").unwrap(),
                orders.clone(),
                orders.clone(),
            ],
            reads: vec![QueueName::of_subscriber(
                &orders,
                &FlowName::new("route-orders").unwrap(),
            )],
            asks: false,
            answers: false,
        };
        let grant = role.grant("trunkline", &Topology::default());
        assert_eq!(
            grant,
            Grant {
                user: "trunkline-shop".to_owned(),
                configure: "^$".to_owned(),
                write: "^(trunkline\\.dead|trunkline\\.eu-orders|trunkline\\.orders|trunkline\\.retry\\.10m|\
                        trunkline\\.retry\\.1h|trunkline\\.retry\\.1s|trunkline\\.retry\\.2m|trunkline\\.retry\\.30s|\
                        trunkline\\.retry\\.5s)$"
                    .to_owned(),
                read: "^orders\\.route-orders$".to_owned(),
                tags: &[],
            }
        );
    }

    #[test]
    fn a_publisher_may_ask_for_the_queues_of_its_channels() {
        // given
        let [orders, stock] = ["orders", "stock"].map(|name| ChannelName::new(name).unwrap());
        let queue = |channel: &ChannelName| Queue {
            name: QueueName::of_subscriber(channel, &FlowName::new("billing").unwrap()),
            channel: Some(channel.clone()),
            takes: Takes::All,
        };
        let topology = Topology {
            channels: Vec::new(),
            queues: vec![queue(&orders), queue(&stock)],
        };
        let role = Role::Process {
            name: ProcessName::new("shop").unwrap(),
            publishes: vec![orders],
            reads: Vec::new(),
            asks: false,
            answers: false,
        };
        // when
        let grant = role.grant("trunkline", &topology);
        // then
        assert!(grant.write.contains("orders\\.billing|"), "{}", grant.write);
        assert!(!grant.write.contains("stock"), "{}", grant.write);
        assert_eq!(
            (grant.configure, grant.read),
            (NOTHING.to_owned(), NOTHING.to_owned())
        );
    }

    #[test]
    fn a_process_that_keeps_order_also_sees_what_it_has_parked_and_fills_its_partitions() {
        // given
        let orders = ChannelName::new("orders").unwrap();
        let partition = QueueName::of_partition(&orders, &FlowName::new("stock").unwrap(), 0);
        let topology = Topology {
            channels: Vec::new(),
            queues: vec![Queue {
                name: partition.clone(),
                channel: Some(orders),
                takes: Takes::Partition(Partition { index: 0, of: 1 }),
            }],
        };
        let role = Role::Process {
            name: ProcessName::new("stock").unwrap(),
            publishes: Vec::new(),
            reads: vec![partition],
            asks: false,
            answers: false,
        };
        // when
        let grant = role.grant("trunkline", &topology);
        // then
        assert_eq!(grant.read, "^(orders\\.stock\\.0|orders\\.stock\\.0\\.dead)$");
        assert!(grant.write.contains("trunkline\\.redeliver"), "{}", grant.write);
    }

    #[test]
    fn a_process_that_asks_makes_its_own_queue_for_answers_and_one_that_answers_none() {
        let role = |asks, answers| Role::Process {
            name: ProcessName::new("shop").unwrap(),
            publishes: Vec::new(),
            reads: Vec::new(),
            asks,
            answers,
        };
        let asking = role(true, false).grant("trunkline", &Topology::default());
        assert_eq!(asking.configure, "^trunkline\\.reply\\.shop\\.[0-9a-f]+$");
        assert_eq!(
            asking.read,
            "^(trunkline\\.reply|trunkline\\.reply\\.shop\\.[0-9a-f]+)$"
        );
        assert!(
            asking.write.contains("trunkline\\.reply\\.shop\\."),
            "{}",
            asking.write
        );
        let answering = role(false, true).grant("trunkline", &Topology::default());
        assert_eq!((&*answering.configure, &*answering.read), (NOTHING, NOTHING));
        assert!(
            answering.write.contains("trunkline\\.reply|"),
            "{}",
            answering.write
        );
    }

    #[test]
    fn a_password_shows_itself_only_when_asked() {
        let password = Password::chosen("s3cret".to_owned());
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert_ne!(
            password.hash().unwrap(),
            password.hash().unwrap(),
            "each has its own salt"
        );
        assert_eq!(Password::generate().unwrap().reveal().len(), 32);
    }
}

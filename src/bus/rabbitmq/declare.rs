//! Makes sure that the broker has what a landscape needs.
//!
//! Promises: nothing that exists is changed or deleted; all that is wrong is told at once. The partitions of a
//! flow are never mixed with those of another number. Where we may not
//! make a thing, it is enough that it is there. Not promised: that a binding is there which we may not make,
//! for AMQP has no question for it; a message without one comes back from the broker as a fault. Nor that a queue
//! or exchange is there to which we have no right whatever: RabbitMQ 4.3 does not say.

use std::{collections::BTreeSet, time::Duration};

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;
use tracing::debug;
use trunkline_sdk::{Fault, Remedy};

use super::{
    faults::{self, ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED},
    link::Link,
    look,
    partition::{DEAD_KEY, count_of, reader, renumbering},
    topology::{Piece, pieces},
};
use crate::bus::{Partition, Takes, Topology};

/// A quorum queue needs an election before it answers.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes what is missing. Faults: [`Remedy::Stop`], naming each thing that is not as it should be.
pub(super) async fn assert(link: &Link, topology: &Topology) -> Result<(), Fault> {
    let mut channel = link.channel().await?;
    let mut problems = Vec::new();
    // Flows whose partitions were made for another number: nothing more is made of them.
    let mut mixed = BTreeSet::new();
    // Where we may not bind which queue: each that is tried costs a channel, and a line in the broker's log.
    let mut not_ours = BTreeSet::new();
    for piece in pieces(topology) {
        if belongs(&piece, &mixed) {
            continue;
        }
        if let Piece::Binding { queue, exchange, .. } = &piece
            && not_ours.contains(&(queue.clone(), exchange.clone()))
        {
            continue;
        }
        let Err(error) = make(&channel, &piece, false).await? else {
            continue;
        };
        let thing = name(&piece);
        let refusal = faults::refusal(&error).map(|(code, text)| (code, text.to_owned()));
        match refusal {
            Some((PRECONDITION_FAILED, text)) => {
                problems.push(match renumbered(&piece, &text) {
                    Some((flow, what)) => {
                        mixed.insert(flow);
                        what
                    }
                    None => format!("{thing} is not as it should be: {text}"),
                });
            }
            Some((ACCESS_REFUSED, text)) => {
                channel = link.channel().await?;
                match &piece {
                    Piece::Binding { queue, exchange, .. } => {
                        debug!(binding = %thing, "may not be made by us");
                        not_ours.insert((queue.clone(), exchange.clone()));
                    }
                    _ => {
                        let found = make(&channel, &piece, true).await?;
                        match found.as_ref().map_err(faults::refusal) {
                            Ok(()) => {}
                            Err(Some((ACCESS_REFUSED, _))) => debug!(%thing, "may not be seen by us"),
                            Err(_) => {
                                problems.push(format!("{thing} is missing, and we may not make it: {text}"));
                            }
                        }
                    }
                }
            }
            // It was told already: the queue or exchange of this binding is a problem itself.
            Some((NOT_FOUND, _)) if matches!(piece, Piece::Binding { .. }) && !problems.is_empty() => {}
            _ => return Err(faults::refused(error, &format!("making {thing}"), link.address())),
        }
        if !channel.status().connected() {
            channel = link.channel().await?;
        }
    }
    // The answer to the last piece is there; nobody waits for this one.
    let _ = timeout(PATIENCE, channel.close(200, "done".into())).await;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Fault::new(Remedy::Stop, problems.join("; ")).hint(
        "nothing was changed; `trunkline topology plan` shows each difference and a way to mend it that loses nothing; \
         what is missing: have an administrator run `trunkline topology apply`",
    ))
}

/// After an outage: makes what is missing if a queue or an exchange is, and else only sees that they are as they should
/// be. The bindings went with those; and a cluster does not answer for one, there or not, while one of its nodes is
/// frozen and not yet given up, which takes it a minute.
pub(super) async fn assert_again(link: &Link, topology: &Topology) -> Result<(), Fault> {
    let mut channel = link.channel().await?;
    for piece in pieces(topology) {
        if matches!(piece, Piece::Binding { .. }) {
            continue;
        }
        for passive in [true, false] {
            let found = make(&channel, &piece, passive).await?;
            match found.as_ref().map_err(faults::refusal) {
                Ok(()) => {}
                Err(Some((ACCESS_REFUSED, _))) => channel = link.channel().await?,
                Err(_) => return assert(link, topology).await,
            }
        }
    }
    let _ = timeout(PATIENCE, channel.close(200, "done".into())).await;
    Ok(())
}

/// Whether it belongs to one of these flows, with more than an exchange.
fn belongs(piece: &Piece, flows: &BTreeSet<String>) -> bool {
    let queue = match piece {
        Piece::Exchange { .. } => return false,
        Piece::Queue { name, .. } => name,
        Piece::Binding { queue, .. } => queue,
    };
    reader(queue).is_some_and(|flow| flows.contains(flow))
}

/// The flow of a queue that was made for another number of partitions, if that is so, and what is to be said of it.
fn renumbered(piece: &Piece, told: &str) -> Option<(String, String)> {
    let Piece::Queue { name, arguments } = piece else {
        return None;
    };
    let Some(AMQPValue::LongString(wanted)) = arguments.inner().get(DEAD_KEY) else {
        return None;
    };
    let wanted = count_of(&wanted.to_string())?;
    // `… received the value 'orders.stock.0 of 4' of type 'longstr' but current is the value 'orders.stock.0 of 8' …`
    let is = told.rsplit('\'').find_map(count_of)?;
    let flow = reader(name)?;
    let what = format!(
        "`{flow}` is to keep order in {wanted} partitions, and on the broker it has {is}: both at once would mix the order \
         of its keys; {}",
        renumbering(name, is, wanted)
    );
    Some((flow.to_owned(), what))
}

/// Before anything is made: a flow that keeps order reads other queues than one that does not, and where one of them
/// is there already, messages are in it.
///
/// Only a flow whose own queue is not there yet is asked about: `trunkline topology plan` shows the rest.
pub(super) async fn assert_no_rivals(link: &Link, topology: &Topology) -> Result<(), Fault> {
    let mut problems = Vec::new();
    for queue in topology.queues.iter().filter(|queue| queue.channel.is_some()) {
        let own = queue.name.as_str();
        let Some(flow) = reader(own) else { continue };
        let rival = match queue.takes {
            Takes::All => format!("{own}.0"),
            Takes::Partition(Partition { index: 0, .. }) => flow.to_owned(),
            Takes::Partition(_) | Takes::Unkeyed => continue,
        };
        if look::ready(link, own).await?.is_some() || look::ready(link, &rival).await?.is_none() {
            continue;
        }
        problems.push(if queue.takes.is_ordered() {
            format!(
                "`{flow}` is to keep order, and queue `{rival}`, from a time when it did not, is still there"
            )
        } else {
            format!(
                "`{flow}` is to keep no order, and queue `{rival}`, from a time when it did, is still there"
            )
        });
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Fault::new(Remedy::Stop, problems.join("; ")).hint(
        "nothing was changed; let the old queues run empty with the landscape as it was, what publishes to the channel \
         being stopped, and remove them in the broker's console; `trunkline topology plan` shows them",
    ))
}

/// Makes one piece, or (`passive`) asks whether it is there. The outer fault: the broker said nothing.
async fn make(channel: &Channel, piece: &Piece, passive: bool) -> Result<Result<(), lapin::Error>, Fault> {
    let making = async {
        match piece {
            Piece::Exchange { name, kind } => {
                let options = ExchangeDeclareOptions {
                    durable: true,
                    passive,
                    ..ExchangeDeclareOptions::default()
                };
                channel
                    .exchange_declare(name.as_str().into(), kind.clone(), options, FieldTable::default())
                    .await
            }
            Piece::Queue { name, arguments } => {
                let options = QueueDeclareOptions {
                    durable: true,
                    passive,
                    ..QueueDeclareOptions::default()
                };
                channel
                    .queue_declare(name.as_str().into(), options, arguments.clone())
                    .await
                    .map(|_| ())
            }
            Piece::Binding { queue, exchange, key } => {
                channel
                    .queue_bind(
                        queue.as_str().into(),
                        exchange.as_str().into(),
                        key.as_str().into(),
                        QueueBindOptions::default(),
                        FieldTable::default(),
                    )
                    .await
            }
        }
    };
    timeout(PATIENCE, Box::pin(making))
        .await
        .map_err(|_| faults::silent(&format!("making {}", name(piece))))
}

fn name(piece: &Piece) -> String {
    match piece {
        Piece::Exchange { name, .. } => format!("exchange `{name}`"),
        Piece::Queue { name, .. } => format!("queue `{name}`"),
        Piece::Binding { queue, exchange, .. } => {
            format!("the binding of queue `{queue}` to exchange `{exchange}`")
        }
    }
}

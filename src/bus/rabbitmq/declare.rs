//! Makes sure that the broker has what a landscape needs.
//!
//! Promises: nothing that exists is changed or deleted; all that is wrong is told at once. Where we may not
//! make a thing, it is enough that it is there. Not promised: that a binding is there which we may not make,
//! for AMQP has no question for it; a message without one comes back from the broker as a fault. Nor that a queue
//! or exchange is there to which we have no right whatever: RabbitMQ 4.3 does not say.

use std::time::Duration;

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::timeout;
use tracing::debug;
use trunkline_sdk::{Fault, Remedy};

use super::{
    faults::{self, ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED},
    link::Link,
    topology::{Piece, pieces},
};
use crate::bus::Topology;

/// A quorum queue needs an election before it answers.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes what is missing. Faults: [`Remedy::Stop`], naming each thing that is not as it should be.
pub(super) async fn assert(link: &Link, topology: &Topology) -> Result<(), Fault> {
    let mut channel = link.channel().await?;
    let mut problems = Vec::new();
    for piece in pieces(topology) {
        let Err(error) = make(&channel, &piece, false).await? else {
            continue;
        };
        let thing = name(&piece);
        let refusal = faults::refusal(&error).map(|(code, text)| (code, text.to_owned()));
        match refusal {
            Some((PRECONDITION_FAILED, text)) => {
                problems.push(format!("{thing} is not as it should be: {text}"));
            }
            Some((ACCESS_REFUSED, text)) => {
                channel = link.channel().await?;
                match &piece {
                    Piece::Binding { .. } => debug!(binding = %thing, "may not be made by us"),
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

/// After an outage: makes what is missing if a queue or an exchange is, and else nothing. The bindings went with those;
/// and a cluster does not answer for one, there or not, while one of its nodes is frozen and not yet given up, which
/// takes it a minute.
pub(super) async fn assert_again(link: &Link, topology: &Topology) -> Result<(), Fault> {
    let mut channel = link.channel().await?;
    for piece in pieces(topology) {
        if matches!(piece, Piece::Binding { .. }) {
            continue;
        }
        let found = make(&channel, &piece, true).await?;
        match found.as_ref().map_err(faults::refusal) {
            Ok(()) => {}
            Err(Some((ACCESS_REFUSED, _))) => channel = link.channel().await?,
            Err(_) => return assert(link, topology).await,
        }
    }
    let _ = timeout(PATIENCE, channel.close(200, "done".into())).await;
    Ok(())
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

//! The consuming side: one task per subscription, on a channel of its own.
//!
//! Promises: at most `prefetch` messages are out; what is settled is acked, batched, and never more than that;
//! a lost connection, a closed channel, a deleted queue and a broker that has forgotten us are mended by
//! subscribing again. A receipt of a
//! dead channel settles nothing: its message comes again. A suspect is given out alone, see `suspects.rs`; what else
//! the broker has sent is kept back meanwhile, at most `prefetch` of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};
use tracing::{info, warn};
use trunkline_sdk::Fault;

use super::{
    Landscape, RETRY, faults,
    generation::{Generation, Trial, judging},
    hops::Hops,
    look,
    suspects::Suspects,
};
use crate::{bus::Delivery, names::QueueName, recovery::Patience};

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// While nothing comes and nothing is out, we ask so often whether the broker still gives to us; what looks wrong
/// twice is mended.
const LOOK: Duration = Duration::from_secs(10);

/// A subscription's task.
pub(super) struct Consumer {
    pub(super) landscape: Arc<Landscape>,
    pub(super) hops: Hops,
    /// `None`: what is parked is read, which kills nobody.
    pub(super) suspects: Option<Arc<Suspects>>,
    pub(super) queue: QueueName,
    /// What is read: the queue of this name, or the one with its parked messages.
    pub(super) name: String,
    pub(super) prefetch: u16,
    /// Where deliveries go.
    pub(super) outbox: mpsc::Sender<Delivery>,
    /// How many are out.
    pub(super) unsettled: Arc<AtomicU64>,
}

/// Asked to close the subscription, with the place for the answer; its other end dropped: so was the subscription.
pub(super) type Closing = oneshot::Receiver<oneshot::Sender<()>>;

enum End {
    Closed(Option<oneshot::Sender<()>>),
    Lost(Fault),
    /// All that was out goes back, in its order.
    PutBack,
}

impl Consumer {
    /// Begins to consume on a new channel.
    pub(super) async fn open(&self) -> Result<Generation, Fault> {
        let doing = format!("reading queue `{}`", self.name);
        let channel = self.landscape.link.channel().await?;
        let opening = async {
            channel
                .basic_qos(self.prefetch, BasicQosOptions::default())
                .await?;
            let queue = self.name.as_str().into();
            // Boxed: lapin's future is large, and this is once per channel.
            Box::pin(channel.basic_consume(
                queue,
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            ))
            .await
        };
        let deliveries = timeout(PATIENCE, opening)
            .await
            .map_err(|_| faults::silent(&doing))?
            .map_err(|error| faults::refused(error, &doing, self.landscape.link.address()))?;
        // What is parked may be read by many.
        let in_order = self.suspects.is_some() && self.landscape.is_ordered(&self.queue);
        let queue = self.queue.clone();
        Ok(Generation::new(
            queue,
            in_order,
            self.prefetch,
            channel,
            deliveries,
        ))
    }

    /// Runs until the subscription is closed or dropped.
    pub(super) async fn run(self, mut generation: Generation, mut closing: Closing) {
        loop {
            let ended = self.serve(generation, &mut closing).await;
            self.unsettled.store(0, Ordering::Relaxed);
            match ended {
                End::Closed(done) => {
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                    return;
                }
                End::PutBack => {
                    if let Ok(opened) = self.open().await {
                        generation = opened;
                        continue;
                    }
                }
                End::Lost(fault) => warn!(queue = %self.queue, error = %fault, "receiving is interrupted"),
            }
            generation = match self.reopen(&mut closing).await {
                Ok(generation) => generation,
                Err(done) => {
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                    return;
                }
            };
            info!(queue = %self.queue, "receiving goes on");
        }
    }

    /// Tries until it succeeds; the error: the subscription was closed meanwhile.
    async fn reopen(&self, closing: &mut Closing) -> Result<Generation, Option<oneshot::Sender<()>>> {
        let mut patience = Patience::up_to(RETRY);
        let lost = std::time::Instant::now();
        loop {
            let attempt = async {
                // The queue may be gone, with all that was bound to it.
                self.landscape.assert_again(lost).await?;
                self.open().await
            };
            tokio::select! {
                asked = &mut *closing => return Err(asked.ok()),
                attempt = attempt => match attempt {
                    Ok(generation) => return Ok(generation),
                    Err(fault) => warn!(queue = %self.queue, error = %fault, "receiving is still interrupted"),
                },
            }
            tokio::select! {
                asked = &mut *closing => return Err(asked.ok()),
                () = sleep(patience.delay()) => {}
            }
        }
    }

    async fn serve(&self, mut generation: Generation, closing: &mut Closing) -> End {
        let mut settlements = Vec::new();
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Nobody takes anything any more: whether it is closed or dropped is about to be told.
            let shut = self.outbox.is_closed();
            let (has_room, napping) = (!shut && generation.has_room(), generation.flood.is_high());
            let (holds, waking) = (!shut && !generation.held.is_empty(), generation.flood.waking());
            tokio::select! {
                biased;
                _ = generation.settlements.take(generation.worth(), &mut settlements) => {
                    if generation.carry_out(&mut settlements, self.outbox.is_closed()) {
                        self.close(&mut generation).await;
                        return End::PutBack;
                    }
                    self.go_on_with_trial(&mut generation);
                    self.note(&generation);
                }
                judged = judging(&mut generation.trial) => {
                    generation.give_out_alone(judged);
                    self.go_on_with_trial(&mut generation);
                }
                asked = &mut *closing => {
                    return match asked {
                        Ok(done) => {
                            generation.end();
                            self.close(&mut generation).await;
                            End::Closed(Some(done))
                        }
                        Err(_) => {
                            self.run_out(generation).await;
                            End::Closed(None)
                        }
                    };
                }
                // The error: it was shut meanwhile.
                permits = self.outbox.reserve_many(generation.held.len()), if holds => {
                    if let Ok(permits) = permits {
                        for (permit, delivery) in permits.zip(generation.held.drain(..)) {
                            permit.send(delivery);
                        }
                    }
                }
                // Not polled without room: a delivery taken from the stream and dropped would be acked by the
                // next `multiple` ack.
                delivery = generation.deliveries.next(), if has_room && !napping => {
                    if let Some(end) = self.take(&mut generation, Some(delivery)) {
                        return end;
                    }
                }
                () = sleep_until(waking), if has_room && napping => {
                    let next = generation.deliveries.next().now_or_never();
                    if let Some(end) = self.take(&mut generation, next) {
                        return end;
                    }
                }
                // Last: what has come is taken first.
                _ = look.tick() => {
                    if let Err(fault) = self.look(&mut generation).await {
                        // A node that is cut off from its cluster takes consumers, and has nothing for them.
                        self.landscape.link.leave().await;
                        return End::Lost(fault);
                    }
                }
            }
        }
    }

    /// Takes this one and all that are there; gives the end of the channel, if one came.
    fn take(
        &self,
        generation: &mut Generation,
        mut next: Option<Option<lapin::Result<lapin::message::Delivery>>>,
    ) -> Option<End> {
        let mut count = 0;
        while let Some(delivery) = next.take() {
            match delivery {
                Some(Ok(delivery)) => generation.hold(delivery, self.suspects.is_some()),
                Some(Err(error)) => {
                    let doing = format!("reading queue `{}`", self.queue);
                    let fault = faults::refused(error, &doing, self.landscape.link.address());
                    return Some(End::Lost(fault));
                }
                None => {
                    return Some(End::Lost(Fault::reopen(format!(
                        "the broker ended the reading of queue `{}`: it was deleted, or moved",
                        self.queue
                    ))));
                }
            }
            count += 1;
            if generation.has_room() {
                next = generation.deliveries.next().now_or_never();
            }
        }
        let more = !generation.has_room();
        generation.flood.took(count, more);
        self.go_on_with_trial(generation);
        self.note(generation);
        None
    }

    /// Connected is not consuming: a broker may forget a consumer, or give it nothing, and say so to nobody.
    /// The fault: it has, or it does not answer any more.
    async fn look(&self, generation: &mut Generation) -> Result<(), Fault> {
        let watch = &mut generation.watch;
        watch.ever |= watch.came;
        if std::mem::take(&mut watch.came) || generation.ledger.out() > 0 {
            watch.suspicious = false;
            return Ok(());
        }
        // On the same channel: one that is dead shows itself.
        let link = &self.landscape.link;
        let standing = look::standing(&generation.channel, &self.name, link).await?;
        // Where one is given everything, the others wait, and rightly get nothing.
        let may_wait = !watch.ever && generation.in_order;
        let wrong = match (standing.consumers, standing.ready) {
            (0, _) => "it has forgotten that we read it",
            (_, 1..) if !may_wait => "messages wait in it, and none is given to us",
            _ => {
                watch.suspicious = false;
                return Ok(());
            }
        };
        if std::mem::replace(&mut watch.suspicious, true) {
            return Err(Fault::reopen(format!("queue `{}`: {wrong}", self.name)));
        }
        Ok(())
    }

    /// The next step of the trial, if it can be taken.
    fn go_on_with_trial(&self, generation: &mut Generation) {
        let out = generation.ledger.out();
        match generation.trial.take() {
            Some(Trial::Waiting(suspect)) if out == 1 => {
                let Some(suspects) = self.suspects.clone() else {
                    return;
                };
                let judging = suspects.judge(*suspect, self.hops.clone());
                generation.trial = Some(Trial::Judging(judging.boxed()));
            }
            Some(Trial::Out) if out == 0 => generation.survive(),
            trial => generation.trial = trial,
        }
    }

    /// The subscription was dropped: takes nothing more, and carries out settlements until no receipt is left.
    async fn run_out(&self, mut generation: Generation) {
        generation.trial = None;
        generation.held.clear();
        let mut settlements = Vec::new();
        // Where order is kept, nobody else may begin before the last of ours is settled.
        if !generation.in_order {
            let tag = generation.deliveries.tag();
            let cancelling = generation
                .channel
                .basic_cancel(tag, BasicCancelOptions::default());
            if !matches!(timeout(PATIENCE, cancelling).await, Ok(Ok(()))) {
                return;
            }
            // In their order: what was handed on, what was held, what has not been taken yet.
            generation.settlements.take_all(&mut settlements);
            generation.carry_out(&mut settlements, true);
            generation.put_back_kept();
            while let Some(Some(Ok(delivery))) = generation.deliveries.next().now_or_never() {
                generation.put_back(delivery.delivery_tag);
            }
        }
        generation.run_out();
        while generation.settlements.take(1, &mut settlements).await {
            generation.carry_out(&mut settlements, generation.in_order);
            self.note(&generation);
        }
        self.close(&mut generation).await;
    }

    /// Carries out the settlements under way and closes the channel; what is still out the broker puts back.
    ///
    /// The acks come first on the wire, and yet closing alone would lose some of them: with more than 32 of
    /// them unanswered by a quorum queue, the broker's channel keeps the rest to itself, and forgets them when
    /// it ends (400 of 7,000 messages came again in a test). Cancelling the consumer goes through the queue's
    /// log, behind the acks sent before; then the channel sends what it has kept. The answer to the
    /// cancelling comes too early to tell, the one to the request after it does not.
    ///
    /// Where order is kept, a consumer that is cancelled lets the next one begin while its own messages are still out,
    /// and they would come after those behind them. There a second consumer, which gets nothing, goes through the log
    /// instead, and the end of the channel puts the messages back before the next one begins.
    async fn close(&self, generation: &mut Generation) {
        let mut settlements = Vec::new();
        generation.settlements.take_all(&mut settlements);
        generation.carry_out(&mut settlements, true);
        let channel = &generation.channel;
        let closing = async {
            if generation.in_order {
                Box::pin(channel.basic_consume(
                    self.name.as_str().into(),
                    "".into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                ))
                .await?;
            } else {
                let tag = generation.deliveries.tag();
                channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
            }
            channel.basic_qos(1, BasicQosOptions::default()).await?;
            channel.close(200, "closed".into()).await
        };
        // A channel that is dead already has nothing to be carried out.
        let _ = timeout(PATIENCE, closing).await;
    }

    fn note(&self, generation: &Generation) {
        self.unsettled.store(generation.ledger.out(), Ordering::Relaxed);
    }
}

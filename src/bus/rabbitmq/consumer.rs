//! The consuming side: one task per subscription, on a channel of its own.
//!
//! Promises: at most `prefetch` messages are out; what is settled is acked, batched, and never more than that;
//! a lost connection, a closed channel, a deleted queue and a broker that has forgotten us are mended by
//! subscribing again. A receipt of a
//! dead channel settles nothing: its message comes again. A suspect is given out alone, see `suspects.rs`; what else
//! the broker has sent is kept back meanwhile, at most `prefetch` of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
};
use lapin::{
    Channel,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::{info, warn};
use trunkline_sdk::Fault;

use super::{
    Landscape, faults,
    hops::Hops,
    ledger::Ledger,
    lock,
    suspects::{self, Suspect, Suspects, Turn},
    wire,
};
use crate::{
    bus::{Delivery, Receipt, Settle},
    names::QueueName,
    recovery::Patience,
};

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// While nothing comes and nothing is out, we ask so often whether the broker still gives to us; what looks wrong
/// twice is mended.
const LOOK: Duration = Duration::from_secs(10);
/// How many settlements are carried out at a time.
const BATCH: usize = 1024;

/// Numbers of channels that receive, never given twice in a process.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

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

/// One channel, from its opening to its end.
pub(super) struct Generation {
    channel: Channel,
    deliveries: lapin::Consumer,
    session: u64,
    /// Gone when nothing more is to be received; then the settlements end with the last receipt.
    line: Option<Arc<Line>>,
    settlements: mpsc::UnboundedReceiver<Settlement>,
    ledger: Ledger,
    /// Taken from the stream, and not handed on yet.
    held: Option<Delivery>,
    /// While it is there, nothing is taken from the stream.
    trial: Option<Trial>,
    watch: Watch,
}

/// What a consumer that nothing comes to has seen.
#[derive(Debug, Default)]
struct Watch {
    /// Something came since the last look.
    came: bool,
    /// Something has come on this channel.
    ever: bool,
    /// The last look was not as it should be.
    suspicious: bool,
}

/// What is done about a suspect.
enum Trial {
    /// It waits until all that was given out before is settled.
    Waiting(Suspect),
    /// It gets its turn, or is parked.
    Judging(BoxFuture<'static, Option<(Delivery, Turn)>>),
    /// It is given out alone, or was parked: it ends when nothing is out any more.
    Out,
}

enum Settlement {
    Settle(u64),
    PutBack(u64),
}

/// By which the receipts of one channel reach its task; at most `prefetch` settlements are under way.
struct Line {
    queue: QueueName,
    closed: AtomicBool,
    settlements: mpsc::UnboundedSender<Settlement>,
    /// The suspect that is out, and nothing beside it. On a dead channel it lasts as long as its receipt.
    alone: Mutex<Option<Turn>>,
}

impl Settle for Line {
    fn queue(&self) -> &QueueName {
        &self.queue
    }

    // A dead channel has nobody who listens: the broker has put its deliveries back.
    fn settle(&self, tag: u64) {
        let _ = self.settlements.send(Settlement::Settle(tag));
    }

    fn abandon(&self, tag: u64) {
        let _ = self.settlements.send(Settlement::PutBack(tag));
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

enum End {
    Closed(Option<oneshot::Sender<()>>),
    Lost(Fault),
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
        let (line, settlements) = mpsc::unbounded_channel();
        let line = Some(Arc::new(Line {
            queue: self.queue.clone(),
            closed: AtomicBool::new(false),
            settlements: line,
            alone: Mutex::default(),
        }));
        Ok(Generation {
            channel,
            deliveries,
            session: SESSIONS.fetch_add(1, Ordering::Relaxed),
            line,
            settlements,
            ledger: Ledger::new(),
            held: None,
            trial: None,
            watch: Watch::default(),
        })
    }

    /// Runs until the subscription is closed or dropped.
    pub(super) async fn run(self, mut generation: Generation, mut closing: Closing) {
        loop {
            let fault = match self.serve(generation, &mut closing).await {
                End::Closed(done) => {
                    self.unsettled.store(0, Ordering::Relaxed);
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                    return;
                }
                End::Lost(fault) => fault,
            };
            self.unsettled.store(0, Ordering::Relaxed);
            warn!(queue = %self.queue, error = %fault, "receiving is interrupted");
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
        let mut patience = Patience::new();
        loop {
            let attempt = async {
                // The queue may be gone, with all that was bound to it.
                self.landscape.assert_again().await?;
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
        let mut settlements = Vec::with_capacity(BATCH);
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_room = generation.held.is_none() && generation.trial.is_none();
            tokio::select! {
                biased;
                _ = generation.settlements.recv_many(&mut settlements, BATCH) => {
                    generation.carry_out(&mut settlements);
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
                            generation.close().await;
                            End::Closed(Some(done))
                        }
                        Err(_) => {
                            self.run_out(generation).await;
                            End::Closed(None)
                        }
                    };
                }
                permit = self.outbox.reserve(), if generation.held.is_some() => match permit {
                    Ok(permit) => {
                        if let Some(delivery) = generation.held.take() {
                            permit.send(delivery);
                        }
                    }
                    Err(_) => {
                        self.run_out(generation).await;
                        return End::Closed(None);
                    }
                },
                // Not polled without room: a delivery taken from the stream and dropped would be acked by the
                // next `multiple` ack.
                delivery = generation.deliveries.next(), if has_room => {
                    let mut next = Some(delivery);
                    while let Some(delivery) = next.take() {
                        match delivery {
                            Some(Ok(delivery)) => generation.hold(delivery, self.suspects.is_some()),
                            Some(Err(error)) => {
                                let doing = format!("reading queue `{}`", self.queue);
                                return End::Lost(faults::refused(error, &doing, self.landscape.link.address()));
                            }
                            None => return End::Lost(Fault::reopen(format!(
                                "the broker ended the reading of queue `{}`: it was deleted, or moved", self.queue
                            ))),
                        }
                        if let Ok(permit) = self.outbox.try_reserve()
                            && let Some(delivery) = generation.held.take()
                        {
                            permit.send(delivery);
                            next = generation.deliveries.next().now_or_never();
                        }
                    }
                    self.go_on_with_trial(&mut generation);
                    self.note(&generation);
                }
                // Last: what has come is taken first.
                _ = look.tick() => {
                    if let Err(fault) = self.look(&mut generation).await {
                        return End::Lost(fault);
                    }
                }
            }
        }
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
        let doing = format!("looking at queue `{}`", self.name);
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = self.name.as_str().into();
        // On the same channel: one that is dead shows itself.
        let asking = generation
            .channel
            .queue_declare(name, passive, FieldTable::default());
        let queue = timeout(PATIENCE, Box::pin(asking))
            .await
            .map_err(|_| faults::silent(&doing))?
            .map_err(|error| faults::refused(error, &doing, self.landscape.link.address()))?;
        // Where one is given everything, the others wait, and rightly get nothing.
        let may_wait = !watch.ever && self.landscape.is_ordered(&self.queue);
        let wrong = match (queue.consumer_count(), queue.message_count()) {
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
                let judging = suspects.judge(suspect, self.hops.clone());
                generation.trial = Some(Trial::Judging(judging.boxed()));
            }
            Some(Trial::Out) if out == 0 => {
                // It did not kill us.
                let turn = generation.line.as_ref().and_then(|line| lock(&line.alone).take());
                drop(turn);
            }
            trial => generation.trial = trial,
        }
    }

    /// The subscription was dropped: takes nothing more, and carries out settlements until no receipt is left.
    async fn run_out(&self, mut generation: Generation) {
        let tag = generation.deliveries.tag();
        let cancelling = generation
            .channel
            .basic_cancel(tag, BasicCancelOptions::default());
        if !matches!(timeout(PATIENCE, cancelling).await, Ok(Ok(()))) {
            return;
        }
        (generation.held, generation.trial) = (None, None);
        while let Some(Some(Ok(delivery))) = generation.deliveries.next().now_or_never() {
            generation.put_back(delivery.delivery_tag);
        }
        generation.line = None;
        let mut settlements = Vec::with_capacity(BATCH);
        while generation.settlements.recv_many(&mut settlements, BATCH).await > 0 {
            generation.carry_out(&mut settlements);
            self.note(&generation);
        }
        generation.close().await;
    }

    fn note(&self, generation: &Generation) {
        self.unsettled.store(generation.ledger.out(), Ordering::Relaxed);
    }
}

/// Waits for the judgement on a suspect, if there is one to come.
async fn judging(trial: &mut Option<Trial>) -> Option<(Delivery, Turn)> {
    match trial {
        Some(Trial::Judging(judging)) => judging.await,
        _ => pending().await,
    }
}

impl Generation {
    /// Takes a delivery in; `judges`: unless it is a suspect, it is given out next.
    fn hold(&mut self, mut delivery: lapin::message::Delivery, judges: bool) {
        let Some(line) = self.line.clone() else {
            return;
        };
        let tag = delivery.delivery_tag;
        self.watch.came = true;
        self.ledger.deliver(tag);
        let (envelope, oversized) = wire::open(&mut delivery);
        let opened = envelope.open();
        let returns = Some(&delivery).filter(|_| judges).and_then(suspects::returns);
        let delivery = Delivery {
            message: opened.message,
            attempt: opened.attempt,
            cause: opened.cause,
            redelivered: delivery.redelivered,
            session: self.session,
            order: opened.order,
            unreadable: oversized.or(opened.unreadable),
            receipt: Receipt::new(tag, line),
        };
        match returns {
            None => self.held = Some(delivery),
            Some(returns) => self.trial = Some(Trial::Waiting(Suspect { delivery, returns })),
        }
    }

    /// `None`: it was parked.
    fn give_out_alone(&mut self, judged: Option<(Delivery, Turn)>) {
        self.trial = Some(Trial::Out);
        match (judged, &self.line) {
            (Some((delivery, turn)), Some(line)) => {
                *lock(&line.alone) = Some(turn);
                self.held = Some(delivery);
            }
            // Who keeps order must look again at what is parked.
            _ => self.session = SESSIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Acks and puts back. The frames are queued and not waited for: [`Generation::close`] does that.
    fn carry_out(&mut self, settlements: &mut Vec<Settlement>) {
        for settlement in settlements.drain(..) {
            match settlement {
                Settlement::Settle(tag) => self.ledger.settle(tag),
                Settlement::PutBack(tag) => {
                    if self.ledger.put_back(tag) {
                        self.put_back(tag);
                    }
                }
            }
        }
        for ack in self.ledger.flush() {
            let options = BasicAckOptions {
                multiple: ack.multiple,
            };
            // On a dead channel it fails, and the message comes again.
            let _ = self.channel.basic_ack(ack.tag, options).now_or_never();
        }
    }

    fn put_back(&self, tag: u64) {
        let options = BasicNackOptions {
            requeue: true,
            multiple: false,
        };
        let _ = self.channel.basic_nack(tag, options).now_or_never();
    }

    /// Carries out the settlements under way and closes the channel; what is still out the broker puts back.
    ///
    /// The acks come first on the wire, and yet closing alone would lose some of them: with more than 32 of
    /// them unanswered by a quorum queue, the broker's channel keeps the rest to itself, and forgets them when
    /// it ends (400 of 7,000 messages came again in a test). Cancelling the consumer goes through the queue's
    /// log, behind the acks sent before; then the channel sends what it has kept. The answer to the
    /// cancelling comes too early to tell, the one to the request after it does not.
    async fn close(&mut self) {
        if let Some(line) = &self.line {
            line.closed.store(true, Ordering::Release);
        }
        let mut settlements = Vec::new();
        while let Ok(settlement) = self.settlements.try_recv() {
            settlements.push(settlement);
        }
        self.carry_out(&mut settlements);
        let closing = async {
            let tag = self.deliveries.tag();
            self.channel
                .basic_cancel(tag, BasicCancelOptions::default())
                .await?;
            self.channel.basic_qos(1, BasicQosOptions::default()).await?;
            self.channel.close(200, "closed".into()).await
        };
        // A channel that is dead already has nothing to be carried out.
        let _ = timeout(PATIENCE, closing).await;
    }
}

//! One channel of a consumer, from its opening to its end: what it has given out, and what is settled of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, pending},
};
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicNackOptions},
};

use super::{
    flood::Flood,
    ledger::Ledger,
    lock,
    settlements::{Settlement, Settlements},
    suspects::{self, Suspect, Turn},
    wire,
};
use crate::{
    bus::{Delivery, Receipt, Settle},
    names::QueueName,
};

/// More acks in a frame gain nothing.
const LARGEST_BATCH: u16 = 64;

/// Numbers of channels that receive, never given twice in a process.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// One channel, from its opening to its end.
pub(super) struct Generation {
    pub(super) channel: Channel,
    pub(super) deliveries: lapin::Consumer,
    session: u64,
    /// The queue is given to one consumer at a time, in its order.
    pub(super) in_order: bool,
    /// Gone when nothing more is to be received; then the settlements end with the last receipt.
    line: Option<Arc<Line>>,
    pub(super) settlements: Arc<Settlements>,
    /// As many acks as are worth a frame.
    batch: u64,
    /// How many may be held; never more than the outbox can take, which has room for the prefetch.
    room: usize,
    pub(super) ledger: Ledger,
    /// Taken from the stream, and not handed on yet.
    pub(super) held: Vec<Delivery>,
    pub(super) flood: Flood,
    /// To be put back, and kept until the channel ends.
    kept: Vec<u64>,
    /// While it is there, nothing is taken from the stream.
    pub(super) trial: Option<Trial>,
    pub(super) watch: Watch,
}

/// What a consumer that nothing comes to has seen.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Something came since the last look.
    pub(super) came: bool,
    /// Something has come on this channel.
    pub(super) ever: bool,
    /// The last look was not as it should be.
    pub(super) suspicious: bool,
}

/// What is done about a suspect.
pub(super) enum Trial {
    /// It waits until all that was given out before is settled.
    Waiting(Box<Suspect>),
    /// It gets its turn, or is parked.
    Judging(BoxFuture<'static, Option<(Delivery, Turn)>>),
    /// It is given out alone, or was parked: it ends when nothing is out any more.
    Out,
}

/// By which the receipts of one channel reach its task; at most `prefetch` settlements are under way.
struct Line {
    queue: QueueName,
    in_order: bool,
    closed: AtomicBool,
    lost: AtomicBool,
    settlements: Arc<Settlements>,
    /// The suspect that is out, and nothing beside it. On a dead channel it lasts as long as its receipt.
    alone: Mutex<Option<Turn>>,
}

impl Settle for Line {
    fn queue(&self) -> &QueueName {
        &self.queue
    }

    // A dead channel has nobody who listens: the broker has put its deliveries back.
    fn settle(&self, tag: u64) {
        self.settlements.add(Settlement::Settle(tag));
    }

    fn abandon(&self, tag: u64) {
        if self.in_order {
            // All the rest goes back with it.
            self.lost.store(true, Ordering::Release);
        }
        self.settlements.add(Settlement::PutBack(tag));
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// With the last receipt it is gone.
impl Drop for Line {
    fn drop(&mut self) {
        self.settlements.end();
    }
}

/// Waits for the judgement on a suspect, if there is one to come.
pub(super) async fn judging(trial: &mut Option<Trial>) -> Option<(Delivery, Turn)> {
    match trial {
        Some(Trial::Judging(judging)) => judging.await,
        _ => pending().await,
    }
}

impl Generation {
    /// Of a channel on which this queue is consumed.
    pub(super) fn new(
        queue: QueueName,
        in_order: bool,
        prefetch: u16,
        channel: Channel,
        deliveries: lapin::Consumer,
    ) -> Self {
        let settlements = Arc::<Settlements>::default();
        let many = (prefetch / 8).clamp(1, LARGEST_BATCH);
        // Where order is kept each ack goes at once: what comes again of a key after a kill, because its ack waited, would
        // come behind what has failed of that key meanwhile.
        let batch = if in_order { 1 } else { many };
        let line = Line {
            queue,
            in_order,
            closed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            settlements: settlements.clone(),
            alone: Mutex::default(),
        };
        Self {
            channel,
            deliveries,
            session: SESSIONS.fetch_add(1, Ordering::Relaxed),
            in_order,
            line: Some(Arc::new(line)),
            settlements,
            batch: u64::from(batch),
            room: usize::from((many * 2).min(prefetch)),
            ledger: Ledger::new(),
            held: Vec::new(),
            flood: Flood::new(prefetch),
            kept: Vec::new(),
            trial: None,
            watch: Watch::default(),
        }
    }

    /// Whether more may be taken from the stream.
    pub(super) fn has_room(&self) -> bool {
        self.trial.is_none() && self.held.len() < self.room
    }

    /// How many settlements are worth being carried out: with all that is out there is nothing to wait for, and the
    /// broker must not come to wait for acks before it gives more.
    pub(super) fn worth(&self) -> usize {
        usize::try_from(self.ledger.out().min(self.batch)).unwrap_or(usize::MAX)
    }

    /// The subscription is closed: what was given out goes back, and settles nothing any more.
    pub(super) fn end(&self) {
        if let Some(line) = &self.line {
            line.closed.store(true, Ordering::Release);
        }
    }

    /// Gives out nothing more; what is out may be settled still.
    pub(super) fn run_out(&mut self) {
        (self.trial, self.line) = (None, None);
        self.held.clear();
    }

    /// A suspect that was out alone is settled: it did not kill us.
    pub(super) fn survive(&self) {
        let turn = self.line.as_ref().and_then(|line| lock(&line.alone).take());
        drop(turn);
    }

    /// Takes a delivery in; `judges`: unless it is a suspect, it is given out next.
    pub(super) fn hold(&mut self, mut delivery: lapin::message::Delivery, judges: bool) {
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
            memos: Vec::new(),
            unreadable: oversized.or(opened.unreadable),
            receipt: Receipt::new(tag, line),
        };
        match returns {
            None => self.held.push(delivery),
            Some(returns) => self.trial = Some(Trial::Waiting(Box::new(Suspect { delivery, returns }))),
        }
    }

    /// `None`: it was parked.
    pub(super) fn give_out_alone(&mut self, judged: Option<(Delivery, Turn)>) {
        self.trial = Some(Trial::Out);
        match (judged, &self.line) {
            (Some((delivery, turn)), Some(line)) => {
                *lock(&line.alone) = Some(turn);
                self.held.push(delivery);
            }
            // Who keeps order must look again at what is parked.
            _ => self.session = SESSIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Acks and puts back. The frames are queued and not waited for: the closing of the channel does that.
    ///
    /// `keep`: what is put back stays with us, and goes back with all the rest when the channel ends. Put back one by
    /// one while we still consume, the first would be given to us once more, and go back behind the others.
    ///
    /// Where order is kept it always stays: alone it would come behind what follows it. There the channel must end, for
    /// which true asks.
    pub(super) fn carry_out(&mut self, settlements: &mut Vec<Settlement>, keep: bool) -> bool {
        let mut must_end = false;
        for settlement in settlements.drain(..) {
            match settlement {
                Settlement::Settle(tag) => self.ledger.settle(tag),
                // They count as given out, so no ack covers them.
                Settlement::PutBack(tag) if keep => self.kept.push(tag),
                Settlement::PutBack(_) if self.in_order => must_end = true,
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
        must_end
    }

    /// Puts back what was kept: we do not consume any more, and the channel goes on.
    pub(super) fn put_back_kept(&mut self) {
        self.kept.sort_unstable();
        for tag in std::mem::take(&mut self.kept) {
            if self.ledger.put_back(tag) {
                self.put_back(tag);
            }
        }
    }

    pub(super) fn put_back(&self, tag: u64) {
        let options = BasicNackOptions {
            requeue: true,
            multiple: false,
        };
        let _ = self.channel.basic_nack(tag, options).now_or_never();
    }
}

/// However its channel ended: what is out still has gone back, and comes again, perhaps to another process.
impl Drop for Generation {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.lost.store(true, Ordering::Release);
        }
    }
}

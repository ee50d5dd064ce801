//! The publishing side: one task with a connection of its own, which all hops of the process share.
//!
//! Promises: a job is answered once, and only when it is known what became of it. A lost connection is opened
//! again, and what was under way is published again under the same ids. While the broker is away a job waits
//! for [`OUTAGE_PATIENCE`] and is then refused; while the broker blocks publishers (out of memory or disk) it
//! waits as long as that takes, and nothing is torn down. A channel on which something is refused does not grow old:
//! see [`REFUSING`].

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use lapin::{Connection, Event, options::ConfirmSelectOptions};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, info, warn};
use trunkline_sdk::{Fault, Remedy};

use super::{
    Landscape, RETRY,
    faults::{self, ACCESS_REFUSED, NOT_FOUND},
    hops::Ballot,
    link::{self, Link},
    window::{Publish, Verdict, WINDOW, Window},
    wire::{self, Parcel},
};
use crate::{
    bus::{Destination, Outgoing},
    recovery::Patience,
};

/// How long a job waits for a broker that is away: a webhook's caller is to have its 503 within 4 s.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(3);
/// A broker that confirms nothing for so long is frozen: another connection, the same ids.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(5);
/// How long a confirm may hold up the news of those behind it.
const SWEEP: Duration = Duration::from_millis(10);
/// How often the clocks above are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long closing waits for confirms.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How often a job is published again after the broker ended the channel over something unclear.
const TRIES: u32 = 3;
/// A full queue may have room again after this.
const FULL_PATIENCE: Duration = Duration::from_secs(1);
/// The age from which a channel that sees a refusal is replaced. In RabbitMQ 3.10 a channel asks the node that led a
/// queue when it first published there, and while that node is away it refuses all for that queue: a new one knows the
/// new leader. Where the queue is full this costs a round trip now and then.
const REFUSING: Duration = Duration::from_secs(2);

/// One message to be published. What is large in it is boxed, because jobs are moved often.
#[derive(Debug)]
pub(super) struct Job {
    /// The message with its destination.
    pub(super) outgoing: Box<Outgoing>,
    /// It, packed; taken by the first publishing.
    pub(super) parcel: Option<Box<Parcel>>,
    /// Which hop of its batch it belongs to.
    pub(super) hop: usize,
    /// Where the answer goes; when the last job of the batch is gone, the batch is answered.
    pub(super) ballot: Arc<Ballot>,
    /// When it was handed over.
    pub(super) since: Instant,
    /// How often the channel died with it under way, for an unclear reason.
    pub(super) tries: u32,
}

/// What the publisher is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Publish these, in order.
    Publish(Vec<Job>),
    /// Wait for what is under way, and close.
    Close(oneshot::Sender<()>),
}

impl Publish for Job {
    fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }
}

impl Job {
    fn answer(self, result: Result<(), Fault>) {
        self.ballot.answer(self.hop, result);
    }
}

/// The task's state.
pub(super) struct Publisher {
    link: Arc<Link>,
    landscape: Arc<Landscape>,
    inbox: mpsc::Receiver<Order>,
    waiting: VecDeque<Job>,
    closing: Option<(oneshot::Sender<()>, Instant)>,
}

/// A connection with what is under way on it.
pub(super) struct Live {
    connection: Connection,
    window: Window<Job>,
    /// When the channel was opened.
    since: Instant,
}

enum End {
    Closed,
    /// Nothing is under way, and another channel is wanted.
    Renew,
    Lost(Fault, Option<lapin::Error>),
}

impl Live {
    /// Opens the connection.
    pub(super) async fn open(link: &Link) -> Result<Self, Fault> {
        let connection = link.connect().await?;
        let window = Self::window(&connection, link).await?;
        Ok(Self::of(connection, window))
    }

    fn of(connection: Connection, window: Window<Job>) -> Self {
        Self {
            connection,
            window,
            since: Instant::now(),
        }
    }

    /// Goes on with another channel; nothing may be under way on this one.
    async fn renew(&mut self, link: &Link) -> Result<(), Fault> {
        let window = Self::window(&self.connection, link).await?;
        let old = std::mem::replace(&mut self.window, window);
        self.since = Instant::now();
        // Not waited for: what it is stuck in may last.
        tokio::spawn(close(old.channel().clone()));
        Ok(())
    }

    fn is_dead(&self) -> bool {
        !self.connection.status().connected() || !self.window.channel().status().connected()
    }

    async fn window(connection: &Connection, link: &Link) -> Result<Window<Job>, Fault> {
        const DOING: &str = "opening the publisher's channel";
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Window::new(channel))
        };
        timeout(CONFIRM_PATIENCE, opening)
            .await
            .map_err(|_| faults::silent(DOING))?
            .map_err(|error| faults::refused(error, DOING, link.address()))
    }
}

impl Publisher {
    /// A publisher that takes its orders from `inbox`.
    pub(super) fn new(link: Arc<Link>, landscape: Arc<Landscape>, inbox: mpsc::Receiver<Order>) -> Self {
        Self {
            link,
            landscape,
            inbox,
            waiting: VecDeque::new(),
            closing: None,
        }
    }

    /// Runs until it is closed.
    pub(super) async fn run(mut self, mut live: Live) {
        loop {
            let (fault, error) = match self.serve(&mut live).await {
                End::Closed => break,
                End::Renew => match live.renew(&self.link).await {
                    Ok(()) => continue,
                    Err(fault) => (fault, None),
                },
                End::Lost(fault, error) => (fault, error),
            };
            warn!(error = %fault, under_way = !live.window.is_empty(), "publishing is interrupted");
            let Live {
                connection, window, ..
            } = live;
            self.take_back(window, error);
            // Where only the channel ended, the connection goes on.
            let reopened = if connection.status().connected() && fault.remedy != Remedy::Reopen {
                Live::window(&connection, &self.link).await.ok()
            } else {
                None
            };
            live = match reopened {
                Some(window) => Live::of(connection, window),
                None => {
                    drop(connection);
                    match self.reconnect(fault).await {
                        Some(live) => live,
                        None => return,
                    }
                }
            };
        }
        close(live.window.channel().clone()).await;
        link::close(&live.connection).await;
        if let Some((done, _)) = self.closing {
            let _ = done.send(());
        }
    }

    /// Publishes and settles until the channel is dead or the bus is closed.
    async fn serve(&mut self, live: &mut Live) -> End {
        let mut events = Box::pin(live.connection.events_listener());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settled = Vec::new();
        // The confirms' clock stands while the broker blocks us, and begins anew afterwards.
        let (mut blocked, mut clock) = (false, Instant::now());
        let mut refusing = false;
        loop {
            let renews = refusing && live.since.elapsed() > REFUSING;
            if renews && live.window.is_empty() {
                return End::Renew;
            }
            while !renews
                && live.window.has_room()
                && let Some(mut job) = self.waiting.pop_front()
            {
                match job
                    .parcel
                    .take()
                    .map_or_else(|| wire::pack(&job.outgoing).map(Box::new), Ok)
                {
                    Ok(parcel) => live.window.publish(job, parcel),
                    Err(fault) => job.answer(Err(fault)),
                }
            }
            if let Some((_, since)) = &self.closing
                && (live.window.is_empty() || since.elapsed() > CLOSE_PATIENCE)
            {
                return End::Closed;
            }
            tokio::select! {
                biased;
                result = poll_fn(|cx| live.window.poll_settled(cx, &mut settled)) => {
                    if let Some(end) = self.answer(result, &mut settled, &mut refusing) {
                        return end;
                    }
                }
                _ = sweep.tick(), if !live.window.is_empty() => {
                    if let Some(end) = self.answer(live.window.sweep(&mut settled), &mut settled, &mut refusing) {
                        return end;
                    }
                }
                order = self.inbox.recv(), if self.closing.is_none() && self.waiting.len() < WINDOW => {
                    self.take(order);
                }
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        warn!(%reason, "the broker blocks publishers until it has room");
                        blocked = true;
                    }
                    Some(Event::ConnectionUnblocked) => {
                        info!("the broker takes messages again");
                        (blocked, clock) = (false, Instant::now());
                    }
                    // Also told of a channel that ended before this one was opened, after its confirms have failed.
                    Some(Event::Error(error)) if live.is_dead() => {
                        return End::Lost(connection_lost(error.clone()), Some(error));
                    }
                    Some(_) => {}
                    None => return End::Lost(Fault::reopen("the connection to the broker is gone"), None),
                },
                _ = tick.tick() => {
                    if !live.connection.status().connected() {
                        return End::Lost(Fault::reopen("the connection to the broker is gone"), None);
                    }
                    if !blocked
                        && let Some(sent) = live.window.oldest()
                        && sent.max(clock).elapsed() > CONFIRM_PATIENCE
                    {
                        return End::Lost(faults::silent("waiting for a confirm"), None);
                    }
                }
            }
        }
    }

    /// Tells what was settled; gives the end of the channel, if it is dead.
    fn answer(
        &self,
        result: lapin::Result<()>,
        settled: &mut Vec<(Job, Verdict)>,
        refusing: &mut bool,
    ) -> Option<End> {
        for (job, verdict) in settled.drain(..) {
            *refusing |= matches!(verdict, Verdict::Refused);
            let result = judge(&job.outgoing.to, verdict);
            job.answer(result);
        }
        let error = result.err()?;
        let fault = faults::refused(error.clone(), "publishing", self.link.address());
        Some(End::Lost(fault, Some(error)))
    }

    /// Opens the connection again, and refuses what has waited too long meanwhile. `None`: the bus is closed.
    async fn reconnect(&mut self, mut fault: Fault) -> Option<Live> {
        let since = Instant::now();
        let (link, landscape) = (self.link.clone(), self.landscape.clone());
        let (faults_in, mut faults_out) = mpsc::channel(1);
        let attempt = async move {
            let mut patience = Patience::up_to(RETRY);
            loop {
                let attempt = async {
                    let live = Live::open(&link).await?;
                    landscape.assert_again(since).await?;
                    Ok(live)
                };
                match attempt.await {
                    Ok(live) => return live,
                    Err(fault) => {
                        let _ = faults_in.send(fault).await;
                        sleep(patience.delay()).await;
                    }
                }
            }
        };
        let mut attempt = attempt.boxed();
        let mut tick = interval(TICK);
        loop {
            tokio::select! {
                biased;
                live = &mut attempt => {
                    info!(outage = ?since.elapsed(), "publishing goes on");
                    return Some(live);
                }
                Some(latest) = faults_out.recv() => {
                    debug!(error = %latest, "the broker is not back yet");
                    fault = latest;
                }
                order = self.inbox.recv(), if self.closing.is_none() => self.take(order),
                _ = tick.tick() => {}
            }
            let closed = self.closing.is_some();
            let expired = |job: &Job| closed || job.since.max(since).elapsed() >= OUTAGE_PATIENCE;
            let (expired, waiting): (VecDeque<_>, _) = self.waiting.drain(..).partition(expired);
            self.waiting = waiting;
            for job in expired {
                job.answer(Err(away(&fault)));
            }
            if let Some((done, _)) = self.closing.take() {
                let _ = done.send(());
                return None;
            }
        }
    }

    fn take(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Publish(jobs)) => self.waiting.extend(jobs),
            Some(Order::Close(done)) => self.closing = Some((done, Instant::now())),
            // The bus was dropped without being closed: the same, with nobody to tell.
            None => self.closing = Some((oneshot::channel().0, Instant::now())),
        }
    }

    /// What was under way waits again, before all else; what made the broker end the channel is answered.
    fn take_back(&mut self, window: Window<Job>, error: Option<lapin::Error>) {
        let mut jobs: Vec<_> = window.into_jobs().collect();
        if let Some(error) = error
            && let Some((code, text)) = faults::refusal(&error)
        {
            let to_blame = |job: &Job| {
                [ACCESS_REFUSED, NOT_FOUND].contains(&code) && text.contains(&format!("'{}'", exchange(job)))
            };
            let known = jobs.iter().any(to_blame);
            let culprits: Vec<_> = jobs
                .extract_if(.., |job| {
                    job.tries += u32::from(!known);
                    to_blame(job) || job.tries >= TRIES
                })
                .collect();
            for job in culprits {
                let doing = format!("publishing to exchange `{}`", exchange(&job));
                let fault = faults::refused(error.clone(), &doing, self.link.address());
                job.answer(Err(fault));
            }
        }
        for job in jobs.into_iter().rev() {
            self.waiting.push_front(job);
        }
    }
}

async fn close(channel: lapin::Channel) {
    let _ = timeout(CLOSE_PATIENCE, channel.close(200, "closed".into())).await;
}

fn exchange(job: &Job) -> String {
    super::topology::route(&job.outgoing.to, None, None).0
}

fn judge(to: &Destination, verdict: Verdict) -> Result<(), Fault> {
    let place = match to {
        Destination::Channel(channel) => format!("channel `{channel}`"),
        Destination::Queue { queue, .. } => format!("queue `{queue}`"),
        Destination::Retry { queue, after, .. } => {
            format!("the retries of queue `{queue}` after {}", after.word())
        }
        Destination::Parked { queue, .. } => format!("the parked messages of queue `{queue}`"),
        Destination::Reply(_) if verdict == Verdict::Unroutable => {
            return Err(
                Fault::dead_letter("nobody waits at the return address of the request").hint(
                    "whoever asked is gone; another program binds its queue to exchange `trunkline.reply`, by its name",
                ),
            );
        }
        Destination::Reply(_) => "answers".to_owned(),
    };
    match verdict {
        Verdict::Confirmed => Ok(()),
        Verdict::Refused => Err(Fault::wait(
            format!("a queue of {place} takes no more messages: it is full, or its leader is away"),
            FULL_PATIENCE,
        )
        .hint("see which flow is behind, and whether it runs")),
        Verdict::Unroutable => Err(Fault::stop(format!("no queue takes messages for {place}")).hint(
            "start the flow that reads it: that makes its queue; or remove the channel that nobody reads",
        )),
    }
}

fn connection_lost(error: lapin::Error) -> Fault {
    Fault::reopen(format!("the connection to the broker is lost: {error}")).because(error)
}

/// Why a job is refused while the broker is away; `Stop` only where the broker itself refused us.
fn away(fault: &Fault) -> Fault {
    let fault = faults::again(fault);
    if fault.remedy == Remedy::Stop {
        fault
    } else {
        Fault {
            remedy: Remedy::Reopen,
            ..fault
        }
    }
}

//! The thread that writes: all that is pending goes into one transaction, and is answered when it is durable.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        mpsc::{self as threads, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::params;
use tokio::sync::{Semaphore, oneshot};
use tracing::{error, info};
use trunkline_sdk::Fault;

use super::{
    desk::Desk,
    disk::Disk,
    door::{self, Door, PENDING, Prepared, Request},
    lock::Lock,
    store::{Store, StoredQueue},
    suspects,
};
use crate::bus::{Refused, Takes, Topology};

/// How many hops share a transaction at most, and how many bytes: a bound on the time until the first of them
/// is answered. What one caller hands over at once stays together.
const GROUP_HOPS: usize = 2048;
const GROUP_BYTES: usize = 8 << 20;
/// How long to wait before what the bus itself has to write is tried again after a full disk.
const AGAIN: Duration = Duration::from_secs(1);
/// After so long without anything to do, space is given back to the disk.
const IDLE: Duration = Duration::from_millis(500);
/// Between two steps while nobody asks for anything.
const STEP: Duration = Duration::from_millis(1);

/// Hops of one caller with the way to answer it.
pub(super) type Completion = (Vec<Prepared>, oneshot::Sender<Vec<Result<(), Refused>>>);

/// A folder, held and open.
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) disk: Disk,
    pub(super) lock: Lock,
}

/// The thread's own.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) disk: Disk,
    pub(super) desk: Arc<Desk>,
    requests: threads::Receiver<Request>,
    room: Arc<Semaphore>,
    lock: Lock,
    pub(super) clock: Clock,
    pub(super) channels: HashMap<String, Channel>,
    pub(super) queues: HashMap<String, Queue>,
    /// The last place taken in each queue.
    pub(super) places: HashMap<u16, i64>,
    /// When the next delayed message is due.
    pub(super) due: Option<i64>,
    /// The queues whose mark is to be raised.
    pub(super) raises: BTreeSet<u16>,
    /// The message that is to be given out alone from now on, or none.
    pub(super) alone: Option<Option<i64>>,
    /// Whether what the bus itself has to write failed, and is to be tried again.
    pub(super) failed: bool,
    /// Whether there may be space to give back.
    pub(super) loose: bool,
    /// Whether nobody asked for anything the last time.
    pub(super) resting: bool,
    pub(super) groups: u32,
}

/// A channel with the queues it leads to.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) type_name: String,
    pub(super) queues: Vec<(u16, Takes)>,
}

/// A queue with the channel that leads to it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) number: u16,
    pub(super) channel: Option<String>,
    pub(super) takes: Takes,
}

/// What is done in one transaction, and what comes after it.
#[derive(Default)]
struct Group {
    completions: Vec<Completion>,
    hops: usize,
    bytes: usize,
    barriers: Vec<oneshot::Sender<()>>,
    then: Option<Then>,
    /// Nobody asked for anything.
    idle: bool,
}

enum Then {
    Declare(Topology, oneshot::Sender<Result<(), Fault>>),
    Hasten(oneshot::Sender<Result<u64, Fault>>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    pub(super) fn new(
        place: Place,
        clock: Clock,
        desk: Arc<Desk>,
        door: &Door,
        requests: threads::Receiver<Request>,
    ) -> Result<Self, Fault> {
        let Place { store, disk, lock } = place;
        let mut writer = Self {
            clock,
            channels: HashMap::new(),
            queues: HashMap::new(),
            places: HashMap::new(),
            due: None,
            raises: BTreeSet::new(),
            alone: None,
            failed: false,
            loose: true,
            resting: false,
            groups: 0,
            disk,
            room: Arc::clone(&door.room),
            store,
            desk,
            requests,
            lock,
        };
        for (name, type_name) in writer.store.channels()? {
            let queues = Vec::new();
            writer.channels.insert(name, Channel { type_name, queues });
        }
        for queue in writer.store.queues()? {
            writer.know(&queue);
        }
        writer.due = writer.first_due().map_err(|error| writer.store.fault(error))?;
        Ok(writer)
    }

    /// Works until it is told to close, or nobody is left to tell it.
    pub(super) fn run(mut self) {
        let closed = loop {
            let Some(mut group) = self.gather() else {
                break None;
            };
            self.commit(std::mem::take(&mut group.completions));
            for barrier in group.barriers {
                // The caller may have given up waiting.
                let _gone = barrier.send(());
            }
            self.upkeep(group.idle);
            match group.then {
                None => {}
                Some(Then::Declare(topology, answer)) => {
                    let _gone = answer.send(self.declare(&topology));
                }
                Some(Then::Hasten(answer)) => {
                    let _gone = answer.send(self.hasten());
                }
                Some(Then::Close(answer)) => break Some(answer),
            }
        };
        self.close();
        if let Some(closed) = closed {
            let _gone = closed.send(());
        }
    }

    /// Waits for something to do, and takes all that is pending.
    fn gather(&mut self) -> Option<Group> {
        let mut group = Group::default();
        let wait = self.patience();
        let first = match wait {
            None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => self.requests.recv_timeout(wait),
        };
        match first {
            Ok(request) => self.take(request, &mut group),
            Err(RecvTimeoutError::Timeout) => group.idle = true,
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        while group.then.is_none()
            && group.hops < GROUP_HOPS
            && group.bytes < GROUP_BYTES
            && let Ok(request) = self.requests.try_recv()
        {
            self.take(request, &mut group);
        }
        Some(group)
    }

    /// How long it may sleep if nobody asks for anything. `None`: as long as nobody does.
    fn patience(&self) -> Option<Duration> {
        if self.desk.has_ended() {
            return None;
        }
        let until_due = self.due.map(|due| due.saturating_sub(self.clock.now()).max(0));
        if self.failed && (until_due == Some(0) || self.has_own()) {
            return Some(AGAIN);
        }
        // One more: a clock that is read in whole milliseconds may be just short of it.
        let until_due = until_due.map(|wait| Duration::from_millis(wait.unsigned_abs() + 1));
        let until_idle = self.loose.then_some(if self.resting { STEP } else { IDLE });
        until_due.into_iter().chain(until_idle).min()
    }

    /// Whether there is something that the bus itself has to write.
    pub(super) fn has_own(&self) -> bool {
        !self.raises.is_empty() || self.alone.is_some()
    }

    fn take(&mut self, request: Request, group: &mut Group) {
        match request {
            Request::Raise(queue) => {
                self.raises.insert(queue);
                return;
            }
            Request::Alone(id) => {
                self.alone = Some(id);
                return;
            }
            Request::Complete { hops, answer } => {
                group.hops += hops.len();
                group.bytes += hops
                    .iter()
                    .flat_map(|prepared| prepared.sealed.iter().flatten())
                    .map(|sealed| sealed.body.len())
                    .sum::<usize>();
                group.completions.push((hops, answer));
            }
            Request::Barrier(answer) => group.barriers.push(answer),
            Request::Declare { topology, answer } => group.then = Some(Then::Declare(topology, answer)),
            Request::Hasten(answer) => group.then = Some(Then::Hasten(answer)),
            Request::Close(answer) => group.then = Some(Then::Close(answer)),
        }
        self.room.add_permits(1);
    }

    /// A queue that exists.
    pub(super) fn know(&mut self, queue: &StoredQueue) {
        self.places.insert(queue.number, queue.last);
        if let Some(channel) = queue
            .channel
            .as_ref()
            .and_then(|name| self.channels.get_mut(name))
        {
            channel.queues.push((queue.number, queue.takes));
        }
        self.queues.insert(
            queue.name.clone(),
            Queue {
                number: queue.number,
                channel: queue.channel.clone(),
                takes: queue.takes,
            },
        );
    }

    /// The next group moves what is due.
    fn hasten(&mut self) -> Result<u64, Fault> {
        if self.desk.has_ended() {
            return Err(self.desk.ended());
        }
        let now = self.clock.now();
        let hastened = self
            .store
            .connection
            .execute("UPDATE delayed SET due = ?1 WHERE due > ?1", [now])
            .map_err(|error| self.failure(error))?;
        self.due = self.first_due().map_err(|error| self.failure(error))?;
        Ok(hastened as u64)
    }

    fn first_due(&self) -> rusqlite::Result<Option<i64>> {
        self.store
            .connection
            .query_row("SELECT min(due) FROM delayed", [], |row| row.get(0))
    }

    fn close(self) {
        self.desk
            .end(&Fault::stop("the embedded bus was closed").hint("open it again"));
        self.refuse_the_rest();
        let can_tidy = self.can_tidy();
        let Self {
            store, desk, lock, ..
        } = self;
        // Neither is needed for what was promised: a file left as after a crash is opened like any other.
        let tidy = || {
            let mut set = store
                .connection
                .prepare("UPDATE queues SET given = ?2 WHERE number = ?1")?;
            for (queue, mark) in desk.final_marks() {
                set.execute(params![queue, mark])?;
            }
            suspects::end(&store.connection)?;
            if can_tidy? { store.tidy() } else { Ok(()) }
        };
        match tidy() {
            Ok(()) => info!("the embedded bus is closed"),
            Err(error) => {
                let fault = store.fault(error);
                error!(error = %fault, "the embedded bus could not tidy up; all confirmed is safe");
            }
        }
        drop(store);
        drop(lock);
    }

    /// Answers those who asked before they could know that the bus is closed.
    fn refuse_the_rest(&self) {
        self.room.close();
        while self.room.available_permits() < PENDING {
            match self.requests.recv() {
                Ok(Request::Complete { hops, answer }) => {
                    let _gone = answer.send(door::refuse(hops, &self.desk));
                }
                Ok(Request::Raise(_) | Request::Alone(_)) => continue,
                // The others take a dropped answer for what it is.
                Ok(_) => {}
                Err(_) => return,
            }
            self.room.add_permits(1);
        }
    }
}

/// Milliseconds since 1970 that run evenly: a jump of the wall clock moves nothing while the process runs.
#[derive(Debug)]
pub(super) struct Clock {
    began: i64,
    at: Instant,
}

impl Clock {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self {
            began: Timestamp::now().as_millisecond(),
            at: Instant::now(),
        }
    }

    /// Begins now, with a wall clock that is wrong by so many milliseconds.
    #[cfg(test)]
    pub(super) fn wrong_by(milliseconds: i64) -> Self {
        let right = Self::new();
        Self {
            began: right.began + milliseconds,
            ..right
        }
    }

    /// Now.
    pub(super) fn now(&self) -> i64 {
        self.began
            .saturating_add(i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// So long from now.
    pub(super) fn after(&self, delay: Duration) -> i64 {
        // Rounded up: never early.
        let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        self.now().saturating_add(delay).saturating_add(1)
    }
}

//! A publisher and a consumer at work while things happen, and the books of what they saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use trunkline::bus::{Bus, Subscription};
use trunkline_sdk::Fault;

use crate::scene::{Scene, billing, drained, hop, opened, order, settle};

/// How many messages are handed over at a time.
const BATCH: usize = 10;
/// How long traffic may take to go on.
const LONGEST: Duration = Duration::from_secs(60);

/// Traffic over one bus, as a process of Trunkline has it: publishing and consuming on a connection each.
pub(crate) struct Traffic {
    scene: Arc<Scene>,
    books: Arc<Books>,
    stop: watch::Sender<Stage>,
    publishing: JoinHandle<()>,
    consuming: JoinHandle<Subscription>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Both,
    /// Nothing more is published.
    Consume,
    Over,
}

/// What was confirmed, and what came.
struct Books {
    confirmed: Mutex<Side>,
    received: Mutex<Side>,
    /// Why the last hop that was not completed was not.
    refusal: Mutex<Option<Fault>>,
}

struct Side {
    ids: BTreeMap<String, u32>,
    last: Instant,
    stall: Duration,
}

impl Side {
    fn new() -> Mutex<Self> {
        Mutex::new(Self {
            ids: BTreeMap::new(),
            last: Instant::now(),
            stall: Duration::ZERO,
        })
    }

    fn note(&mut self, id: String) {
        *self.ids.entry(id).or_default() += 1;
        self.stall = self.stall.max(self.last.elapsed());
        self.last = Instant::now();
    }
}

impl Traffic {
    /// Returns when it flows.
    pub(crate) async fn begin(url: &str) -> Self {
        let scene = Arc::new(opened(url).await);
        let subscription = scene.bus.subscribe(&billing(), 50).await.unwrap();
        let books = Arc::new(Books {
            confirmed: Side::new(),
            received: Side::new(),
            refusal: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(Stage::Both);
        let traffic = Self {
            publishing: tokio::spawn(publish_all(scene.clone(), books.clone(), stopped.clone())),
            consuming: tokio::spawn(consume_all(scene.clone(), books.clone(), subscription, stopped)),
            scene,
            books,
            stop,
        };
        traffic.goes_on().await;
        traffic
    }

    /// Waits until a message that is published from now on has come.
    pub(crate) async fn goes_on(&self) {
        let before: BTreeSet<_> = lock(&self.books.confirmed).ids.keys().cloned().collect();
        let began = Instant::now();
        loop {
            {
                let (confirmed, received) = (lock(&self.books.confirmed), lock(&self.books.received));
                // Two batches on, it was surely published after this call.
                let new = confirmed.ids.keys().filter(|id| !before.contains(*id));
                if new.skip(2 * BATCH).any(|id| received.ids.contains_key(id)) {
                    return;
                }
            }
            assert!(
                began.elapsed() < LONGEST,
                "it does not go on: the last confirm {:?} ago, the last message {:?} ago, the last refusal: {:?}",
                lock(&self.books.confirmed).last.elapsed(),
                lock(&self.books.received).last.elapsed(),
                lock(&self.books.refusal)
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it, and balances the books. `longest`: how long nothing may have been confirmed, or nothing come.
    pub(crate) async fn end(self, fault: &str, longest: Duration) {
        self.stop.send_replace(Stage::Consume);
        self.publishing.await.unwrap();
        let all: BTreeSet<_> = lock(&self.books.confirmed).ids.keys().cloned().collect();
        let balanced = async {
            while !all
                .iter()
                .all(|id| lock(&self.books.received).ids.contains_key(id))
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(LONGEST, balanced).await.is_err() {
            let received = lock(&self.books.received);
            let lost: Vec<_> = all.iter().filter(|id| !received.ids.contains_key(*id)).collect();
            panic!(
                "{fault}: {} of {} confirmed messages are lost: {lost:?}",
                lost.len(),
                all.len()
            );
        }
        self.stop.send_replace(Stage::Over);
        let subscription = self.consuming.await.unwrap();
        drained(&*self.scene.bus).await;
        subscription.close().await;
        self.scene.bus.close().await;
        let (confirmed, received) = (lock(&self.books.confirmed), lock(&self.books.received));
        let repeats: u32 = received.ids.values().map(|count| count - 1).sum();
        println!(
            "{fault}: {} confirmed, 0 lost, {repeats} repeated; longest stall {:?} confirming, {:?} receiving",
            all.len(),
            confirmed.stall,
            received.stall
        );
        let invented = received
            .ids
            .keys()
            .filter(|id| !id.starts_with("m-") && *id != "late");
        assert_eq!(invented.count(), 0);
        assert!(
            confirmed.stall < longest && received.stall < longest,
            "{fault}: it stood still for too long"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As a flow does: what is refused is published again, under its id.
async fn publish_all(scene: Arc<Scene>, books: Arc<Books>, stopped: watch::Receiver<Stage>) {
    let mut next = 0;
    while *stopped.borrow() == Stage::Both {
        let mut ids: Vec<_> = (next..next + BATCH)
            .map(|number| format!("m-{number:06}"))
            .collect();
        next += BATCH;
        while !ids.is_empty() {
            let hops = ids.iter().map(|id| hop("orders", order(id))).collect();
            let results = scene.bus.complete(hops).await;
            let mut refused = Vec::new();
            for (id, result) in ids.into_iter().zip(results) {
                match result {
                    Ok(()) => lock(&books.confirmed).note(id),
                    Err(why) => {
                        *lock(&books.refusal) = Some(why.fault);
                        refused.push(id);
                    }
                }
            }
            ids = refused;
        }
        // A steady trickle, not as much as goes.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn consume_all(
    scene: Arc<Scene>,
    books: Arc<Books>,
    mut subscription: Subscription,
    mut stopped: watch::Receiver<Stage>,
) -> Subscription {
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            open = subscription.receive(&mut batch, BATCH) => assert!(open, "the subscription ended"),
            _ = stopped.wait_for(|stage| *stage == Stage::Over) => return subscription,
        }
        for delivery in &batch {
            lock(&books.received).note(delivery.message.id.to_string());
        }
        settle(&*scene.bus, batch).await;
    }
}

//! The sentences a sink must make true.
//!
//! An adapter writes a [`SinkPeer`] (its real peer: a server, a folder) and lets [`sink_contract!`](crate::sink_contract)
//! make one test of each sentence:
//!
//! ```ignore
//! trunkline_sdk::sink_contract!(postgres, PostgresPeer::new());
//! ```
//!
//! What "not twice" means depends on the sink's [`Effect`]: [`Effect::Transactional`] knows a repeat as one;
//! [`Effect::Idempotent`] may say `Applied` again; [`Effect::Verified`] and [`Effect::Plain`] are held to it as long
//! as nothing is lost between request and answer.

use std::{collections::BTreeSet, error::Error as _};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Context, Delivered, Effect, Fault, Outcome, Record, Remedy, Sink};

/// A text that every record of a [`SinkPeer`] must hold in some field which the sink sends: no fault may show it.
pub const PRIVATE: &str = "private-5fa1c9";

/// The system behind a sink, in a test's hand. A test has a peer of its own.
#[async_trait]
pub trait SinkPeer: Send + Sync {
    /// What the adapter declares.
    fn effect(&self) -> Effect;

    /// Opens a further sink for this flow, as another process would.
    async fn sink(&self, flow: &str) -> Box<dyn Sink>;

    /// A record that the peer accepts. Its effect must be told from that of any other id.
    fn accepted(&self, id: &str) -> Record;

    /// A record that the peer itself refuses for good.
    fn refused(&self, id: &str) -> Record;

    /// How often records with this id have taken effect, from all flows; works while the peer is away, too.
    async fn effects(&self, id: &str) -> usize;

    /// From now on no sink reaches the peer, whatever it is doing.
    async fn leave(&self);

    /// It is there again, with all that had taken effect.
    async fn come_back(&self);

    /// What must be shown nowhere: the password in the settings, the token.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// The test is over and was passed.
    async fn close(&self) {}
}

/// Makes a module with one test per sentence: `sink_contract!(name, future_of_a_peer)`. The crate needs tokio with
/// `macros` and `rt-multi-thread` among its dev-dependencies.
#[macro_export]
macro_rules! sink_contract {
    ($name:ident, $peer:expr) => {
        mod $name {
            use super::*;
            $crate::sink_contract!(@each $peer;
                a_batch_gets_one_outcome_per_message_in_its_order
                a_large_batch_is_applied_whole
                a_refused_message_is_not_remembered_as_applied
                the_same_id_twice_is_one_effect
                the_same_id_at_once_from_two_sinks_is_one_effect
                the_same_id_in_another_flow_is_another_effect
                parts_of_one_message_take_effect_together_or_not_at_all
                an_abandoned_write_can_be_repeated
                while_the_peer_is_away_nothing_is_applied_and_then_it_goes_on
                a_connection_lost_at_any_moment_loses_and_repeats_nothing
                no_fault_shows_a_secret_or_a_value
            );
        }
    };
    (@each $peer:expr; $($sentence:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $sentence() {
            let peer = $peer.await;
            $crate::contract::sink::$sentence(&peer).await;
            $crate::contract::sink::SinkPeer::close(&peer).await;
        }
    )*};
}

/// Good and bad are told apart by their place, and the bad one keeps no other from being applied.
pub async fn a_batch_gets_one_outcome_per_message_in_its_order(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let batch = [
        whole("a", peer.accepted("a")),
        whole("b", peer.refused("b")),
        whole("c", peer.accepted("c")),
        whole("d", peer.refused("d")),
        whole("e", peer.refused("e")),
        whole("f", peer.accepted("f")),
    ];
    // when
    let outcomes = sink.write(&batch).await;
    // then
    assert_eq!(
        words(&outcomes),
        [
            "applied", "rejected", "applied", "rejected", "rejected", "applied"
        ]
    );
    for outcome in [&outcomes[1], &outcomes[3], &outcomes[4]] {
        assert_eq!(remedy(outcome), Some(Remedy::DeadLetter), "{outcome:?}");
    }
    assert_eq!(
        effects(peer, ["a", "b", "c", "d", "e", "f"]).await,
        [1, 0, 1, 0, 0, 1]
    );
    assert!(sink.write(&[]).await.is_empty(), "an empty batch has no outcomes");
}

/// As many as a flow ever takes at once.
pub async fn a_large_batch_is_applied_whole(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let ids: Vec<_> = (0..256).map(|number| format!("m{number}")).collect();
    // when
    let outcomes = sink.write(&batch(peer, &ids)).await;
    // then
    assert!(
        outcomes.len() == ids.len() && outcomes.iter().all(is_applied),
        "{:?}",
        words(&outcomes)
    );
    for id in &ids {
        assert_eq!(peer.effects(id).await, 1, "{id}");
    }
}

/// Else a message that was mended and replayed would be taken for done.
pub async fn a_refused_message_is_not_remembered_as_applied(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let outcomes = sink.write(&[whole("a", peer.refused("a"))]).await;
    assert_eq!(words(&outcomes), ["rejected"]);
    // when
    let outcomes = sink.write(&[whole("a", peer.accepted("a"))]).await;
    // then
    assert_eq!(words(&outcomes), ["applied"]);
    assert_eq!(peer.effects("a").await, 1);
}

/// Within a batch, in the next one, and from a process that was started again.
pub async fn the_same_id_twice_is_one_effect(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let first = sink.write(&batch(peer, &["a", "b", "a"])).await;
    // when
    let second = sink.write(&batch(peer, &["b", "c"])).await;
    drop(sink);
    let third = peer.sink("orders").await.write(&batch(peer, &["a", "c"])).await;
    // then
    assert_eq!(effects(peer, ["a", "b", "c"]).await, [1, 1, 1]);
    let told = [words(&first), words(&second), words(&third)].concat();
    match peer.effect() {
        Effect::Transactional => assert_eq!(
            told,
            [
                "applied", "applied", "repeat", "repeat", "applied", "repeat", "repeat"
            ]
        ),
        _ => assert!(
            told.iter().all(|word| ["applied", "repeat"].contains(word)),
            "{told:?}"
        ),
    }
}

/// As after a failover, while the old process still writes; in opposite orders, so that they meet.
pub async fn the_same_id_at_once_from_two_sinks_is_one_effect(peer: &dyn SinkPeer) {
    // given
    let (one, other) = (peer.sink("orders").await, peer.sink("orders").await);
    let ids: Vec<_> = (0..40).map(|number| format!("m{number}")).collect();
    let backwards: Vec<_> = ids.iter().rev().cloned().collect();
    // when
    let (first, second) = tokio::join!(
        until_done(peer, &*one, &ids),
        until_done(peer, &*other, &backwards)
    );
    // then
    for id in &ids {
        assert_eq!(peer.effects(id).await, 1, "{id}");
        if peer.effect() == Effect::Transactional {
            assert!(
                first.contains(id) != second.contains(id),
                "{id} is applied by exactly one"
            );
        }
    }
}

/// Fan-out: each flow has an effect of its own.
pub async fn the_same_id_in_another_flow_is_another_effect(peer: &dyn SinkPeer) {
    if peer.effect() == Effect::Idempotent {
        // At an idempotent target the effect belongs to the record, whoever sends it.
        return;
    }
    // given
    let (stock, mail) = (peer.sink("stock").await, peer.sink("mail").await);
    // when
    let mut outcomes = stock.write(&batch(peer, &["a"])).await;
    outcomes.extend(mail.write(&batch(peer, &["a"])).await);
    // then
    assert_eq!(words(&outcomes), ["applied", "applied"]);
    assert_eq!(peer.effects("a").await, 2);
}

/// Where the system can do that: it must with [`Effect::Transactional`].
pub async fn parts_of_one_message_take_effect_together_or_not_at_all(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("stock").await;
    let spoilt = [
        whole("before", peer.accepted("before")),
        part("order-1", "a", peer.accepted("a")),
        part("order-1", "b", peer.refused("b")),
        part("order-1", "c", peer.accepted("c")),
        whole("behind", peer.accepted("behind")),
    ];
    // when
    let outcomes = sink.write(&spoilt).await;
    // then
    let told = words(&outcomes);
    assert_eq!((told[0], told[2], told[4]), ("applied", "rejected", "applied"));
    if peer.effect() != Effect::Transactional {
        return;
    }
    assert_eq!(told, ["applied", "not tried", "rejected", "not tried", "applied"]);
    assert_eq!(
        effects(peer, ["before", "a", "b", "c", "behind"]).await,
        [1, 0, 0, 0, 1]
    );
    // when it is mended
    let mended = ["a", "b", "c"].map(|id| part("order-1", id, peer.accepted(id)));
    let outcomes = sink.write(&mended).await;
    // then
    assert_eq!(words(&outcomes), ["applied", "applied", "applied"]);
    assert_eq!(effects(peer, ["a", "b", "c"]).await, [1, 1, 1]);
}

/// A flow that stops drops the write it is waiting for, at any point.
pub async fn an_abandoned_write_can_be_repeated(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let ids: Vec<_> = (0..20).map(|number| format!("m{number}")).collect();
    for id in &ids {
        let messages = batch(peer, &[id]);
        let mut write = sink.write(&messages);
        // when it is abandoned the first time it has to wait for the peer
        let first =
            std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context))).await;
        assert!(first.is_pending() || peer.effects(id).await == 1);
    }
    // then
    until_done(peer, &*sink, &ids).await;
    if peer.effect() != Effect::Plain {
        for id in &ids {
            assert_eq!(peer.effects(id).await, 1, "{id}");
        }
    }
}

/// Nothing is said to be done that is not, the remedy is one that waits, and the sink mends itself.
pub async fn while_the_peer_is_away_nothing_is_applied_and_then_it_goes_on(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    assert_eq!(words(&sink.write(&batch(peer, &["a"])).await), ["applied"]);
    // when
    peer.leave().await;
    for _ in 0..3 {
        let outcomes = sink.write(&batch(peer, &["b", "c"])).await;
        // then
        assert_eq!(outcomes.len(), 2);
        for outcome in &outcomes {
            assert!(!is_applied(outcome), "{outcome:?}");
            assert!(
                matches!(
                    remedy(outcome),
                    Some(Remedy::Reopen | Remedy::Retry | Remedy::Wait)
                ),
                "{outcome:?}"
            );
        }
    }
    assert_eq!(effects(peer, ["b", "c"]).await, [0, 0]);
    // when
    peer.come_back().await;
    // then
    until_done(peer, &*sink, &["b".to_owned(), "c".to_owned()]).await;
    assert_eq!(effects(peer, ["a", "b", "c"]).await, [1, 1, 1]);
}

/// The answer to a commit may be what is lost: the repeat must find what was done.
pub async fn a_connection_lost_at_any_moment_loses_and_repeats_nothing(peer: &dyn SinkPeer) {
    if !matches!(peer.effect(), Effect::Transactional | Effect::Idempotent) {
        // What is in doubt is the flow's to decide.
        return;
    }
    // given
    let sink = peer.sink("orders").await;
    let ids: Vec<_> = (0..400).map(|number| format!("m{number}")).collect();
    let written = watch::Sender::new(0);
    let write = async {
        for ids in ids.chunks(10) {
            until_done(peer, &*sink, ids).await;
            written.send_modify(|chunks| *chunks += 1);
        }
    };
    let disturb = async {
        let mut progress = written.subscribe();
        for fault in 0.. {
            // A chunk passes between two faults, and each fault comes a little later in the life of a write.
            let passed = progress.wait_for(|chunks| *chunks > fault).await.is_ok();
            assert!(passed, "its sender is in this function");
            for _ in 0..fault % 8 {
                peer.effects("m0").await;
            }
            peer.leave().await;
            peer.come_back().await;
        }
    };
    // when
    tokio::select! {
        () = write => {}
        () = disturb => {}
    }
    peer.come_back().await;
    // then
    for id in &ids {
        assert_eq!(peer.effects(id).await, 1, "{id}");
    }
}

/// Neither when it refuses a message nor when it is away.
pub async fn no_fault_shows_a_secret_or_a_value(peer: &dyn SinkPeer) {
    // given
    let sink = peer.sink("orders").await;
    let mut outcomes = sink
        .write(&[whole("a", peer.refused("a")), whole("b", peer.refused("b"))])
        .await;
    // when
    peer.leave().await;
    outcomes.extend(sink.write(&batch(peer, &["c"])).await);
    peer.come_back().await;
    // then
    let faults: Vec<_> = outcomes.iter().filter_map(fault).collect();
    assert_eq!(faults.len(), 3);
    for fault in faults {
        let said = fault.to_string();
        assert!(!said.contains(PRIVATE), "a value is shown: {said}");
        let mut all = format!("{said} {fault:?}");
        let mut source = fault.source();
        while let Some(error) = source {
            all.push_str(&error.to_string());
            source = error.source();
        }
        for secret in peer.secrets() {
            assert!(!all.contains(&secret), "a secret is shown: {said}");
        }
    }
}

/// Writes until every message is done, as a flow does; returns the ids that were applied, not already there.
async fn until_done(peer: &dyn SinkPeer, sink: &dyn Sink, ids: &[String]) -> BTreeSet<String> {
    let mut applied = BTreeSet::new();
    let mut left = ids.to_vec();
    // Each try waits for the peer or for a connection, so many of them are no busy loop.
    for _ in 0..2_000 {
        let outcomes = sink.write(&batch(peer, &left)).await;
        assert_eq!(outcomes.len(), left.len());
        let mut again = Vec::new();
        for (id, outcome) in left.into_iter().zip(outcomes) {
            match (&outcome, remedy(&outcome)) {
                (Outcome::Applied(_), _) => assert!(applied.insert(id)),
                (Outcome::AlreadyThere(_), _) => {}
                (_, Some(Remedy::Reopen | Remedy::Retry | Remedy::Wait)) => again.push(id),
                _ => panic!("{id}: {outcome:?}"),
            }
        }
        left = again;
        if left.is_empty() {
            return applied;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} messages could not be applied", left.len());
}

fn batch(peer: &dyn SinkPeer, ids: &[impl AsRef<str>]) -> Vec<Delivered> {
    ids.iter()
        .map(|id| whole(id.as_ref(), peer.accepted(id.as_ref())))
        .collect()
}

/// A message that was not split.
fn whole(id: &str, record: Record) -> Delivered {
    part(id, id, record)
}

fn part(unit: &str, id: &str, record: Record) -> Delivered {
    Delivered {
        record,
        context: Context {
            message_id: id.to_owned(),
            unit: unit.to_owned(),
            attempt: 1,
        },
    }
}

async fn effects<const N: usize>(peer: &dyn SinkPeer, ids: [&str; N]) -> [usize; N] {
    let mut counts = [0; N];
    for (count, id) in counts.iter_mut().zip(ids) {
        *count = peer.effects(id).await;
    }
    counts
}

fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::AlreadyThere(_) => "repeat",
        Outcome::Rejected(_) => "rejected",
        Outcome::InDoubt(_) => "in doubt",
        Outcome::NotTried(_) => "not tried",
    };
    outcomes.iter().map(word).collect()
}

fn fault(outcome: &Outcome) -> Option<&Fault> {
    match outcome {
        Outcome::Applied(_) | Outcome::AlreadyThere(_) => None,
        Outcome::Rejected(fault) | Outcome::InDoubt(fault) | Outcome::NotTried(fault) => Some(fault),
    }
}

fn remedy(outcome: &Outcome) -> Option<Remedy> {
    fault(outcome).map(|fault| fault.remedy)
}

fn is_applied(outcome: &Outcome) -> bool {
    fault(outcome).is_none()
}

//! The sentences a source must make true.
//!
//! An adapter implements [`SourcePeer`] over a real peer (a folder, a server, a client that posts) and says
//! `trunkline_sdk::source_contract!(FolderPeer::new())` in its `tests/contract.rs`: one test per sentence, each
//! with a peer of its own. A push source, which cannot go back, says `resumes` = false; the sentences about
//! positions are then empty, and one about senders who send again takes their place.
//!
//! Not proved here: that a record's body and attributes are right, and what the adapter's options do.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    Desk,
    running::{Running, ids, quiet},
};
use crate::{Record, Source};

/// A source that was asked to stop has this long to finish what it sent and to return.
pub const GRACE: Duration = Duration::from_secs(5);

/// The real system that a source reads from, in a test's hand; a new one for each sentence.
#[async_trait]
pub trait SourcePeer: Send {
    /// Has so many new records ready: drops a file, inserts rows, begins to post. Does not wait until the source
    /// has taken them; a sender that is refused sends again until it is told that the record is safe.
    async fn offer(&mut self, records: usize);

    /// A source as a new process would open it. The one before was stopped or has crashed.
    async fn open(&mut self) -> Box<dyn Source>;

    /// Whether the source goes on behind a position. False: it cannot go back, its senders send again.
    fn resumes(&self) -> bool {
        true
    }

    /// Of how many offered records the peer knows that they are safe: answered 2xx, in a file that was moved
    /// to `done`. `None`: this peer is never told.
    async fn told(&mut self) -> Option<usize> {
        None
    }

    /// The most records that the source may hold without a receipt.
    fn most_in_flight(&self) -> usize {
        512
    }

    /// Texts that must be seen nowhere: the secrets among the settings.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Breaks the peer so that a source which runs faults (access taken away, folder gone). False: cannot.
    async fn spoil(&mut self) -> bool {
        false
    }
}

/// Yields a module `source_contract` with one test per sentence, each with a peer of its own.
#[macro_export]
macro_rules! source_contract {
    ($peer:expr) => {
        $crate::source_contract! { $peer =>
            sends_each_record_once_under_its_own_id
            resumes_behind_its_position_and_repeats_nothing
            skips_nothing_when_it_crashes_between_two_records
            repeats_under_the_same_ids_when_no_position_was_stored
            repeats_under_the_same_id_when_a_confirm_was_lost
            tells_the_peer_only_after_the_receipt
            waits_while_the_bus_is_away_and_loses_nothing
            goes_on_behind_a_parked_record
            stops_within_its_grace
            stops_within_its_grace_while_the_bus_is_away
            holds_few_records_while_the_bus_is_away
            shows_no_secret
        }
    };
    ($peer:expr => $($sentence:ident)*) => {
        mod source_contract {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;
            $(
                #[tokio::test]
                async fn $sentence() {
                    $crate::contract::source::$sentence($peer).await;
                }
            )*
        }
    };
}

/// What was offered arrives, all of it, none of it twice, each record under an id of its own.
pub async fn sends_each_record_once_under_its_own_id(mut peer: impl SourcePeer) {
    // given
    let desk = Desk::default();
    peer.offer(40).await;
    // when
    let mut running = Running::start(&mut peer, &desk, None).await;
    running.wait_for(40).await;
    running.stop().await;
    // then
    let accepted = desk.accepted();
    assert_eq!(accepted.len(), 40);
    assert_eq!(ids(&accepted).len(), 40, "two records have the same id");
    let has_position = |record: &Record| record.position.is_some();
    assert!(
        accepted
            .iter()
            .all(|record| has_position(record) == peer.resumes()),
        "a source that resumes gives every record its position, and no other does"
    );
}

/// Stopped, and started again at the position that was stored: it goes on with what is new.
pub async fn resumes_behind_its_position_and_repeats_nothing(mut peer: impl SourcePeer) {
    if !peer.resumes() {
        return;
    }
    // given
    let before = Desk::default();
    peer.offer(20).await;
    let mut running = Running::start(&mut peer, &before, None).await;
    running.wait_for(20).await;
    running.stop().await;
    let position = before.safe_position();
    assert!(position.is_some());
    // when
    peer.offer(20).await;
    let after = Desk::default();
    let mut running = Running::start(&mut peer, &after, position).await;
    running.wait_for(20).await;
    running.stop().await;
    // then
    assert_eq!(after.accepted().len(), 20);
    let all = &ids(&before.accepted()) | &ids(&after.accepted());
    assert_eq!(all.len(), 40, "a record came twice");
}

/// Killed in the middle, and started at the last safe record: the rest comes, and the rest only.
pub async fn skips_nothing_when_it_crashes_between_two_records(mut peer: impl SourcePeer) {
    if !peer.resumes() {
        return;
    }
    // given
    let before = Desk::default();
    before.close_after(13);
    peer.offer(40).await;
    let mut running = Running::start(&mut peer, &before, None).await;
    running.wait_for(13).await;
    running.crash().await;
    // when
    let after = Desk::default();
    let mut running = Running::start(&mut peer, &after, before.safe_position()).await;
    running.wait_for(27).await;
    running.stop().await;
    // then
    assert_eq!(after.accepted().len(), 27);
    let all = &ids(&before.accepted()) | &ids(&after.accepted());
    assert_eq!(all.len(), 40, "a record was skipped or came under another id");
}

/// Killed after the confirm, before the position was stored: what comes again has the id it had.
pub async fn repeats_under_the_same_ids_when_no_position_was_stored(mut peer: impl SourcePeer) {
    if !peer.resumes() {
        return;
    }
    // given
    let before = Desk::default();
    before.close_after(30);
    peer.offer(40).await;
    let mut running = Running::start(&mut peer, &before, None).await;
    running.wait_for(30).await;
    running.crash().await;
    let before = before.accepted();
    for (stored, again) in [(None, 40), (before[9].position.clone(), 30)] {
        // when: killed again before the end, so that the peer is told of nothing in between
        let after = Desk::default();
        after.close_after(again - 1);
        let mut running = Running::start(&mut peer, &after, stored).await;
        running.wait_for(again - 1).await;
        running.crash().await;
        // then
        let after = ids(&after.accepted());
        let repeated: Vec<_> = before[40 - again..].iter().map(|record| &record.id).collect();
        assert!(
            repeated.iter().all(|id| after.contains(*id)),
            "a record came again under another id"
        );
        assert_eq!(after.len(), again - 1);
    }
}

/// The bus has it, but the source could not know: the sender sends again, under the same id.
pub async fn repeats_under_the_same_id_when_a_confirm_was_lost(mut peer: impl SourcePeer) {
    if peer.resumes() {
        return;
    }
    // given
    let desk = Desk::default();
    desk.lose_confirms(3);
    // when
    let mut running = Running::start(&mut peer, &desk, None).await;
    peer.offer(10).await;
    running.wait_for(13).await;
    running.wait_until_told(&mut peer, 10).await;
    running.stop().await;
    // then
    let accepted = desk.accepted();
    assert_eq!(accepted.len(), 13);
    assert_eq!(ids(&accepted).len(), 10, "a record came again under another id");
}

/// No 2xx, no renamed file, no advanced cursor before the bus has it; and then they do come.
pub async fn tells_the_peer_only_after_the_receipt(mut peer: impl SourcePeer) {
    if peer.told().await.is_none() {
        return;
    }
    // given
    let desk = Desk::default();
    desk.close();
    let mut running = Running::start(&mut peer, &desk, None).await;
    peer.offer(20).await;
    running.wait_for_waiting().await;
    quiet(&desk).await;
    assert_eq!(peer.told().await, Some(0), "the peer was told too early");
    // when
    desk.open();
    // then
    running.wait_for(20).await;
    running.wait_until_told(&mut peer, 20).await;
    running.stop().await;
}

/// The bus goes away in the middle and comes back: everything arrives, in its order where it has one.
pub async fn waits_while_the_bus_is_away_and_loses_nothing(mut peer: impl SourcePeer) {
    // given
    let desk = Desk::default();
    peer.offer(20).await;
    let mut running = Running::start(&mut peer, &desk, None).await;
    running.wait_for(20).await;
    desk.close();
    peer.offer(20).await;
    running.wait_for_waiting().await;
    // when
    desk.open();
    // then
    running.wait_for_ids(40).await;
    running.stop().await;
    assert_eq!(ids(&desk.accepted()).len(), 40);
}

/// A record that cannot be mapped is parked, and is done with: those behind it come, and the peer is told.
pub async fn goes_on_behind_a_parked_record(mut peer: impl SourcePeer) {
    // given
    let desk = Desk::default();
    desk.park(|record| record.id.bytes().map(u32::from).sum::<u32>() % 2 == 0);
    // when
    peer.offer(40).await;
    let mut running = Running::start(&mut peer, &desk, None).await;
    // then
    running.wait_for(40).await;
    running.wait_until_told(&mut peer, 40).await;
    running.stop().await;
    assert_eq!(desk.accepted().len(), 40);
}

/// Asked to stop, it returns `Ok` within [`GRACE`], idle or not.
pub async fn stops_within_its_grace(mut peer: impl SourcePeer) {
    // given
    let desk = Desk::default();
    let mut running = Running::start(&mut peer, &desk, None).await;
    peer.offer(10).await;
    running.wait_for(10).await;
    // when, then
    running.stop().await;
}

/// As before while nothing is confirmed; what was not safe comes again at the next start.
pub async fn stops_within_its_grace_while_the_bus_is_away(mut peer: impl SourcePeer) {
    // given
    let away = Desk::default();
    away.close();
    let running = Running::start(&mut peer, &away, None).await;
    peer.offer(20).await;
    running.wait_for_waiting().await;
    // when
    running.stop().await;
    // then
    assert_eq!(away.accepted().len(), 0);
    assert!(
        matches!(peer.told().await, None | Some(0)),
        "the peer was told of records that are not safe"
    );
    let desk = Desk::default();
    let mut running = Running::start(&mut peer, &desk, None).await;
    running.wait_for_ids(20).await;
    running.stop().await;
}

/// However much there is to read, while the bus is away only so many records are held.
pub async fn holds_few_records_while_the_bus_is_away(mut peer: impl SourcePeer) {
    // given
    let most = peer.most_in_flight();
    let desk = Desk::default();
    desk.close();
    peer.offer(3 * most).await;
    // when
    let mut running = Running::start(&mut peer, &desk, None).await;
    running.wait_for_waiting().await;
    let held = quiet(&desk).await;
    // then
    assert!(held <= most, "holds {held} records, more than {most}");
    desk.open();
    running.wait_for_ids(3 * most).await;
    running.stop().await;
}

/// Neither records nor faults show a secret; a fault speaks in the house's voice.
pub async fn shows_no_secret(mut peer: impl SourcePeer) {
    // given
    let secrets = peer.secrets();
    let check = |shown: &str| {
        assert!(
            !secrets.iter().any(|secret| shown.contains(secret)),
            "a secret is shown"
        );
    };
    let desk = Desk::default();
    let mut running = Running::start(&mut peer, &desk, None).await;
    peer.offer(5).await;
    for record in running.wait_for(5).await {
        check(&format!("{record:?}"));
    }
    // when
    if !peer.spoil().await {
        running.stop().await;
        return;
    }
    let fault = running.fault().await;
    // then
    check(&format!("{fault} {fault:?}"));
    let first = fault.what.chars().next();
    assert!(
        first.is_some_and(|first| !first.is_uppercase()) && !fault.what.ends_with('.'),
        "a fault is lower-case and has no full stop: {fault}"
    );
}

//! What a source remembers is stored with what it published.

use bytes::Bytes;
use trunkline::{
    bus::{Hop, StateKey},
    names::SystemName,
};

use crate::{
    scene::{complete, flow, opened, order, reopened, to},
    subject::Subject,
};

fn key(flow_name: &str) -> StateKey {
    StateKey::position(&SystemName::new("shop").unwrap(), &flow(flow_name))
}

fn hop(channel_name: &str, id: &str, state: &'static [u8]) -> Hop {
    Hop {
        inputs: Vec::new(),
        outputs: vec![to(channel_name, order(id))],
        state: Some((key("orders-in"), Bytes::from_static(state))),
    }
}

pub(crate) async fn state_is_stored_with_its_hop_and_outlives_reopening<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    assert_eq!(bus.state(&key("orders-in")).await.expect("it can be read"), None);
    // when
    for (id, state) in [("m-1", &b"17"[..]), ("m-2", b"18\x00\xff")] {
        complete(&*bus, hop("audit", id, state))
            .await
            .expect("it is done");
    }
    // then
    let last = Some(Bytes::from_static(b"18\x00\xff"));
    assert_eq!(bus.state(&key("orders-in")).await.expect("it can be read"), last);
    assert_eq!(bus.state(&key("others-in")).await.expect("it can be read"), None);
    let bus = reopened(&place, bus).await;
    assert_eq!(bus.state(&key("orders-in")).await.expect("it can be read"), last);
    bus.close().await;
}

pub(crate) async fn a_refused_hop_stores_no_state<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    complete(&*bus, hop("audit", "m-1", b"17"))
        .await
        .expect("it is done");
    // when
    let refused = complete(&*bus, hop("void", "m-2", b"18"))
        .await
        .expect_err("nothing reads `void`");
    // then
    assert_eq!(refused.hop.state, hop("void", "m-2", b"18").state);
    let stored = bus.state(&key("orders-in")).await.expect("it can be read");
    assert_eq!(stored, Some(Bytes::from_static(b"17")));
    bus.close().await;
}

//! A system that does not say whether it took a message: it is parked, or written again, as the flow says.

use trunkline_sdk::{Fault, Outcome};

use crate::{
    house::House,
    messages::moved,
    on_bus::{drained, queue},
    scripted::Scripted,
    subject::Subject,
};

fn tell(in_doubt: &str) -> String {
    format!("flow: tell\nfrom: moves\nto: {{ system: peer, in_doubt: {in_doubt} }}\n")
}

/// A system whose answer to the message `m-2` is lost the first time.
fn forgetful() -> &'static Scripted {
    Scripted::new(|delivered, times| {
        if delivered.context.message_id == "m-2" && times == 1 {
            return Outcome::InDoubt(Fault::retry("the answer was lost"));
        }
        Outcome::Applied(None)
    })
}

pub(crate) async fn a_message_in_doubt_is_parked_where_the_flow_says_so_and_not_written_again<S: Subject>() {
    // given
    let peer = forgetful();
    let mut house = House::<S>::built_with(&[&tell("park")], peer).await;
    house.run().await;
    // when
    house.publish("moves", ["1", "2", "3"].map(moved)).await;
    // then
    let parked = house.parked(&queue("moves", "tell"), 1).await.remove(0);
    assert_eq!(parked.message.id.as_str(), "m-2");
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "peer");
    assert!(
        cause.what.starts_with("in doubt whether it was applied"),
        "{cause:?}"
    );
    house.until_counts("tell", |counts| counts.delivered == 2).await;
    assert_eq!(peer.written().iter().filter(|id| *id == "m-2").count(), 1);
    house.end().await;
}

pub(crate) async fn a_message_in_doubt_is_written_again_where_the_flow_says_so<S: Subject>() {
    // given
    let peer = forgetful();
    let mut house = House::<S>::built_with(&[&tell("repeat")], peer).await;
    house.run().await;
    // when
    house.publish("moves", ["1", "2", "3"].map(moved)).await;
    // then
    house.until_counts("tell", |counts| counts.delivered == 3).await;
    drained(&*house.bus, &queue("moves", "tell")).await;
    assert_eq!(house.counts("tell").retried, 0, "it is no attempt");
    assert_eq!(peer.written().iter().filter(|id| *id == "m-2").count(), 2);
    house.end().await;
}

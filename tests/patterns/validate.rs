//! What enters the bus obeys the rules of its type, be it of the model or of the landscape's own.

use trunkline::message::Content;

use crate::{
    house::{House, inbound},
    messages::{canonical, id},
    on_bus::queue,
    subject::Subject,
};

const REPAIR: &str = "acme.v1.Repair";

const TAKE: &str = r#"
flow: take
from: { system: drop, pattern: "*.jsonl", poll: 10ms }
steps:
  - translate: |
      Repair{
        repair_id: string(this.id), owner_email: this.mail, state: "OPEN",
        parts: this.parts.map(part, Part{ part_id: part.id, quantity: uint(part.n) }),
        taken_at: timestamp(this.taken), ready_at: timestamp(this.ready),
      }
to: repairs
"#;

const PICK: &str = r#"
flow: pick
from: repairs
steps:
  - filter: this.state == "OPEN" && this.owner_email.endsWith("@acme.example")
  - split: { each: this.parts, as: part, emit: "acme.v1.Part{ part_id: part.part_id, quantity: part.quantity }" }
  - route:
      - { when: this.quantity > 1, to: parts }
      - { otherwise: single-parts }
"#;

const BOOK: &str = r#"
flow: book
from: parts
to: { system: erp, statement: "INSERT INTO orders (order_id) VALUES (:part_id)" }
"#;

/// A record of a repair; `parts` are id and number.
fn record(id: &str, mail: &str, parts: &[(&str, u32)], ready: &str) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|(id, n)| format!("{{\"id\": \"{id}\", \"n\": {n}}}"))
        .collect();
    format!(
        "{{\"id\": \"{id}\", \"mail\": \"{mail}\", \"parts\": [{}], \"taken\": \"2026-11-25T10:00:00Z\", \"ready\": \
         \"{ready}\"}}\n",
        parts.join(", ")
    )
}

const READY: &str = "2026-11-26T10:00:00Z";

pub(crate) async fn a_type_of_the_landscapes_own_goes_all_the_way<S: Subject>() {
    // given
    let house = House::<S>::running(&[TAKE, PICK, BOOK]).await;
    // when
    let good = record("r1", "ana@acme.example", &[("BOLT", 2), ("NUT", 1)], READY);
    let strange = record("r2", "bo@other.example", &[("CAP", 5)], READY);
    house.drop_file("a.jsonl", &[good, strange].concat());
    // then it is on its channel, filtered, split, routed and written
    let repairs = house.take("repairs", 2).await;
    for repair in &repairs {
        assert!(
            matches!(&repair.content, Content::Canonical { type_name, .. } if type_name.as_str() == REPAIR),
            "{repair:?}"
        );
    }
    let part = house.take("parts", 1).await.remove(0);
    assert_eq!(
        part.content,
        canonical("acme.v1.Part", &b"\x0a\x04BOLT\x10\x02"[..])
    );
    let single = house.take("single-parts", 1).await.remove(0);
    assert_eq!(
        single.content,
        canonical("acme.v1.Part", &b"\x0a\x03NUT\x10\x01"[..])
    );
    house
        .until_number("SELECT count(*) FROM orders WHERE order_id = 'BOLT'", 1)
        .await;
    assert_eq!(house.counts("pick").filtered.values().sum::<u64>(), 1);
    house.end().await;
}

pub(crate) async fn a_record_that_breaks_rules_is_parked_with_all_it_breaks<S: Subject>() {
    // given
    let house = House::<S>::running(&[TAKE]).await;
    // when
    let wrong = record(
        "r-much-too-long",
        "nobody",
        &[("BOLT", 1), ("nut", 0)],
        "2026-11-24T10:00:00Z",
    );
    let good = record("r1", "ana@acme.example", &[], READY);
    house.drop_file("a.jsonl", &[wrong.clone(), good].concat());
    // then
    house.take("repairs", 1).await;
    let parked = house.parked(&inbound("drop", "take"), 1).await.remove(0);
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "validate");
    assert_eq!(
        cause.what,
        "parts[1].part_id: must match `^[A-Z]+$`; parts[1].quantity: must be greater than 0 and at most 100; repair_id: \
         must have at most 10 characters; owner_email: must be an e-mail address; must be ready after it was taken"
    );
    // and the report tells them apart
    let counts = house.counts("take");
    let broken: Vec<_> = counts
        .broken
        .iter()
        .map(|(rule, times)| format!("{rule} {times}"))
        .collect();
    assert_eq!(
        broken,
        [
            "message: ready_after_taken 1",
            "owner_email: string.email 1",
            "parts[].part_id: string.pattern 1",
            "parts[].quantity: uint32.gt_lte 1",
            "repair_id: string.max_len 1"
        ]
    );
    house.nothing_in("repairs").await;
    house.end().await;
}

pub(crate) async fn a_message_that_a_flow_makes_of_another_obeys_the_rules_too<S: Subject>() {
    // given a message of others, which this flow does not change, but whose parts it makes
    let house = House::<S>::running(&[PICK]).await;
    let lax = b"\x12\x0eo@acme.example\x18\x01\x22\x05\x0a\x01x\x10\x01";
    // when
    let message = |text| {
        trunkline::message::Message::new(
            id(text),
            "/others",
            "2026-11-25T13:00:00Z".parse().unwrap(),
            canonical(REPAIR, &lax[..]),
        )
    };
    house.publish("repairs", [message("1")]).await;
    // then
    let parked = house.parked(&queue("repairs", "pick"), 1).await.remove(0);
    let cause = parked.cause.unwrap();
    assert_eq!(
        (cause.step.as_str(), cause.what.as_str()),
        ("validate", "part_id: must match `^[A-Z]+$`")
    );
    house.end().await;
}

pub(crate) async fn what_others_publish_is_held_against_the_rules_where_the_channel_says_so<S: Subject>() {
    // given
    let house = House::<S>::running(&["flow: pass\nfrom: checked\nto: repairs\n"]).await;
    // when
    let message = |text, bytes: &'static [u8]| {
        trunkline::message::Message::new(
            id(text),
            "/others",
            "2026-11-25T13:00:00Z".parse().unwrap(),
            canonical(REPAIR, bytes),
        )
    };
    let wrong = message("1", b"\x12\x01o");
    let broken = message("2", b"\x0a\x09");
    let right = message("3", b"\x0a\x021x\x12\x03o@b");
    house.publish("checked", [wrong, broken, right.clone()]).await;
    // then
    assert_eq!(house.take("repairs", 1).await, [right]);
    let parked = house.parked(&queue("checked", "pass"), 2).await;
    let mut told: Vec<_> = parked
        .into_iter()
        .map(|parked| parked.cause.unwrap())
        .map(|cause| format!("{}: {}", cause.step, cause.what))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "receive: repair_id: is required, but not set; owner_email: must be an e-mail address",
            "receive: the message cannot be read: the message ends in the middle of a field"
        ]
    );
    house.end().await;
}

//! `trunkline quality`: which rules the records of a source broke, once the process has ended.

use std::time::{Duration, Instant};

use crate::scene::Scene;

/// An order as the shop tells it; `mail` may be wrong.
fn order(id: u32, mail: &str, country: &str) -> String {
    format!(
        "{{\"id\": {id}, \"name\": \"#{id}\", \"created_at\": \"2026-11-25T12:00:00+01:00\", \"currency\": \"DKK\", \
         \"financial_status\": \"paid\", \"subtotal_price\": \"99.00\", \"total_tax\": \"19.80\", \"total_price\": \
         \"99.00\", \"customer\": {{\"id\": 7, \"email\": \"{mail}\"}}, \"shipping_address\": {{\"name\": \"Ann\", \
         \"address1\": \"Havnegade 1\", \"city\": \"Aarhus\", \"zip\": \"8000\", \"country_code\": \"{country}\"}}, \
         \"line_items\": [{{\"id\": 1, \"sku\": \"TEA-GREEN\", \"title\": \"Green tea\", \"quantity\": 2, \"price\": \
         \"49.50\"}}]}}\n"
    )
}

#[tokio::test]
async fn what_a_source_sent_is_told_when_it_ends_and_kept() {
    // given
    let scene = Scene::shop();
    let orders = [
        order(1, "ann@example.com", "DK"),
        order(2, "nobody", "DK"),
        order(3, "nobody", "Denmark"),
    ];
    std::fs::write(scene.home().join("drop/day.jsonl"), orders.concat()).expect("there is room");
    // when
    let process = scene.start(&[]);
    let done = scene.home().join("drop/done/day.jsonl");
    let began = Instant::now();
    while !done.is_file() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the file is not put away"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then
    assert!(status.success(), "{said}");
    assert!(said.contains("what was read"), "{said}");
    assert!(said.contains("buyer.email: string.email"), "{said}");
    let (code, told, talk) = scene.command(&["quality", "--source", "drop"], &[]).await;
    assert_eq!(code, Some(0), "{talk}");
    let (first, rules) = told.split_once('\n').expect("it has lines");
    assert!(
        first.starts_with("drop (orders-from-files): 3 records in 1 run since 20"),
        "{told}"
    );
    assert!(first.ends_with(": 1 published, 0 filtered, 2 parked"), "{told}");
    assert_eq!(
        rules,
        "       2  buyer.email: string.email\n       1  ship_to.country_code: string.pattern\n"
    );
    assert!(
        !told.contains("nobody") && !said.contains("nobody"),
        "{told}{said}"
    );
    // as JSON, and of the other source nothing yet
    let (_, json, _) = scene.command(&["quality", "--json"], &[]).await;
    let rows: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let of = |source: &str| {
        let rows = rows.as_array().expect("it is an array").iter();
        rows.clone()
            .find(|row| row["source"] == source)
            .expect("it is a source")
    };
    assert_eq!(of("drop")["runs"][0]["broken"]["buyer.email: string.email"], 2);
    assert_eq!(of("shop")["runs"], serde_json::json!([]));
    let (code, _, talk) = scene.command(&["quality", "--source", "dorp"], &[]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("did you mean `drop`?"), "{talk}");
}

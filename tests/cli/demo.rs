//! The demo, from its first word to its last, and what it leaves to look at.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::process::output;

#[tokio::test]
async fn two_hundred_orders_end_in_a_summary_that_adds_up() {
    // given
    let folder = TempDir::new().expect("there is a place for temporary files");
    let home = folder.path().join("demo");
    let home = home.to_str().expect("the path is text");
    // when
    let began = Instant::now();
    let (code, data, talk) = output(&["demo", "--folder", home], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(
        data,
        r#"Accepted     164  by webhook, each with 200 after the bus had it
              40  as lines of a file
Refused        4  with 401: the signature is not the shop's
Filtered      20  by route-orders: this.status == "PAID"
Filtered      20  by stock: this.status == "PAID"
Picked        57  domestic
Picked        55  eu
Picked        56  export
Parked         1  by orders-in: the record is no JSON: line 1, column 283: expected a value
Parked         1  by orders-in: the record is no JSON: line 1, column 332: expected `"` at the end of the text
Parked         2  by orders-in: the record is no JSON: line 1, column 377: expected a value, but the text ends
Parked         4  by orders-in: total: a text of 5 characters is no decimal amount with at most 9 decimals (maps/shop-order.cel:27:17)
Parked         4  by stock: the statement changed 0 rows, expected 1

Stock         before    sold   after
  CUP-WHITE    10000      97    9903
  POT-IRON     10000     123    9877
  TEA-BLACK    10000     158    9842
  TEA-GREEN    10000     149    9851
  TEA-MINT     10000     126    9874
  counted again from the orders: exactly right, though some came twice
"#
    );
    assert!(
        talk.starts_with(&format!("The example shop, in {home}\n")),
        "{talk}"
    );
    assert!(
        talk.contains(&format!(
            "\n  trunkline dead-letters list {home}  the parked orders\n"
        )),
        "{talk}"
    );
    what_was_parked_is_listed(home).await;
}

/// As the demo's last words propose.
async fn what_was_parked_is_listed(home: &str) {
    // when
    let (code, data, talk) = output(&["dead-letters", "list", home], &[]).await;
    // then each parked message has its queue, its id and its cause
    assert_eq!((code, talk.as_str()), (Some(0), "12 messages parked\n"));
    let queues: Vec<_> = data
        .lines()
        .map(|line| line.split("  ").next().unwrap_or_default())
        .collect();
    assert_eq!(queues[..8], ["shop.orders-in.dead"; 8]);
    assert_eq!(queues[8..], ["orders.stock.dead"; 4]);
    assert_eq!(
        data.matches("  erp: the statement changed 0 rows, expected 1\n")
            .count(),
        4,
        "{data}"
    );
    // when it is asked for as JSON, then it is the same, with what a person needs to act
    let (code, json, _) = output(&["dead-letters", "list", home, "--json"], &[]).await;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((code, rows.len()), (Some(0), 12));
    for (row, line) in rows.iter().zip(data.lines()) {
        let field = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("`{name}` in {row}"));
        let shown = format!(
            "{}  {}  {}: {}",
            field("queue"),
            field("message_id"),
            field("step"),
            field("what")
        );
        assert_eq!(shown, line);
        assert!(field("at").parse::<jiff::Timestamp>().is_ok(), "{row}");
        assert!(row["flow"].is_string(), "{row}");
    }
}

#[tokio::test]
async fn one_order_is_enough_and_a_folder_is_used_once() {
    let folder = TempDir::new().expect("there is a place for temporary files");
    let home = folder.path().join("demo");
    let home = home.to_str().expect("the path is text");
    let (code, data, _) = output(&["demo", "--orders", "1", "--folder", home], &[]).await;
    assert_eq!(code, Some(0));
    assert!(data.starts_with("Accepted       1  by webhook"), "{data}");
    assert!(
        data.ends_with("  counted again from the orders: exactly right\n"),
        "{data}"
    );
    let (code, data, talk) = output(&["demo", "--folder", home], &[]).await;
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert_eq!(
        talk,
        format!("error: `{home}` exists already\n  = hint: name a new folder\n")
    );
}

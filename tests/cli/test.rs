//! The tests of a landscape, as the people who write them see them.

use std::fs;

use crate::{scene::Scene, support::process::fed};

impl Scene {
    /// Replaces a text in one of its files.
    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let path = self.home().join(file);
        let text = fs::read_to_string(&path).expect("it was copied");
        assert!(text.contains(from), "`{from}` stands in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("the test may write there");
        self
    }
}

/// Without the time it took.
fn timeless(talk: &str) -> String {
    let (before, behind) = talk.rsplit_once(" (").expect("it ends with the time");
    assert!(behind.ends_with(" ms)\n"), "{talk}");
    before.to_owned()
}

#[tokio::test]
async fn the_tests_of_the_example_pass_and_are_told_by_name() {
    let (code, data, talk) = Scene::shop().command(&["test"], &[]).await;
    assert_eq!(code, Some(0), "{data}{talk}");
    assert_eq!(timeless(&talk), "9 tests: all as expected");
    assert_eq!(
        data,
        "\
ok    orders-in: a paid order keeps its number, its buyer and its prices to the cent
ok    orders-in: a quantity below zero is parked, with its place in the order
ok    orders-from-files: the files of the drop folder are read by the same mapping
ok    route-orders: a paid order to Denmark is picked here
ok    route-orders: a paid order to Sweden is an order within the EU
ok    route-orders: everything else is for export
ok    route-orders: an order that is not paid goes nowhere
ok    stock: each line of a paid order is a move of its own
ok    stock: an order without lines moves nothing
"
    );
}

#[tokio::test]
async fn tests_need_no_variable_and_open_nothing() {
    let scene = Scene::shop();
    scene.edit("${SHOP_SECRET:-try-me}", "${SHOP_SECRET}");
    scene.edit("${TRUNKLINE_BUS:-embedded:./data}", "${TRUNKLINE_BUS}");
    let (code, _, talk) = scene.command(&["test"], &[]).await;
    assert_eq!(code, Some(0), "{talk}");
    assert!(!scene.home().join("data").exists());
}

#[tokio::test]
async fn what_is_not_as_expected_is_told_field_by_field() {
    // given the mapping takes the wrong price, the route another country, and the stock all orders
    let scene = Scene::shop();
    scene
        .change(
            "maps/shop-order.cel",
            "money(line.price,",
            "money(this.total_price,",
        )
        .change("flows/route-orders.yaml", "\"SE\"", "\"NO\"")
        .change(
            "flows/stock.yaml",
            "quantity: line.quantity",
            "quantity: line.quantity + 1u",
        );
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(1));
    assert_eq!(timeless(&talk), "9 tests: 4 failed, 5 as expected");
    let failed: String = data
        .lines()
        .filter(|line| !line.starts_with("ok"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(
        failed,
        "\
FAIL  orders-in: a paid order keeps its number, its buyer and its prices to the cent  (tests/orders.yaml:5:11)
      orders[0].lines[0].unit_price
        expected  { currency_code: DKK, amount: 49.50 }
        got       { currency_code: DKK, amount: 106.45 }
      orders[0].lines[1].unit_price
        expected  { currency_code: DKK, amount: 7.45 }
        got       { currency_code: DKK, amount: 106.45 }
FAIL  route-orders: a paid order to Sweden is an order within the EU  (tests/routes.yaml:9:11)
      eu-orders
        expected  1 message
        got       nothing
      export-orders
        expected  nothing
        got       1 message
FAIL  route-orders: everything else is for export  (tests/routes.yaml:13:11)
      export-orders
        expected  1 message
        got       nothing
      eu-orders
        expected  nothing
        got       1 message
FAIL  stock: each line of a paid order is a move of its own  (tests/stock.yaml:5:11)
      erp[0].quantity
        expected  2
        got       3
      erp[1].quantity
        expected  1
        got       2
"
    );
    let (_, json, _) = scene.command(&["test", "--json"], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json[0]["passed"], false);
    assert_eq!(json[0]["differences"][0]["path"], "orders[0].lines[0].unit_price");
    assert_eq!(json[1]["passed"], true);
}

#[tokio::test]
async fn another_outcome_than_the_expected_is_told_as_it_was() {
    let scene = Scene::shop();
    fs::write(
        scene.home().join("tests/outcomes.yaml"),
        r##"flow: route-orders
tests:
  - test: expected a message, was filtered
    given: { message: { order_id: "1" } }
    expect: { messages: { eu-orders: { order_id: "1" } } }
  - test: expected nothing, was a message
    given: { message: { order_id: "1", status: PAID } }
    expect: nothing
  - test: expected a message, was a fault
    flow: orders-in
    given: { record: { id: 7 } }
    expect: { message: {} }
  - test: expected another fault
    flow: orders-in
    given: { record: { id: 7 } }
    expect: { fault: { path: lines, text: no such thing } }
  - test: a field that must not be set
    given: { message: { order_id: "1", status: PAID, ship_to: { country_code: DK } } }
    expect: { whole: true, messages: { domestic-orders: { order_id: "1", ship_to: ~ } } }
"##,
    )
    .expect("the test may write there");
    let (code, data, _) = scene.command(&["test"], &[]).await;
    assert_eq!(code, Some(1));
    for told in [
        "      expected  1 message to eu-orders\n      got       filtered by this.status == \"PAID\"\n",
        "      expected  nothing\n      got       1 message to export-orders\n",
        "      expected  1 message to orders\n      got       a fault of `translate`: placed_at: the record has no \
         `this.created_at` (maps/shop-order.cel:5:27); ",
        "      fault.text\n        expected  no such thing\n",
        "      domestic-orders[0].ship_to\n        expected  nothing\n        got       { country_code: \"DK\" }\n",
        "      domestic-orders[0].status\n        expected  nothing\n        got       PAID\n",
    ] {
        assert!(data.contains(told), "{told}: {data}");
    }
    assert!(!data.contains("fault.path"), "the path is right: {data}");
}

#[tokio::test]
async fn what_is_misspelt_in_a_test_is_told_with_its_place_and_nothing_runs() {
    // given
    let scene = Scene::shop();
    fs::write(
        scene.home().join("tests/misspelt.yaml"),
        r#"flow: stok
tests:
  - test: one
    flow: stock
    givn: { message: {} }
    expect: nothing
  - test: two
    flow: stock
    given: { message: { order_idd: "1", status: PAYD, lines: [{ quantity: two }] } }
    expect: { messages: { epr: [] } }
  - test: three
    flow: route-orders
    given: { record: {} }
    expect: { filtered: this.status == "PAYED" }
  - test: four
    flow: orders-in
    given: { file: tests/unpaid-order.json }
    expect: noting
"#,
    )
    .expect("the test may write there");
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!((code, data.as_str()), (Some(1), ""));
    for told in [
        "error: there is no flow `stok`\n  --> tests/misspelt.yaml:1:7\n",
        "error: unknown option `givn`\n  --> tests/misspelt.yaml:5:5\n",
        "error: trunkline.commerce.v1.Order has no field `order_idd`\n  --> tests/misspelt.yaml:9:25\n",
        "error: this is no value of enum trunkline.commerce.v1.OrderStatus\n  --> tests/misspelt.yaml:9:49\n",
        "did you mean `PAID`?",
        "error: is a text, but must be a whole number from 0 to 4294967295\n  --> tests/misspelt.yaml:9:75\n",
        "error: flow `stock` does not send to `epr`\n  --> tests/misspelt.yaml:10:27\n",
        "did you mean `erp`?",
        "error: flow `route-orders` reads channel `orders`, so it is given no record\n  --> tests/misspelt.yaml:13:14\n",
        "error: flow `route-orders` has no such filter\n  --> tests/misspelt.yaml:14:25\n",
        "error: `tests/unpaid-order.json` cannot be read: entity not found\n  --> tests/misspelt.yaml:17:20\n",
        "error: this is nothing that can be expected\n  --> tests/misspelt.yaml:18:13\n",
    ] {
        assert!(talk.contains(told), "{told}: {talk}");
    }
    let (code, _, checked) = scene.command(&["check"], &[]).await;
    assert_eq!((code, checked), (Some(1), talk));
}

#[tokio::test]
async fn a_flow_finds_the_references_that_its_test_gives_and_no_others() {
    // given the store of the landscape knows a customer, and the flow asks who it is
    let scene = Scene::shop();
    let set = ["xref", "set", "shop", "customer", "17", "c-of-the-store"];
    assert_eq!(scene.command(&set, &[]).await.0, Some(0));
    fs::write(
        scene.home().join("flows/stock.yaml"),
        r#"flow: stock
from: orders
steps:
  - translate: "StockMove{ order_id: this.order_id, quantity: 1u, sku:
      xref.findTo('erp', 'customer', xref('shop', 'customer', this.order_id)).orValue('new') }"
to: { system: erp, statement: UPDATE stock SET on_hand = :quantity WHERE sku = :sku }
"#,
    )
    .expect("the test may write there");
    fs::write(
        scene.home().join("tests/stock.yaml"),
        r#"flow: stock
tests:
  - test: both are known
    given:
      message: { order_id: "17", status: PAID }
      references:
        - { system: shop, kind: customer, id: 17, identity: c-1 }
        - { system: erp, kind: customer, id: K-0042, identity: c-1 }
        - { system: erp, kind: product, id: P-1, identity: c-1 }
    expect: { message: { sku: K-0042 } }
  - test: the erp does not know it
    given:
      message: { order_id: "17", status: PAID }
      references: [{ system: shop, kind: customer, id: "17", identity: c-1 }]
    expect: { message: { sku: new } }
  - test: the erp knows it twice
    given:
      message: { order_id: "17", status: PAID }
      references:
        - { system: shop, kind: customer, id: "17", identity: c-1 }
        - { system: erp, kind: customer, id: K-1, identity: c-1 }
        - { system: erp, kind: customer, id: K-2, identity: c-1 }
    expect: { fault: { step: translate } }
  - test: nobody knows it, whatever was given before and stands in the store
    given: { message: { order_id: "17", status: PAID } }
    expect: { fault: { step: translate } }
"#,
    )
    .expect("the test may write there");
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
    assert!(data.contains("ok    stock: nobody knows it"), "{data}");
}

#[tokio::test]
async fn a_reference_that_is_misspelt_is_told_with_its_place() {
    // given
    let scene = Scene::shop();
    fs::write(
        scene.home().join("tests/references.yaml"),
        r#"flow: stock
tests:
  - test: one
    given:
      message: {}
      references:
        - { system: shpo, kind: customer, id: "1", identity: c-1 }
        - { system: shop, kind: customer, id: "1", identiy: c-1 }
        - { system: erp, kind: customer, id: "1", identity: c-1 }
        - { system: erp, kind: customer, id: "1", identity: c-2 }
    expect: nothing
"#,
    )
    .expect("the test may write there");
    // when
    let (code, _, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(1));
    for told in [
        "error: there is no system `shpo`\n  --> tests/references.yaml:7:21\n",
        "did you mean `shop`?",
        "error: unknown option `identiy`\n  --> tests/references.yaml:8:52\n",
        "error: this id of this system and kind is given twice\n  --> tests/references.yaml:10:11\n",
    ] {
        assert!(talk.contains(told), "{told}: {talk}");
    }
}

#[tokio::test]
async fn a_time_without_a_zone_is_one_of_the_system_that_tells_it() {
    // given the shop is in Copenhagen, and the folder is not said to be anywhere
    let scene = Scene::shop();
    scene.edit(
        "SHOP_SECRET:-try-me}\" } } }",
        "SHOP_SECRET:-try-me}\" } }, time_zone: Europe/Copenhagen }",
    );
    let order = fs::read_to_string(scene.home().join("tests/paid-order.json")).expect("it was copied");
    let local = order.replace("2026-11-25T12:00:00+01:00", "2026-11-25 12:00:00");
    assert_ne!(local, order);
    fs::write(scene.home().join("tests/local.json"), local).expect("the test may write there");
    fs::write(
        scene.home().join("tests/zones.yaml"),
        r"tests:
  - test: noon in Copenhagen
    flow: orders-in
    given: { file: tests/local.json }
    expect: { message: { placed_at: 2026-11-25T11:00:00Z } }
  - test: noon nobody knows where
    flow: orders-from-files
    given: { file: tests/local.json }
    expect: { fault: { path: placed_at } }
",
    )
    .expect("the test may write there");
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
}

#[tokio::test]
async fn a_document_is_given_as_the_flow_reads_it() {
    // given one flow that reads elements of documents, and one that is sent whole ones
    let scene = Scene::shop();
    let write = |file: &str, text: &str| {
        fs::write(scene.home().join(file), text).expect("the test may write there");
    };
    scene.edit(
        "channels:\n",
        "channels:\n  moves: { type: trunkline.commerce.v1.StockMove, external: true }\n",
    );
    scene.edit("orders-from-files,", "orders-from-files, files, posts,");
    let mapping = "StockMove{ order_id: this['@id'], sku: this.Line[0], quantity: uint(size(this.Line)) }";
    write(
        "flows/files.yaml",
        &format!(
            "flow: files\nfrom: {{ system: drop, pattern: '*.xml', record: Orders/Order, lists: [Line] }}\n\
             steps:\n  - translate: \"{mapping}\"\nto: moves\n"
        ),
    );
    write(
        "flows/posts.yaml",
        &format!(
            "flow: posts\nfrom: {{ system: shop, path: /moves }}\nsteps:\n  - translate: \"{mapping}\"\nto: moves\n"
        ),
    );
    write(
        "tests/one.xml",
        "<Orders><Order id=\"7\"><Line>TEA</Line></Order></Orders>",
    );
    write(
        "tests/whole.xml",
        "<Order id=\"8\"><Line>TEA</Line><Line>CUP</Line></Order>",
    );
    write(
        "tests/documents.yaml",
        r#"tests:
  - test: one element
    flow: files
    given: { file: tests/one.xml }
    expect: { message: { order_id: "7", sku: TEA, quantity: 1 } }
  - test: a whole document
    flow: posts
    given: { file: tests/whole.xml }
    expect: { message: { order_id: "8", sku: TEA, quantity: 2 } }
"#,
    );
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
    // when there are several
    write(
        "tests/one.xml",
        "<Orders><Order id=\"7\"><Line>TEA</Line></Order><Order/></Orders>",
    );
    let (code, _, talk) = scene.command(&["test"], &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("`tests/one.xml` holds 2 records, and a test is given one"),
        "{talk}"
    );
}

/// A flow that reads stock in fixed columns.
const COLUMNS: &str = "flow: columns
from:
  system: drop
  pattern: '*.txt'
  format: fixed
  fields: [{ name: sku, length: 8 }, { name: on_hand, length: 6, type: number }]
steps:
  - translate: \"StockMove{ order_id: 'count', sku: this.sku, quantity: uint(this.on_hand) }\"
to: moves
";

#[tokio::test]
async fn records_of_fixed_width_are_read_as_their_flow_says() {
    // given
    let scene = Scene::shop();
    let write = |file: &str, text: &str| {
        fs::write(scene.home().join(file), text).expect("the test may write there");
    };
    scene.edit(
        "channels:\n",
        "channels:\n  moves: { type: trunkline.commerce.v1.StockMove, external: true }\n",
    );
    scene.edit("orders-from-files,", "orders-from-files, columns,");
    write("flows/columns.yaml", COLUMNS);
    write("tests/stock.txt", "TEA     000012\n");
    write(
        "tests/columns.yaml",
        "flow: columns\ntests:\n  - test: columns\n    given: { file: tests/stock.txt }\n    \
         expect: { message: { sku: TEA, quantity: 12 } }\n",
    );
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
    // when it is tried by hand, with a line that is too short among others
    let home = scene.home();
    let home = home.to_str().expect("the path is text");
    let words = ["map", "columns", home, "--format", "fixed"];
    let (code, data, talk) = fed(&words, b"TEA     000012\nCUP\nPOT     000003\n").await;
    // then
    assert_eq!(code, Some(1));
    assert_eq!(data.lines().count(), 2, "{data}");
    assert!(data.contains("\"sku\":\"POT\",\"quantity\":3"), "{data}");
    assert!(
        talk.starts_with("record 2:\nerror: this is no record of fixed width: "),
        "{talk}"
    );
    // when the flow does not say what stands where
    let words = ["map", "orders-in", home, "--format", "fixed"];
    let (code, _, talk) = fed(&words, b"").await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("name a flow that reads them"), "{talk}");
}

#[tokio::test]
async fn a_message_that_breaks_the_rules_of_its_type_fails_as_it_would_when_it_runs() {
    // given a country in small letters, which the mapping takes over
    let scene = Scene::shop();
    let order = fs::read_to_string(scene.home().join("tests/paid-order.json")).expect("it is there");
    assert!(order.contains("\"country_code\": \"DK\""), "{order}");
    fs::write(
        scene.home().join("tests/small.json"),
        order.replace("\"country_code\": \"DK\"", "\"country_code\": \"dk\""),
    )
    .expect("the test may write there");
    fs::write(
        scene.home().join("tests/small.yaml"),
        "flow: orders-in\ntests:\n  - test: small letters\n    given: { file: tests/small.json }\n    \
         expect: { fault: { step: validate, path: ship_to.country_code } }\n",
    )
    .expect("the test may write there");
    // when
    let (code, data, talk) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(0), "{data}{talk}");
    assert!(data.contains("ok    orders-in: small letters"), "{data}");
}

#[tokio::test]
async fn every_difference_of_a_test_is_told_what_is_missing_and_what_is_too_much_among_them() {
    // given
    let scene = Scene::shop();
    fs::remove_dir_all(scene.home().join("tests")).expect("it is there");
    fs::create_dir(scene.home().join("tests")).expect("the test may write there");
    fs::write(
        scene.home().join("tests/stock.yaml"),
        "flow: stock\ntests:\n  - test: too few\n    given:\n      message: { order_id: A, status: PAID, lines: [{ sku: TEA, quantity: 2 }, { sku: CUP, quantity: 1 }] }\n    \
         expect: { message: { order_id: B, sku: POT, quantity: 9 } }\n  - test: too many\n    \
               given: { message: { order_id: A, status: PAID, lines: [{ sku: TEA, quantity: 2 }] } }\n    \
               expect: { messages: { erp: [{ sku: TEA }, { sku: CUP, quantity: 1 }] } }\n",
    )
    .expect("the test may write there");
    // when
    let (code, data, _) = scene.command(&["test"], &[]).await;
    // then
    assert_eq!(code, Some(1));
    assert_eq!(
        data,
        "\
FAIL  stock: too few  (tests/stock.yaml:3:11)
      erp
        expected  1 message
        got       2 messages
      erp[0].order_id
        expected  \"B\"
        got       \"A\"
      erp[0].sku
        expected  \"POT\"
        got       \"TEA\"
      erp[0].quantity
        expected  9
        got       2
      erp[1]
        expected  nothing
        got       { sku: \"CUP\", quantity: 1, order_id: \"A\" }
FAIL  stock: too many  (tests/stock.yaml:7:11)
      erp
        expected  2 messages
        got       1 message
      erp[1]
        expected  {\"sku\":\"CUP\",\"quantity\":1}
        got       nothing
"
    );
}

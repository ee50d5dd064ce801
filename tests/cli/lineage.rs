//! Which data goes where, as people ask for it.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::scene::Scene;

async fn lineage(scene: &Scene, arguments: &[&str]) -> (Option<i32>, String, String) {
    let home = scene.home();
    let mut all = vec!["lineage"];
    all.extend(arguments);
    all.push(home.to_str().expect("the path is text"));
    crate::support::process::output(&all, &[]).await
}

/// All fields of the steps in JSON, as `from` and as `to`.
async fn steps(scene: &Scene, arguments: &[&str]) -> BTreeSet<(String, String)> {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let (code, data, talk) = lineage(scene, &all).await;
    assert_eq!(code, Some(0), "{talk}");
    let json: Value = serde_json::from_str(&data).expect("it is JSON");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let edges = json["edges"].as_array().expect("there are steps").iter();
    edges
        .map(|edge| (text(&edge["from"]["field"]), text(&edge["to"]["field"])))
        .collect()
}

#[tokio::test]
async fn the_lineage_of_the_example_is_a_table_from_source_to_target() {
    let (code, data, talk) = lineage(&Scene::shop(), &[]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(
        data.lines().next(),
        Some("SOURCE                              CANONICAL                                    TARGET")
    );
    for line in [
        "shop:line_items[].quantity          Order.lines[].quantity > StockMove.quantity  erp:stock.on_hand",
        "drop:line_items[].sku               Order.lines[].sku > StockMove.sku            erp:stock.sku",
        "shop:id                             Order.order_id                               erp:picks.order_id",
        "shop:shipping_address.country_code  Order.ship_to.country_code                   erp:picks.country",
        "shop:shipping_address.country_code  Order.ship_to.country_code                   route in route-orders",
        "shop:financial_status               Order.status                                 filter in stock",
        "shop:customer.email                 Order.buyer.email                            -",
    ] {
        assert!(data.lines().any(|other| other == line), "{line}\n{data}");
    }
    // that a copy of it ends somewhere is no news
    assert!(
        !data.contains("shop:line_items[].sku               Order.lines[].sku                            -")
    );
}

#[tokio::test]
async fn nothing_that_the_example_reads_is_missing() {
    // given every path that stands in a mapping, and every parameter, found in the text by other means
    let scene = Scene::shop();
    let mapping = fs::read_to_string(scene.home().join("maps/shop-order.cel")).expect("it was copied");
    let mut wanted = BTreeSet::new();
    for (word, prefix) in [("this.", ""), ("line.", "line_items[].")] {
        for (at, _) in mapping.match_indices(word) {
            let rest = &mapping[at + word.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
            let path = &rest[..end.unwrap_or(rest.len())];
            wanted.insert(format!(
                "{prefix}{}",
                path.strip_suffix("line_items.map").unwrap_or(path)
            ));
        }
    }
    wanted.remove("");
    assert_eq!(wanted.len(), 20, "{wanted:?}");
    // when
    let steps = steps(&scene, &[]).await;
    // then
    for system in ["shop", "drop"] {
        let told: BTreeSet<_> = steps
            .iter()
            .filter_map(|(from, _)| from.strip_prefix(&format!("{system}:")))
            .collect();
        assert_eq!(told, wanted.iter().map(String::as_str).collect(), "{system}");
    }
    let targets: BTreeSet<_> = steps
        .iter()
        .filter(|(_, to)| to.starts_with("erp:"))
        .map(|(_, to)| to.as_str())
        .collect();
    assert_eq!(
        targets,
        BTreeSet::from([
            "erp:picks.country",
            "erp:picks.order_id",
            "erp:stock.on_hand",
            "erp:stock.sku"
        ])
    );
}

#[tokio::test]
async fn a_field_is_told_with_every_step_and_its_place() {
    let (code, data, talk) = lineage(&Scene::shop(), &["StockMove.quantity"]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(
        data,
        "\
StockMove.quantity
comes from
  drop:line_items[].quantity > Order.lines[].quantity  computed  orders-from-files  maps/shop-order.cel:22:29
  shop:line_items[].quantity > Order.lines[].quantity  computed  orders-in          maps/shop-order.cel:22:29
  Order.lines[].quantity > StockMove.quantity          copied    stock              flows/stock.yaml:10:50
goes to
  StockMove.quantity > erp:stock.on_hand  copied  stock  flows/stock.yaml:13:51
decides
  nothing
"
    );
    let (_, data, _) = lineage(&Scene::shop(), &["Order.buyer.email"]).await;
    assert!(
        data.starts_with("Order.buyer.email  (personal)\ncomes from\n  drop:customer.email > "),
        "{data}"
    );
    let (_, data, _) = lineage(&Scene::shop(), &["Order.status"]).await;
    assert!(
        data.contains("decides\n  Order.status  filter  route-orders  flows/route-orders.yaml:"),
        "{data}"
    );
    let (code, _, talk) = lineage(&Scene::shop(), &["Order.buyer.emial"]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        talk,
        "error: no flow reads or writes a field `Order.buyer.emial`\n  = hint: did you mean `Order.buyer.email`?\n"
    );
}

#[tokio::test]
async fn what_is_passed_on_whole_bound_looked_up_or_nested_is_followed_into_its_parts() {
    // given a flow that keeps the buyer whole, binds the address, and looks into lists within lists
    let scene = Scene::shop();
    scene.edit(
        "channels:\n",
        "channels:\n  shipped: { type: trunkline.commerce.v1.Order, external: true }\n",
    );
    fs::write(
        scene.home().join("flows/ship.yaml"),
        r#"flow: ship
from: orders
steps:
  - translate: |
      Order{
        order_id: this.order_id, placed_at: this.placed_at, total: this.total,
        buyer: this.buyer,
        note: cel.bind(to, this.ship_to, to.name + ", " + to.locality),
        status: has(this.cancelled_at) ? "CANCELLED" : "FULFILLED",
        lines: this.lines.filter(line, line.quantity > 0u).map(line, OrderLine{
          sku: line.sku, quantity: line.quantity, unit_price: line.unit_price,
          name: line.discounts.map(discount, discount.code).join(", ") }),
      }
to: shipped
"#,
    )
    .expect("the test may write there");
    let text = fs::read_to_string(scene.home().join("trunkline.yaml")).expect("it was copied");
    fs::write(
        scene.home().join("trunkline.yaml"),
        text.replace("[stock, pick-domestic", "[stock, ship, pick-domestic"),
    )
    .expect("the test may write there");
    // when
    let steps = steps(&scene, &["shipped:"]).await;
    // then
    let has = |from: &str, to: &str| {
        assert!(
            steps.contains(&(from.to_owned(), to.to_owned())),
            "{from} > {to}: {steps:#?}"
        );
    };
    has("Order.buyer.email", "Order.buyer.email");
    has("shop:customer.email", "Order.buyer.email");
    has("Order.ship_to.name", "Order.note");
    has("Order.ship_to.locality", "Order.note");
    has("Order.cancelled_at", "Order.status");
    has("Order.lines[].quantity", "Order.lines[].sku");
    has("Order.lines[].discounts[].code", "Order.lines[].name");
    has("shop:line_items[].price", "Order.lines[].unit_price");
}

#[tokio::test]
async fn what_a_sink_reckons_from_a_field_comes_from_the_fields_of_the_message() {
    // given a sink that binds an amount, which the message has as units and nanos
    let scene = Scene::shop();
    fs::write(
        scene.home().join("flows/book.yaml"),
        "flow: book\nfrom: orders\nto:\n  system: erp\n  statement: >-\n    \
         UPDATE picks SET country = :total.amount WHERE order_id = :total.currency_code\n",
    )
    .expect("the test may write there");
    let text = fs::read_to_string(scene.home().join("trunkline.yaml")).expect("it was copied");
    fs::write(
        scene.home().join("trunkline.yaml"),
        text.replace("[stock, pick-domestic", "[stock, book, pick-domestic"),
    )
    .expect("the test may write there");
    // when
    let steps = steps(&scene, &["erp:"]).await;
    // then
    for (from, to) in [
        ("Order.total.units", "erp:picks.country"),
        ("Order.total.nanos", "erp:picks.country"),
        ("Order.total.currency_code", "erp:picks.order_id"),
        ("shop:total_price", "Order.total.units"),
    ] {
        assert!(
            steps.contains(&(from.to_owned(), to.to_owned())),
            "{from} > {to}: {steps:#?}"
        );
    }
    assert!(
        !steps.iter().any(|(from, _)| from.ends_with("total.amount")),
        "{steps:#?}"
    );
}

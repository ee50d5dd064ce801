//! One mapping on real input, and why a field became what it is.

use crate::{
    scene::Scene,
    support::process::{fed, output},
};

const ORDER: &str = r#"{"id": 1001, "name": "\#1001", "created_at": "2026-11-25T12:00:00+01:00", "currency": "DKK",
  "financial_status": "paid", "subtotal_price": "99.00", "total_tax": "19.80", "total_price": "99.00",
  "customer": {"id": 7, "email": "ann@example.com"},
  "shipping_address": {"name": "Ann", "address1": "Havnegade 1", "city": "Aarhus", "zip": "8000", "country_code": "DK"},
  "line_items": [{"id": 1, "sku": "TEA-GREEN", "title": "Green tea", "quantity": 2, "price": "49.50"}]}"#;

fn order() -> String {
    ORDER.replace("\\#", "#")
}

/// `trunkline map` on the mapping of the shop, with these arguments behind it.
async fn map(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let scene = Scene::shop();
    let mapping = scene.home().join("maps/shop-order.cel");
    let mut all = vec!["map", mapping.to_str().expect("the path is text")];
    all.extend(arguments);
    fed(&all, input.as_bytes()).await
}

#[tokio::test]
async fn a_record_becomes_a_canonical_message_in_protobufs_json() {
    let (code, data, talk) = map(&[], &order()).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(
        data,
        r##"{
  "order_id": "1001",
  "placed_at": "2026-11-25T11:00:00Z",
  "status": "ORDER_STATUS_PAID",
  "buyer": {
    "customer_id": "7",
    "email": "ann@example.com"
  },
  "lines": [
    {
      "line_id": "1",
      "sku": "TEA-GREEN",
      "name": "Green tea",
      "quantity": 2,
      "unit_price": {
        "currency_code": "DKK",
        "units": "49",
        "nanos": 500000000
      }
    }
  ],
  "ship_to": {
    "name": "Ann",
    "address_lines": [
      "Havnegade 1"
    ],
    "locality": "Aarhus",
    "postal_code": "8000",
    "country_code": "DK"
  },
  "total": {
    "currency_code": "DKK",
    "units": "99"
  },
  "subtotal": {
    "currency_code": "DKK",
    "units": "99"
  },
  "tax_total": {
    "currency_code": "DKK",
    "units": "19",
    "nanos": 800000000
  },
  "currency_code": "DKK",
  "order_number": "#1001"
}
"##
    );
}

#[tokio::test]
async fn what_cannot_be_mapped_is_told_with_its_path_and_place() {
    let broken = order()
        .replace("\"49.50\"", "\"49,50\"")
        .replace("\"quantity\": 2", "\"quantity\": -2");
    let (code, data, talk) = map(&[], &broken).await;
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert!(
        talk.starts_with("error: lines[0].quantity: ") && talk.contains("; lines[0].unit_price: "),
        "{talk}"
    );
    assert!(talk.contains("(maps/shop-order.cel:23:31)"), "{talk}");
}

#[tokio::test]
async fn a_message_that_breaks_the_rules_of_its_type_is_refused_as_in_a_flow() {
    let broken = order()
        .replace("\"TEA-GREEN\"", &format!("\"{}\"", "T".repeat(256)))
        .replace("\"country_code\": \"DK\"", "\"country_code\": \"Denmark\"");
    let (code, data, talk) = map(&[], &broken).await;
    assert_eq!((code, data.as_str()), (Some(1), ""));
    for told in ["lines[0].sku: must ", "; ship_to.country_code: must "] {
        assert!(talk.contains(told), "{told}: {talk}");
    }
    assert!(!talk.contains("Denmark") && !talk.contains("TTT"), "{talk}");
    // Why a field is what it is can be asked all the same.
    let (code, data, _) = map(&["--explain", "lines[0].sku"], &broken).await;
    assert_eq!(code, Some(0));
    assert!(data.contains("this.line_items[0].sku"), "{data}");
}

#[tokio::test]
async fn each_line_is_a_record_and_one_that_fails_keeps_no_other_from_it() {
    let line = order().replace('\n', " ");
    let lines = format!("{line}\n{{}}\nno json\n{line}\n");
    let (code, data, talk) = map(&["--format", "json-lines"], &lines).await;
    assert_eq!(code, Some(1));
    assert_eq!(data.lines().count(), 2, "{data}");
    for told in [
        "record 2:\nerror: order_id: ",
        "record 3:\nerror: this is no JSON: ",
        "2 of 4 records failed\n",
    ] {
        assert!(talk.contains(told), "{told}: {talk}");
    }
}

#[tokio::test]
async fn a_field_is_explained_from_its_value_back_to_the_record() {
    let (code, data, talk) = map(&["--explain", "lines[0].unit_price"], &order()).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(
        data,
        "\
lines[0].unit_price = {\"currency_code\":\"DKK\",\"amount\":49.50}
  by       money(line.price, this.currency)
  at       maps/shop-order.cel:23:31
  from     this.line_items[0].price = \"49.50\"
  from     this.currency = \"DKK\"
"
    );
}

#[tokio::test]
async fn a_field_without_a_value_is_explained_too() {
    for (field, told) in [
        (
            "status",
            "status is not set: the lookup table has no entry for a text of 5 characters; hint: add the code",
        ),
        (
            "bill_to",
            "bill_to is not set: the mapping does not set `bill_to`\n",
        ),
        ("lines[3].sku", "lines[3].sku is not set: the list has 1 item\n"),
        (
            "buyer.email",
            "buyer.email is not set: the record has no `this.customer.email`",
        ),
    ] {
        let record = order()
            .replace("\"paid\"", "\"payed\"")
            .replace(", \"email\": \"ann@example.com\"", "");
        let (code, data, talk) = map(&["--explain", field], &record).await;
        assert_eq!((code, talk.as_str()), (Some(0), ""), "{field}");
        assert!(data.starts_with(told), "{field}: {data}");
    }
    let (code, _, talk) = map(&["--explain", "buyer.emial"], &order()).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        talk,
        "error: trunkline.party.v1.Customer has no field `emial`\n  = hint: did you mean `email`?\n"
    );
}

#[tokio::test]
async fn a_flow_stands_for_the_mapping_it_uses_and_a_wrong_name_is_told() {
    let scene = Scene::shop();
    let home = scene.home();
    let home = home.to_str().expect("the path is text");
    let (code, data, _) = fed(
        &["map", "orders-in", home, "--explain", "order_id", "--json"],
        order().as_bytes(),
    )
    .await;
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&data).expect("it is JSON");
    assert_eq!(json["value"], "1001");
    assert_eq!(json["from"][0]["path"], "this.id");
    assert_eq!(json["at"]["line"], 3);
    for (name, told) in [
        (
            "orders-inn",
            "error: the landscape has no flow `orders-inn`\n  = hint: did you mean `orders-in`?",
        ),
        (
            "stock",
            "error: flow `stock` translates nothing\n  = hint: flows that do: `orders-from-files`, `orders-in`",
        ),
        (
            "maps/shop.cel",
            "error: the landscape has no file `maps/shop.cel`\n",
        ),
    ] {
        let (code, _, talk) = output(&["map", name, home], &[]).await;
        assert_eq!(code, Some(1));
        assert!(talk.starts_with(told), "{name}: {talk}");
    }
}

#[tokio::test]
async fn a_mapping_to_a_native_record_takes_a_canonical_message() {
    // given
    let scene = Scene::shop();
    let mapping = scene.home().join("maps/pick.cel");
    std::fs::write(
        &mapping,
        r#"{ "id": this.order_id, "paid": this.status == "PAID", "to": has(this.ship_to) ? this.ship_to.country_code : "-",
             "skus": this.lines.filter(line, line.quantity > 1u).map(line, { "sku": line.sku }),
             "n": this.lines.transformList(i, line, line.sku + string(i)) }"#,
    )
    .expect("the test may write there");
    let mapping = mapping.to_str().expect("the path is text");
    let message = r#"{"order_id": "7", "status": "PAID", "lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]}"#;
    let run = async |more: &[&str]| {
        let mut all = vec!["map", mapping, "--type", "Order"];
        all.extend(more);
        fed(&all, message.as_bytes()).await
    };
    // when
    let (code, data, talk) = run(&["--json"]).await;
    // then
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(
        data,
        "{\"id\":\"7\",\"paid\":true,\"to\":\"-\",\"skus\":[{\"sku\":\"B\"}],\"n\":[\"A0\",\"B1\"]}\n"
    );
    // and the way to a field leads through choices and filters
    let (_, data, _) = run(&["--explain", "to"]).await;
    assert_eq!(
        data,
        "to = \"-\"\n  by       \"-\"\n  at       maps/pick.cel:1:109\n  because  has(this.ship_to) was false \
         (maps/pick.cel:1:61)\n"
    );
    let (_, data, _) = run(&["--explain", "skus[0].sku"]).await;
    assert!(data.starts_with("skus[0].sku = \"B\"\n"), "{data}");
    assert!(data.contains("  from     this.lines[1].sku = \"B\"\n"), "{data}");
    let (_, data, _) = run(&["--explain", "n[1]"]).await;
    assert!(data.starts_with("n[1] = \"B1\"\n"), "{data}");
    assert!(data.contains("  from     this.lines[1].sku = \"B\"\n"), "{data}");
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><Orders>\
    <Order id=\"1\"><Buyer>S\u{f8}ren</Buyer><Line>TEA</Line></Order>\
    <Order id=\"2\"><Buyer>&amp;</Buyer><Line>CUP</Line><Line>POT</Line></Order>\
    <Order id=\"3\"><Buyer></Order>\
    <Order id=\"4\"><Buyer/></Order></Orders>";

/// As the declaration says.
fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).expect("it is latin"))
        .collect()
}

const BUYERS: &str = "{\"id\": this[\"@id\"], \"buyer\": this.Buyer, \"lines\": this.?Line.orValue([])}\n";

#[tokio::test]
async fn each_element_of_a_document_is_a_record_when_it_is_said_where_they_are() {
    // given
    let scene = Scene::shop();
    let mapping = scene.home().join("maps/buyers.cel");
    std::fs::write(&mapping, BUYERS).expect("the test may write there");
    let mapping = mapping.to_str().expect("the path is text");
    let words = ["--format", "xml", "--record", "Orders/Order", "--lists", "Line"];
    // when
    let (code, data, talk) = fed(&[&["map", mapping], &words[..]].concat(), &latin(XML)).await;
    // then
    assert_eq!(
        data,
        "{\"id\":\"1\",\"buyer\":\"S\u{f8}ren\",\"lines\":[\"TEA\"]}\n\
         {\"id\":\"2\",\"buyer\":\"&\",\"lines\":[\"CUP\",\"POT\"]}\n\
         {\"id\":\"4\",\"buyer\":\"\",\"lines\":[]}\n"
    );
    assert_eq!(code, Some(1));
    assert!(talk.starts_with("record 3:\nerror: this is no XML: "), "{talk}");
    assert!(talk.ends_with("1 of 4 records failed\n"), "{talk}");
    // when nobody says where, or says what no element is called
    for (words, told) in [
        (&["--format", "xml"][..], "--record Orders/Order"),
        (
            &["--format", "xml", "--record", "/Orders"],
            "is not the name of an element",
        ),
    ] {
        let (code, data, talk) = fed(&[&["map", mapping], words].concat(), b"").await;
        assert!(code != Some(0) && data.is_empty(), "{talk}");
        assert!(talk.contains(told), "{talk}");
    }
}

#[tokio::test]
async fn what_is_wrong_elsewhere_keeps_no_mapping_from_being_tried() {
    // given a flow that is wrong, and a mapping that no flow uses
    let scene = Scene::shop();
    let home = scene.home();
    std::fs::write(
        home.join("flows/stock.yaml"),
        "flow: stock\nfrom: ordrs\nto: orders\n",
    )
    .expect("the test may write there");
    std::fs::write(
        home.join("maps/alone.cel"),
        "Customer{ customer_id: string(this.id) }",
    )
    .expect("the test may write there");
    let elsewhere = "1 problem elsewhere, which `trunkline check` tells\n";
    for mapping in ["maps/shop-order.cel", "orders-in", "maps/alone.cel"] {
        // when
        let words = ["map", mapping, home.to_str().expect("the path is text"), "--json"];
        let (code, data, talk) = fed(&words, order().as_bytes()).await;
        // then
        assert_eq!((code, data.lines().count()), (Some(0), 1), "{talk}");
        assert!(talk.ends_with(elsewhere) && talk.lines().count() == 1, "{talk}");
    }
    // when the flow itself is wrong, then that is told
    let words = ["map", "stock", home.to_str().expect("the path is text")];
    let (code, _, talk) = fed(&words, b"").await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("there is no channel `ordrs`") && talk.contains("1 problem\n"),
        "{talk}"
    );
    // when there is no flow at all
    std::fs::remove_dir_all(home.join("flows")).expect("it is there");
    let words = [
        "map",
        "maps/alone.cel",
        home.to_str().expect("the path is text"),
        "--json",
    ];
    let (code, data, _) = fed(&words, b"{\"id\": 7}").await;
    assert_eq!((code, data.as_str()), (Some(0), "{\"customer_id\":\"7\"}\n"));
}

#[tokio::test]
async fn an_explanation_knows_the_cross_references() {
    // given
    let scene = Scene::shop();
    let mapping = scene.home().join("maps/shop-order.cel");
    let text = std::fs::read_to_string(&mapping).expect("it was copied");
    let text = text.replace(
        "string(this.customer.id)",
        "xref(\"shop\", \"customer\", string(this.customer.id))",
    );
    std::fs::write(&mapping, text).expect("the test may write there");
    let mapping = mapping.to_str().expect("the path is text");
    let words = ["map", mapping, "--explain", "buyer.customer_id"];
    // when nothing is known, then that is told, and no store is made
    let (_, data, _) = fed(&words, order().as_bytes()).await;
    assert!(
        data.starts_with(
            "buyer.customer_id is not set: no cross-reference for this customer of `shop`; hint: add it"
        ),
        "{data}"
    );
    assert!(!scene.home().join("data").exists());
    // when it is known
    let set = ["xref", "set", "shop", "customer", "7", "c-7"];
    let (code, _, talk) = scene.command(&set, &[]).await;
    assert_eq!(code, Some(0), "{talk}");
    let (_, data, _) = fed(&words, order().as_bytes()).await;
    assert!(data.starts_with("buyer.customer_id = \"c-7\"\n"), "{data}");
    assert!(data.contains("  from     this.customer.id = 7\n"), "{data}");
}

#[tokio::test]
async fn a_line_that_is_no_json_is_told_by_its_line_in_the_file() {
    let (code, _, talk) = map(&["--format", "json-lines"], "\n{}\n\n{\"id\": }\n").await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("record 2:\nerror: this is no JSON: line 4, column 8: "),
        "{talk}"
    );
}

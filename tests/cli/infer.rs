//! A schema from samples, and a mapping that is checked against it.

use std::fs;

use tempfile::TempDir;

use crate::{scene::Scene, support::process::output};

async fn infer(files: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().expect("there is a place for temporary files");
    let mut arguments = vec!["map".to_owned(), "infer".to_owned()];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the test may write there");
        arguments.push(path.to_str().expect("it is text").to_owned());
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let home = folder.path().to_str().expect("it is text").to_owned();
    let (code, data, talk) = output(&arguments, &[]).await;
    (code, data, talk.replace(&home, "FOLDER"))
}

#[tokio::test]
async fn samples_become_a_schema_of_what_they_have_in_common() {
    let (code, data, talk) = infer(&[
        (
            "a.json",
            r#"{"id": 1, "at": "2026-11-25T12:00:00Z", "price": 1.5, "to": {"zip": "8000"}, "tags": []}"#,
        ),
        (
            "b.jsonl",
            "{\"id\": 20000000000000000000, \"at\": \"2026-11-25T12:00:00Z\", \"price\": 2, \"to\": null, \"tags\": [\"x\"]}\n\
             {\"id\": 3, \"at\": \"2026-11-25T12:00:00+01:00\", \"price\": 2, \"tags\": [], \"note\": \"s3cret\"}\n",
        ),
    ])
    .await;
    assert_eq!((code, talk.as_str()), (Some(0), "inferred from 3 records\n"));
    assert_eq!(
        data,
        r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "id": {
      "type": "integer"
    },
    "at": {
      "type": "string",
      "format": "date-time"
    },
    "price": {
      "type": "number"
    },
    "to": {
      "type": [
        "object",
        "null"
      ],
      "properties": {
        "zip": {
          "type": "string"
        }
      },
      "required": [
        "zip"
      ]
    },
    "tags": {
      "type": "array",
      "items": {
        "type": "string"
      }
    },
    "note": {
      "type": "string"
    }
  },
  "required": [
    "id",
    "at",
    "price",
    "tags"
  ]
}
"#
    );
}

#[tokio::test]
async fn a_csv_is_a_record_of_texts_and_what_is_none_is_told_with_its_line() {
    let (code, data, _) = infer(&[(
        "a.csv",
        "day,mail\n2026-11-25,a@b.example\n2026-11-26,c@d.example\n",
    )])
    .await;
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&data).expect("it is JSON");
    assert_eq!(schema["properties"]["day"]["format"], "date");
    assert_eq!(schema["properties"]["mail"]["format"], "email");
    for (name, text, told) in [
        (
            "a.jsonl",
            "{}\n{\"a\":\n",
            "error: `FOLDER/a.jsonl`, line 2: expected ",
        ),
        (
            "a.csv",
            "a,b\n1\n",
            "error: `FOLDER/a.csv`, line 2: expected 2 fields as in the header, found 1\n",
        ),
        ("a.json", "[]", "error: the samples hold no record\n"),
        (
            "a.yaml",
            "a: 1",
            "error: `FOLDER/a.yaml` is none of `.json`, `.jsonl`, `.csv` and `.xml`\n",
        ),
    ] {
        let (code, data, talk) = infer(&[(name, text)]).await;
        assert_eq!((code, data.as_str()), (Some(1), ""), "{name}");
        assert!(talk.starts_with(told), "{talk}");
    }
}

#[tokio::test]
async fn a_mapping_is_checked_against_the_schema_of_its_samples() {
    // given the schema of a sample, declared at the source
    let scene = Scene::shop();
    let sample = scene.home().join("tests/paid-order.json");
    let (_, schema, _) = output(&["map", "infer", sample.to_str().expect("it is text")], &[]).await;
    fs::create_dir(scene.home().join("schemas")).expect("the test may write there");
    fs::write(scene.home().join("schemas/shop-order.json"), schema).expect("the test may write there");
    let flow = scene.home().join("flows/orders-in.yaml");
    let text = fs::read_to_string(&flow).expect("it was copied");
    let declared = text.replace(
        "path: /orders/create",
        "path: /orders/create, schema: schemas/shop-order.json",
    );
    assert_ne!(declared, text);
    fs::write(&flow, declared).expect("the test may write there");
    let (code, _, talk) = scene.command(&["check"], &[]).await;
    assert_eq!(code, Some(0), "{talk}");
    // when a field is misspelt
    let mapping = scene.home().join("maps/shop-order.cel");
    let text = fs::read_to_string(&mapping).expect("it was copied");
    fs::write(
        &mapping,
        text.replace("this.customer.email", "this.customer.emial"),
    )
    .expect("it can be written");
    // then
    let (code, _, talk) = scene.command(&["check"], &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("declares no `emial` here\n  --> maps/shop-order.cel:9:"),
        "{talk}"
    );
    assert!(talk.contains("did you mean `email`?"), "{talk}");
}

const ORDERS: &str = "<?xml version=\"1.0\"?><Orders>\
    <Order id=\"1\"><Buyer>Ann</Buyer><Line><Sku>TEA</Sku></Line></Order>\
    <Order id=\"2\"><Line><Sku>CUP</Sku></Line><Line><Sku>POT</Sku></Line></Order></Orders>";

#[tokio::test]
async fn samples_of_xml_become_a_schema_when_it_is_said_where_their_records_are() {
    // given
    let folder = TempDir::new().expect("there is a place for temporary files");
    let path = folder.path().join("orders.xml");
    fs::write(&path, ORDERS).expect("the test may write there");
    let path = path.to_str().expect("it is text");
    // when
    let words = ["--record", "Orders/Order", "--lists", "Line"];
    let (code, data, talk) = output(&[&["map", "infer", path], &words[..]].concat(), &[]).await;
    // then
    assert_eq!((code, talk.as_str()), (Some(0), "inferred from 2 records\n"));
    let schema: serde_json::Value = serde_json::from_str(&data).expect("it is JSON");
    assert_eq!(schema["required"], serde_json::json!(["@id", "Line"]));
    assert_eq!(schema["properties"]["Line"]["type"], "array");
    let (code, _, talk) = output(&["map", "infer", path], &[]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("--record Orders/Order"), "{talk}");
}

//! Files that are not what they should be: each is told at its place, and the rest is checked all the same.

use std::{fs, os::unix::fs::symlink, process::Command};

use crate::program::{check, landscape};

/// What is told of a landscape with one file more, without the line of the sum.
async fn told(name: &str, bytes: &[u8]) -> String {
    let home = landscape(&[(name, bytes)]);
    told_of(&home).await
}

async fn told_of(home: &tempfile::TempDir) -> String {
    let (code, _, stderr) = check(home.path(), &[]).await;
    if code == Some(0) {
        return String::new();
    }
    assert_eq!(code, Some(1), "{stderr}");
    let (report, _) = stderr.split_once("HOME: ").expect("the sum is the last line");
    report.to_owned()
}

#[tokio::test]
async fn carriage_returns_and_a_byte_order_mark_are_no_mistake() {
    let flow = "\u{feff}flow: picks\r\nfrom: eu-orders\r\nto:\r\n  system: erp\r\n  statement: DELETE FROM picks WHERE id = :order_id\r\n";
    assert_eq!(told("flows/picks.yaml", flow.as_bytes()).await, "");
    let mapping = crate::case::base()["maps/order.cel"].replace('\n', "\r\n");
    assert_eq!(told("maps/order.cel", mapping.as_bytes()).await, "");
    let table = "\u{feff}from,to\r\npaid,PAID\r\n";
    assert_eq!(told("tables/order-status.csv", table.as_bytes()).await, "");
}

#[tokio::test]
async fn a_mistake_in_a_file_with_carriage_returns_stands_where_it_does() {
    let flow = "\u{feff}flow: picks\r\nfrom: eu-order\r\nto: orders\r\n";
    assert_eq!(
        told("flows/picks.yaml", flow.as_bytes()).await,
        "\
error: there is no channel `eu-order`
  --> flows/picks.yaml:2:7
   | from: eu-order
   |       ^^^^^^^^
   = hint: did you mean `eu-orders`? channels: `eu-orders`, `orders`, `other-orders`

"
    );
}

#[tokio::test]
async fn a_file_that_is_not_utf8_is_told_with_its_line() {
    assert_eq!(
        told("maps/order.cel", b"Order{\n  note: 'caf\xe9',\n}").await,
        "\
error: this line is not UTF-8
  --> maps/order.cel:2:1
   = hint: save the file as UTF-8

"
    );
}

#[tokio::test]
async fn a_file_that_is_far_too_large_is_not_read() {
    assert_eq!(
        told("tables/order-status.csv", &vec![b'a'; (4 << 20) + 1]).await,
        "\
error: this file is larger than 4 MiB
  --> tables/order-status.csv:1:1
   = hint: no file of a landscape needs so much: records and data belong elsewhere

"
    );
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    let home = landscape(&[]);
    let flows = home.path().join("flows");
    fs::create_dir(flows.join("folder.yaml")).expect("there is room");
    symlink("/dev/zero", flows.join("endless.yaml")).expect("there is room");
    symlink("nowhere", flows.join("link.yaml")).expect("there is room");
    let pipe = Command::new("mkfifo").arg(flows.join("pipe.yaml")).status();
    assert!(pipe.expect("`mkfifo` is there").success());
    assert_eq!(
        told_of(&home).await,
        "\
error: this is no file
  --> flows/endless.yaml:1:1
   = hint: put a file in its place, or give it another name

error: this is no file
  --> flows/folder.yaml:1:1
   = hint: put a file in its place, or give it another name

error: this file cannot be read: entity not found
  --> flows/link.yaml:1:1
   = hint: it is a link that leads nowhere: mend it or remove it

error: this is no file
  --> flows/pipe.yaml:1:1
   = hint: put a file in its place, or give it another name

"
    );
}

#[tokio::test]
async fn a_link_to_a_file_is_as_good_as_the_file() {
    let home = landscape(&[("picks", b"flow: picks\nfrom: eu-order\nto: orders\n")]);
    let flow = home.path().join("flows/picks.yaml");
    fs::remove_file(&flow).expect("it is there");
    symlink("../picks", flow).expect("there is room");
    assert!(told_of(&home).await.contains("flows/picks.yaml:2:7"));
}

#[tokio::test]
async fn a_file_whose_ending_is_in_capitals_is_not_passed_over_in_silence() {
    assert_eq!(
        told("flows/more.YAML", b"").await,
        "\
error: `more.YAML` is not read, for its ending is not `.yaml`
  --> flows/more.YAML:1:1
   = hint: write the ending in lower-case letters

"
    );
    assert_eq!(told("flows/notes.txt", b"").await, "");
    assert_eq!(told("flows/.picks.yaml.swp", b"").await, "");
}

#[tokio::test]
async fn a_folder_in_place_of_trunkline_yaml_is_told_alone() {
    let home = landscape(&[]);
    fs::remove_file(home.path().join("trunkline.yaml")).expect("it is there");
    fs::create_dir(home.path().join("trunkline.yaml")).expect("there is room");
    assert_eq!(
        told_of(&home).await,
        "error: this is no file\n  --> trunkline.yaml:1:1\n   = hint: put a file in its place, or give it \
         another name\n\n"
    );
}

#[tokio::test]
async fn types_are_read_from_folders_in_folders_and_not_through_links_to_folders() {
    // given
    let type_of =
        |name: &str| format!("syntax = \"proto3\";\npackage acme.v1;\nmessage {name} {{ string id = 1; }}\n");
    let home = landscape(&[
        ("proto/acme/v1/repair.proto", type_of("Repair").as_bytes()),
        ("elsewhere/part.proto", type_of("Part").as_bytes()),
    ]);
    symlink("../../elsewhere", home.path().join("proto/acme/linked")).expect("there is room");
    symlink("..", home.path().join("proto/acme/round")).expect("there is room");
    let channels = |name: &str| {
        let text = fs::read_to_string(home.path().join("trunkline.yaml")).expect("it is there");
        let more = format!("channels:\n  own: {{ type: acme.v1.{name}, external: true }}\n");
        fs::write(
            home.path().join("trunkline.yaml"),
            text.replace("channels:\n", &more),
        )
        .expect("there is room");
    };
    // when, then
    channels("Repair");
    assert_eq!(told_of(&home).await, "");
    let text = fs::read_to_string(home.path().join("trunkline.yaml")).expect("it is there");
    fs::write(
        home.path().join("trunkline.yaml"),
        text.replace("v1.Repair", "v1.Part"),
    )
    .expect("there is room");
    assert!(
        told_of(&home)
            .await
            .contains("there is no message type `acme.v1.Part`")
    );
}

#[tokio::test]
async fn of_a_file_full_of_mistakes_fifty_are_told() {
    let flow = "flow: &a\n".to_owned() + &"  - *a\n".repeat(20_000);
    let told = told("flows/bad.yaml", flow.as_bytes()).await;
    assert!(
        told.contains("error: too much is wrong in this file to read on"),
        "{told}"
    );
    assert!(told.matches("error: ").count() < 60, "{told}");
}

#[tokio::test]
async fn files_in_folders_in_folders_are_read_as_well() {
    // given a flow and its mapping in folders of their own
    let home = landscape(&[
        (
            "flows/stock/late/picks.yaml",
            b"flow: late-picks\nfrom: eu-order\nto: orders\n",
        ),
        ("maps/stock/wrong.cel", b"Order{"),
    ]);
    symlink("..", home.path().join("flows/stock/round")).expect("there is room");
    // when
    let told = told_of(&home).await;
    // then
    assert!(
        told.contains("there is no channel `eu-order`\n  --> flows/stock/late/picks.yaml:2:7\n"),
        "{told}"
    );
    assert!(told.contains("  --> maps/stock/wrong.cel:1:"), "{told}");
}

#[tokio::test]
async fn a_file_that_a_system_names_is_read_with_the_landscape_or_told_where_it_is_named() {
    // given a database that is made by a file
    let text = crate::case::base()["trunkline.yaml"].replace("timeout: 5s", "create: erp.sql");
    let home = landscape(&[("trunkline.yaml", text.as_bytes())]);
    // then it must be there
    assert_eq!(
        told_of(&home).await,
        "\
error: there is no file `erp.sql`
  --> trunkline.yaml:8:15
   |       create: erp.sql
   |               ^^^^^^^
   = hint: `create`: a file of SQL that makes the database where there is no file yet, and against which `check` prepares \
the statements of sinks; SQLite only, ignored for servers

"
    );
    // and is checked
    let schema = home.path().join("erp.sql");
    let stock = "CREATE TABLE stock (sku, on_hand);";
    fs::write(&schema, format!("{stock} CREATE TABLE picks (order_id);")).expect("there is room");
    assert_eq!(told_of(&home).await, "");
    fs::write(&schema, stock).expect("there is room");
    assert!(
        told_of(&home)
            .await
            .starts_with("error: SQLite refuses the statement: no such table: picks\n")
    );
    fs::write(&schema, vec![b' '; (4 << 20) + 1]).expect("there is room");
    assert!(
        told_of(&home)
            .await
            .starts_with("error: this file is larger than 4 MiB\n  --> erp.sql:1:1\n")
    );
    fs::remove_file(&schema).expect("it was there");
    symlink("/dev/zero", &schema).expect("there is room");
    assert!(
        told_of(&home)
            .await
            .starts_with("error: this is no file\n  --> erp.sql:1:1\n")
    );
    // elsewhere it may be only where the landscape runs
    let text = text.replace("erp.sql", "/nowhere/erp.sql");
    assert_eq!(told("trunkline.yaml", text.as_bytes()).await, "");
}

//! What is said to who has mistyped, or asks what there is.

use tempfile::TempDir;

use crate::{scene::Scene, support::process::output};

#[tokio::test]
async fn without_a_command_it_says_which_there_are() {
    let (code, data, talk) = output(&[], &[]).await;
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert_eq!(
        talk,
        "\
Connects the separate systems of an organisation over a message bus

Usage: trunkline <COMMAND>

Commands:
  run           Run a landscape, or one process of it
  check         Tell everything that is wrong in a landscape, before it runs
  test          Run the tests of a landscape
  map           Run one mapping on records from stdin
  demo          Run the example shop with 200 orders, some of them broken
  dead-letters  The messages that wait for a person
  quality       How good the records of each source were, and which rules they broke
  bus           The bus itself
  topology      What the landscape needs on its bus: exchanges, queues, users
  lineage       Which data goes where: source field, canonical field, target field
  catalogue     Which system holds and receives which data, personal data marked
  graph         Draw the landscape: systems, channels, flows
  schema        The words of a landscape's files as JSON Schema, for editors
  functions     The functions of mappings and predicates
  xref          Which id of which system means which identity
  adapters      What can be connected, and with which options
  help          Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help
  -V, --version  Print version
"
    );
    // what was asked for is data, and no failure
    let (code, data, nothing) = output(&["--help"], &[]).await;
    assert_eq!((code, data, nothing.as_str()), (Some(0), talk, ""));
}

#[tokio::test]
async fn its_version_is_data() {
    let (code, data, talk) = output(&["--version"], &[]).await;
    let version = format!("trunkline {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, data, talk.as_str()), (Some(0), version, ""));
}

#[tokio::test]
async fn an_unknown_word_is_the_users_to_mend() {
    for (arguments, told) in [
        (&["rum"][..], "unrecognized subcommand 'rum'"),
        (
            &["run", "--proces", "shop"],
            "a similar argument exists: '--process'",
        ),
        (&["demo", "--orders", "0"], "0 is not in 1..=100000"),
        (&["adapters", "wehbook"], "did you mean `webhook`?"),
    ] {
        let (code, data, talk) = output(arguments, &[]).await;
        assert_eq!((code, data.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(talk.contains(told), "{arguments:?}: {talk}");
    }
}

#[tokio::test]
async fn a_folder_that_is_no_landscape_is_told_with_what_makes_one() {
    let folder = TempDir::new().expect("there is a place for temporary files");
    let empty = folder.path().to_str().expect("the path is text");
    let nowhere = format!("{empty}/nowhere");
    for command in [&["run"][..], &["check"], &["dead-letters", "list"]] {
        for (place, told) in [
            (
                empty,
                format!("error: `{empty}` is no landscape: it has no `trunkline.yaml`"),
            ),
            (&nowhere, format!("error: there is no folder `{nowhere}`")),
        ] {
            let arguments: Vec<_> = command.iter().copied().chain([place]).collect();
            let (code, data, talk) = output(&arguments, &[]).await;
            let hint = "  = hint: name the folder that holds `trunkline.yaml`: `trunkline run examples/shop`";
            assert_eq!((code, data.as_str()), (Some(1), ""));
            assert_eq!(talk, format!("{told}\n{hint}\n"));
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_in_a_landscape_is_told_at_once_and_nothing_runs() {
    // given
    let scene = Scene::shop();
    scene
        .edit("listen:", "lissten:")
        .edit("file: { folder:", "file: { foldr:");
    // when
    let (code, data, talk) = scene.run(&[]).await;
    // then
    assert_eq!((code, data.as_str()), (Some(1), ""));
    for told in [
        "error: unknown option `lissten`\n  --> trunkline.yaml:6:22\n",
        "did you mean `listen`?",
        "error: unknown option `foldr`\n  --> trunkline.yaml:7:19\n",
        "did you mean `folder`?",
        "\nSHOP: 2 problems\n",
    ] {
        assert!(talk.contains(told), "{told}: {talk}");
    }
    assert!(!scene.home().join("data").exists());
    let (code, data, _) = scene.command(&["check", "--json"], &[]).await;
    let problems: serde_json::Value = serde_json::from_str(&data).expect("it is JSON");
    assert_eq!(code, Some(1));
    assert_eq!(
        problems[0]["file"], "trunkline.yaml",
        "an editor finds the place: {problems}"
    );
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_told_where_it_is_needed() {
    let scene = Scene::shop();
    scene.edit("${SHOP_SECRET:-try-me}", "${SHOP_SECRET}");
    let (code, _, talk) = scene.run(&[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        talk,
        r#"error: the variable `SHOP_SECRET` is not set
  --> trunkline.yaml:6:84
   |   shop: { webhook: { listen: "${SHOP_LISTEN:-127.0.0.1:8080}", verify: { shopify: "${SHOP_SECRET}" } } }
   |                                                                                    ^^^^^^^^^^^^^^
   = hint: set it in the environment, or give it a default: `${SHOP_SECRET:-…}`

SHOP: 1 problem
"#
    );
}

#[tokio::test]
async fn an_unknown_process_is_told_with_the_nearest() {
    let (code, _, talk) = Scene::shop().command(&["run", "--process", "stok"], &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        talk,
        "error: the landscape has no process `stok`\n  = hint: did you mean `stock`? processes: `shop`, `stock`\n"
    );
}

#[tokio::test]
async fn the_adapters_are_told_with_their_options() {
    let (code, data, talk) = output(&["adapters"], &[]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert_eq!(data.lines().count(), trunkline::adapters::ADAPTERS.len());
    for adapter in trunkline::adapters::ADAPTERS {
        let adapter = adapter.describe();
        let (code, page, _) = output(&["adapters", adapter.name], &[]).await;
        let (_, json, _) = output(&["adapters", adapter.name, "--json"], &[]).await;
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(code, Some(0));
        assert_eq!(json[0]["name"], adapter.name);
        for (at, option) in adapter.system.iter().enumerate() {
            assert!(page.contains(&format!("\n  {}  (", option.name)), "{page}");
            assert_eq!(json[0]["system"][at]["name"], option.name);
        }
    }
}

#[tokio::test]
async fn a_log_is_json_where_it_should_be_and_says_what_it_did_not_understand() {
    // given
    let scene = Scene::shop();
    let mut process = scene.start(&[("TRUNKLINE_LOG", "a=b=c"), ("TRUNKLINE_LOG_FORMAT", "json")]);
    // when
    process.says("ready: ").await;
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then
    assert!(status.success());
    let lines = said.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines: Vec<_> = lines.collect::<Result<_, _>>().expect("each line is JSON");
    let first = lines[0]["message"].as_str().expect("each line has its message");
    assert!(
        first.starts_with("`TRUNKLINE_LOG` is not understood; hint: "),
        "{said}"
    );
    let starting = lines.iter().find(|line| line["message"] == "starting");
    let flows = starting.and_then(|line| line["flows"].as_str());
    assert!(
        flows.is_some_and(|flows| flows.ends_with("route-orders stock")),
        "{said}"
    );
}

#[tokio::test]
async fn who_only_looks_makes_nothing() {
    let scene = Scene::shop();
    for command in [
        &["check"][..],
        &["test"],
        &["lineage"],
        &["catalogue"],
        &["graph"],
        &["xref", "show"],
        &["map", "orders-in"],
    ] {
        let (code, _, talk) = scene.command(command, &[]).await;
        assert!(code == Some(0) || command[0] == "map", "{command:?}: {talk}");
        assert!(!scene.home().join("data").exists(), "{command:?}");
    }
}

#[tokio::test]
async fn the_landscape_is_the_last_operand_of_every_verb_or_the_one_around() {
    // given
    let scene = Scene::shop();
    let home = scene.home();
    let home = home.to_str().expect("the path is text");
    // when it is named last, or alone
    for words in [
        &["check", home][..],
        &["graph", home],
        &["catalogue", home],
        &["lineage", home],
        &["lineage", "StockMove.quantity", home],
        &["xref", "show", home],
        &["xref", "set", "erp", "customer", "K-1", "c-1", home],
    ] {
        let (code, _, talk) = output(words, &[]).await;
        // then
        assert_eq!(code, Some(0), "{words:?}: {talk}");
    }
}

#[tokio::test]
async fn functions_are_listed_as_the_docs_have_them() {
    let (code, data, talk) = output(&["functions"], &[]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    let docs = include_str!("../../docs/functions.md");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `"));
    let calls: Vec<_> = rows.filter_map(|row| row.split_once("` |")).collect();
    assert!(calls.len() > 60, "{}", calls.len());
    for (call, doc) in calls {
        let (call, doc) = (call.replace("\\|", "|"), doc.trim_end_matches('|').trim());
        assert!(
            data.contains(&format!("  {call}\n      {doc}\n")),
            "{call}: {doc}"
        );
    }
    let (code, data, _) = output(&["functions", "money"], &[]).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        data,
        "Macros, and functions that are checked for more than their types\n  money(amount, currency)\n      \
         google.type.Money of a decimal text or number with at most 9 decimals, never through a double\n"
    );
    let (_, data, _) = output(&["functions", "has", "--json"], &[]).await;
    assert!(
        data.starts_with("[{\"name\":\"has\",") || data.starts_with("[{\"call\":\"has(a.b)\""),
        "{data}"
    );
    for (name, told) in [
        ("monney", "did you mean `money`?"),
        ("qqq", "`trunkline functions` lists"),
    ] {
        let (code, _, talk) = output(&["functions", name], &[]).await;
        assert_eq!(code, Some(1));
        assert!(talk.contains(told), "{talk}");
    }
}

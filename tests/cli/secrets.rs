//! A secret is shown nowhere, however much is asked for and whatever goes wrong.

use crate::{
    scene::Scene,
    support::{
        process::Process,
        services::{Broker, Postgres},
    },
};

/// One in every place where a secret may stand; none is a part of another.
const CANARIES: [&str; 4] = [
    "c4nary-of-bus",
    "c4nary-of-shop",
    "c4nary-of-erp",
    "c4nary-in-file",
];

fn assert_kept(said: &str) {
    for canary in CANARIES {
        assert!(!said.contains(canary), "`{canary}` is shown: {said}");
    }
}

#[tokio::test]
async fn secrets_in_variables_are_kept_by_every_command_at_every_level_of_the_log() {
    let [bus, shop, erp, _] = CANARIES;
    // given peers that refuse what they are told
    let vhost = Broker::shared().fresh_vhost().await;
    let database = Postgres::fresh_database().await;
    let (_, broker) = vhost.amqp().rsplit_once('@').expect("it names a user");
    let (_, server) = database.url().rsplit_once('@').expect("it names a user");
    let refusing = format!("amqp://guest:{bus}@{broker}");
    let away = format!("amqp://guest:{bus}@127.0.0.1:1/v");
    let malformed = format!("amqp://guest:{bus}@127.0.0.1:x/v");
    let erp_refusing = format!("postgres://trunkline:{erp}@{server}");
    let erp_malformed = format!("postgres://trunkline:{erp}@h:x/y?sslmode=maybe");
    let scene = Scene::shop();
    for format in ["text", "json"] {
        let log = [
            ("TRUNKLINE_LOG", "trace"),
            ("TRUNKLINE_LOG_FORMAT", format),
            ("SHOP_SECRET", shop),
        ];
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            let all = log.iter().chain(more);
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        for variables in [
            with(&[("TRUNKLINE_BUS", &refusing)]),
            with(&[("TRUNKLINE_BUS", &malformed), ("ERP_URL", &erp_malformed)]),
            with(&[("ERP_URL", &erp_refusing)]),
            with(&[("ERP_URL", &erp_malformed)]),
        ] {
            let variables: Vec<_> = variables
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            for command in [&["run"][..], &["check"], &["check", "--json"]] {
                // when
                let (code, data, talk) = scene.command(command, &variables).await;
                // then
                assert!(code == Some(1) || command[0] == "check", "{talk}");
                assert_kept(&data);
                assert_kept(&talk);
            }
        }
        // when it waits for a bus, and when it works
        for (bus, says) in [(away.as_str(), "not there yet"), (vhost.amqp(), "ready: ")] {
            let variables = with(&[("TRUNKLINE_BUS", bus)]);
            let variables: Vec<_> = variables
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let mut process: Process = scene.start(&variables);
            process.says(says).await;
            process.signal_to_stop().await;
            let (status, said) = process.ended().await;
            // then
            assert!(status.success(), "{said}");
            assert_kept(&said);
        }
    }
}

#[tokio::test]
async fn a_secret_that_stands_in_a_file_is_hidden_where_its_line_is_shown() {
    let canary = CANARIES[3];
    for (from, to) in [
        ("\"${SHOP_SECRET:-try-me}\" } } }", "SECRET }, max_bdy: 1MiB } }"),
        (
            "\"${SHOP_SECRET:-try-me}\" } } }",
            "[SECRET, \"SECRET\"] }, max_bdy: 1MiB } }",
        ),
        (
            "\"${SHOP_SECRET:-try-me}\" } } }",
            "\"${SHOP_SECRET:-SECRET}\" }, max_bdy: 1MiB } }",
        ),
        (
            "\"${ERP_URL:-sqlite:./data/erp.db}\",",
            "\"postgres://u:SECRET@h/d\", tmeout: 5s,",
        ),
        (
            "\"${ERP_URL:-sqlite:./data/erp.db}\",",
            "\"postgres://u@h/d\", password: SECRET, tmeout: 5s,",
        ),
        ("${TRUNKLINE_BUS:-embedded:./data}", "amqp://u:SECRET@h:x/v"),
    ] {
        // given a landscape with something wrong beside a secret
        let scene = Scene::shop();
        scene.edit(from, &to.replace("SECRET", canary));
        for command in [&["run"][..], &["check"], &["check", "--json"]] {
            // when
            let (code, data, talk) = scene.command(command, &[]).await;
            // then what is wrong is told, and the secret is not
            assert_eq!(code, Some(1), "{to}: {talk}");
            assert_kept(&data);
            assert_kept(&talk);
        }
    }
}

#[tokio::test]
async fn a_secret_that_stands_elsewhere_is_read_when_its_system_is_opened_and_not_before() {
    let [_, shop, ..] = CANARIES;
    // given a landscape that names a file and a variable
    let scene = Scene::shop();
    scene
        .edit("\"${SHOP_SECRET:-try-me}\"", "\"file:shop-secret\"")
        .edit("\"${ERP_URL:-sqlite:./data/erp.db}\"", "env:ERP_URL");
    let erp = [("ERP_URL", "sqlite:./c4nary.db"), ("TRUNKLINE_LOG", "trace")];
    // when neither is there, then check needs none, and what runs says which it misses
    let (code, _, talk) = scene.command(&["check"], &[]).await;
    assert_eq!(code, Some(0), "{talk}");
    let (code, _, talk) = scene.run(&[]).await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("`shopify`: the file `shop-secret` cannot be read")
            || talk.contains("`url`: the variable `ERP_URL` is not set"),
        "{talk}"
    );
    // when both are
    std::fs::write(scene.home().join("shop-secret"), format!("{shop}\n")).expect("there is room");
    let mut process: Process = scene.start(&erp);
    process.says("ready: ").await;
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then they are used, and shown nowhere
    assert!(status.success(), "{said}");
    assert!(scene.home().join("c4nary.db").exists(), "{said}");
    assert_kept(&said);
}

//! What the README says to try is tried, as it stands, and answered 200.

mod sender;

use std::process::Stdio;

use sender::{Peer, settings, settings_with};
use tokio::{io::AsyncWriteExt, process::Command};
use trunkline_sdk::Settings;
use trunkline_webhook::Limits;

const README: &str = include_str!("../README.md");

#[tokio::test]
async fn each_command_of_the_readme_is_answered_200() {
    let blocks: Vec<_> = README
        .split("```sh\n# ")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .filter_map(|(block, _)| block.split_once('\n'))
        .collect();
    assert!(blocks.len() >= 11, "{blocks:#?}");
    for (word, script) in blocks {
        // given
        let url = [("public_url", "https://hooks.acme.example")];
        let settings = match word {
            "none" => settings_with(&url, Settings::of([("none", "true")])),
            _ => settings(&url, word, &["a-secret"]),
        };
        let peer = Peer::open(&settings, Limits::default()).await;
        let flow = peer.flow_on("/in").await;
        // when
        let mut shell = Command::new("sh")
            .args(["-e", "-u", "-s"])
            .env("SECRET", "a-secret")
            .env("AT", format!("http://{}/in", peer.address))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("there is a shell");
        let mut stdin = shell.stdin.take().expect("it is piped");
        stdin.write_all(script.as_bytes()).await.expect("it reads");
        drop(stdin);
        let output = shell.wait_with_output().await.expect("it ends");
        // then
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.starts_with("HTTP/1.1 200 OK"), "{word}: {told}");
        let records = if word == "xero" { 0 } else { 1 };
        assert_eq!(flow.desk.accepted().len(), records, "{word}: {told}");
    }
}

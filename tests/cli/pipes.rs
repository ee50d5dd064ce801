//! Nobody has to listen.

use std::{io::pipe, process::Stdio, time::Duration};

use crate::{
    scene::Scene,
    support::{
        process::{command, output},
        shop,
    },
};

#[tokio::test]
async fn a_reader_that_has_left_is_no_failure() {
    let scene = Scene::shop();
    let home = scene.home();
    let home = home.to_str().expect("the path is text");
    for arguments in [
        &["--help"][..],
        &["adapters"],
        &["check", home, "--json"],
        &["dead-letters", "list", home, "--json"],
    ] {
        let (reader, writer) = pipe().expect("the system has pipes");
        drop(reader);
        let child = command(arguments, &[])
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn();
        let ended = child
            .expect("the program was built for this test")
            .wait_with_output()
            .await;
        let ended = ended.expect("it can be waited for");
        let talk = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{arguments:?}: {talk}");
        assert!(!talk.contains("mistake"), "{arguments:?}: {talk}");
    }
}

#[tokio::test]
async fn data_that_finds_no_room_is_told() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let child = command(&["adapters", "--json"], &[])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn();
    let ended = child
        .expect("the program was built for this test")
        .wait_with_output()
        .await;
    let ended = ended.expect("it can be waited for");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&ended.stderr),
        "error: cannot write to stdout: no storage space\n  = hint: make room where it is written to\n"
    );
}

#[tokio::test]
async fn it_works_on_when_nobody_reads_its_log_any_more() {
    // given a log that nobody reads
    let scene = Scene::shop();
    let home = scene.home();
    let (reader, writer) = pipe().expect("the system has pipes");
    drop(reader);
    let listen = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let listen = listen.expect("a port is free").to_string();
    let variables = [("SHOP_LISTEN", listen.as_str()), ("SHOP_SECRET", shop::SECRET)];
    let mut process = command(&["run", home.to_str().expect("the path is text")], &variables)
        .stderr(writer)
        .kill_on_drop(true)
        .spawn()
        .expect("the program was built for this test");
    // when it works, then it answers
    tokio::time::timeout(Duration::from_secs(60), shop::deliver(&listen, 0))
        .await
        .expect("it is at work");
    // and it stops in order
    let id = process.id().expect("it is running").to_string();
    let told = tokio::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .await;
    assert!(told.expect("`kill` is there").success());
    assert!(process.wait().await.expect("it can be waited for").success());
    let (code, _, talk) = output(
        &["dead-letters", "list", home.to_str().expect("the path is text")],
        &[],
    )
    .await;
    assert_eq!(code, Some(0), "the bus was closed: {talk}");
}

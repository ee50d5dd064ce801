//! `trunkline check --watch`: told as a file is saved.

use std::fs;

use crate::{SECRET, process::Process, program::landscape};

#[tokio::test]
async fn a_mistake_is_told_when_it_is_saved_and_gone_when_it_is_mended() {
    // given
    let home = landscape(&[]);
    let shown = home.path().to_str().expect("it is text");
    let mut check = Process::start(&["check", shown, "--watch"], &[("SHOP_SECRET", SECRET)]);
    check.says("no problems").await;
    check.says("watching").await;
    let flow = home.path().join("flows/picks.yaml");
    let right = fs::read_to_string(&flow).expect("it is there");
    // when, then
    fs::write(&flow, right.replace("eu-orders", "eu-order")).expect("there is room");
    check.says("there is no channel `eu-order`").await;
    check.says("1 problem").await;
    fs::write(&flow, &right[..right.len() / 2]).expect("there is room");
    check.says("watching").await;
    fs::write(&flow, right).expect("there is room");
    check.says("no problems").await;
    fs::rename(home.path().join("flows"), home.path().join("away")).expect("there is room");
    check.says("this landscape has no flows").await;
    fs::rename(home.path().join("away"), home.path().join("flows")).expect("there is room");
    check.says("no problems").await;
    fs::remove_dir_all(home.path()).expect("it is there");
    check.says("there is no folder").await;
    check.says("watching").await;
    // and in the end
    assert!(check.terminate().await.success());
}

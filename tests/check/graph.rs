//! `trunkline graph`: what the README shows is what the program draws.

use std::{fs, path::Path};

use crate::{SECRET, process::output, program::landscape};

#[tokio::test]
async fn the_picture_in_the_repository_is_the_one_that_is_drawn() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let shown = shop.to_str().expect("it is text");
    let (code, drawn, _) = output(&["graph", shown, "--format", "svg"], &[]).await;
    assert_eq!(code, Some(0));
    let path = shop.join("landscape.svg");
    if std::env::var_os("TRUNKLINE_BLESS").is_some() {
        fs::write(&path, &drawn).expect("it can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == kept,
        "it is old: trunkline graph examples/shop --format svg > examples/shop/landscape.svg"
    );
}

#[tokio::test]
async fn a_landscape_is_drawn_as_text_unless_a_picture_is_asked_for() {
    let home = landscape(&[]);
    let shown = home.path().to_str().expect("it is text");
    let (code, drawn, talk) = output(&["graph", shown], &[("SHOP_SECRET", SECRET)]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    for line in [
        "flowchart LR",
        "[[\"shop<br>webhook\"]]",
        "([\"eu-orders<br>Order\"])",
        "[\"route-orders<br>filter, route\"]",
    ] {
        assert!(drawn.contains(line), "{line}: {drawn}");
    }
}

#[tokio::test]
async fn a_landscape_with_mistakes_is_not_drawn_and_they_are_told() {
    let home = landscape(&[("flows/picks.yaml", b"flow: picks\nfrom: eu-order\nto: orders\n")]);
    let shown = home.path().to_str().expect("it is text");
    let (code, drawn, talk) = output(&["graph", shown], &[("SHOP_SECRET", SECRET)]).await;
    assert_eq!((code, drawn.as_str()), (Some(1), ""));
    assert!(talk.contains("there is no channel `eu-order`"), "{talk}");
}

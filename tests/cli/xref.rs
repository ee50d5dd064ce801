//! Cross-references from the command line: imported, shown, corrected.

use crate::scene::Scene;

fn file(scene: &Scene, text: &str) -> String {
    let path = scene.home().join("references.csv");
    std::fs::write(&path, text).expect("the test may write there");
    path.to_str().expect("the path is text").to_owned()
}

#[tokio::test]
async fn references_are_imported_shown_corrected_and_removed() {
    // given
    let scene = Scene::shop();
    let csv = file(
        &scene,
        "system,kind,id,identity\nshop,customer,17,c-1\nerp,customer,K-0042,c-1\n",
    );
    // when and then
    let (code, data, talk) = scene.command(&["xref", "import", &csv], &[]).await;
    assert_eq!((code, data.as_str()), (Some(0), ""), "{talk}");
    assert_eq!(talk, "2 cross-references: 2 added, 0 changed, 0 as before\n");
    let (code, _, talk) = scene
        .command(&["xref", "set", "erp", "customer", "K-0042", "c-2"], &[])
        .await;
    assert_eq!((code, talk.as_str()), (Some(0), "changed\n"));
    let (code, data, talk) = scene.command(&["xref", "show"], &[]).await;
    assert_eq!((code, talk.as_str()), (Some(0), "2 cross-references\n"));
    assert_eq!(data, "customer  c-1  shop  17\ncustomer  c-2  erp  K-0042\n");
    let (_, data, _) = scene
        .command(&["xref", "show", "--json", "--identity", "c-2"], &[])
        .await;
    assert_eq!(
        data,
        "[{\"system\":\"erp\",\"kind\":\"customer\",\"id\":\"K-0042\",\"identity\":\"c-2\"}]\n"
    );
    let (code, _, talk) = scene
        .command(&["xref", "remove", "erp", "customer", "K-0042"], &[])
        .await;
    assert_eq!(
        (code, talk.as_str()),
        (Some(0), "removing customer K-0042 of erp, which means c-2\n")
    );
    let (code, _, talk) = scene
        .command(&["xref", "remove", "erp", "customer", "K-0042"], &[])
        .await;
    assert_eq!(code, Some(1));
    assert!(
        talk.starts_with("error: there is no such cross-reference\n  = hint: `trunkline xref show`"),
        "{talk}"
    );
}

#[tokio::test]
async fn a_file_with_mistakes_imports_nothing_and_all_of_them_are_told() {
    // given
    let scene = Scene::shop();
    let csv = file(
        &scene,
        "system,kind,id,identity\nshopp,customer,17,c-1\nshop,customer,18,\nshop,customer,19,c-2\nshop,customer,19,c-3\n",
    );
    // when
    let (code, data, talk) = scene.command(&["xref", "import", &csv], &[]).await;
    // then
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert_eq!(
        talk,
        "\
error: there is no system `shopp`
  --> SHOP/references.csv:2
error: the identity is empty or holds a control character
  --> SHOP/references.csv:3
error: the id stands in the file twice, with two identities
  --> SHOP/references.csv:5
nothing was imported: 3 problems
"
    );
    let (_, data, _) = scene.command(&["xref", "show"], &[]).await;
    assert_eq!(data, "");
}

#[tokio::test]
async fn a_system_has_one_id_for_an_identity() {
    // given
    let scene = Scene::shop();
    let set = async |id: &str, identity: &str| {
        let words = ["xref", "set", "erp", "customer", id, identity];
        scene.command(&words, &[]).await
    };
    assert_eq!(set("K-1", "c-1").await.2, "added\n");
    // when
    let (code, _, talk) = set("K-2", "c-1").await;
    // then
    assert_eq!(code, Some(1));
    assert_eq!(
        talk,
        "error: `erp` has `K-1` for this customer already, and an identity has one id in a system\n  = hint: see \
         `trunkline xref show`, and remove the one that is wrong first: `trunkline xref remove`\n"
    );
    assert_eq!(set("K-1", "c-1").await.2, "as before\n");
    // when a file says so of its own lines, and of what is there
    let csv = file(
        &scene,
        "system,kind,id,identity\nerp,customer,K-2,c-1\nerp,customer,K-3,c-3\nerp,customer,K-4,c-3\n",
    );
    let (code, _, talk) = scene.command(&["xref", "import", &csv], &[]).await;
    assert_eq!(code, Some(1));
    for told in [
        "error: `erp` has `K-1` for this customer already, and an identity has one id in a system\n  --> SHOP/references.csv:2\n",
        "error: the identity has another id of the system on line 3 already\n  --> SHOP/references.csv:4\n",
        "nothing was imported: 2 problems\n",
    ] {
        assert!(talk.contains(told), "{talk}");
    }
    // when the file moves the other one away
    let csv = file(
        &scene,
        "system,kind,id,identity\nerp,customer,K-2,c-1\nerp,customer,K-1,c-2\n",
    );
    let (code, _, talk) = scene.command(&["xref", "import", &csv], &[]).await;
    assert_eq!(
        (code, talk.as_str()),
        (Some(0), "2 cross-references: 1 added, 1 changed, 0 as before\n")
    );
}

#[tokio::test]
async fn references_need_the_systems_and_the_store_and_nothing_else_of_the_landscape() {
    // given
    let scene = Scene::shop();
    std::fs::write(scene.home().join("flows/stock.yaml"), "flow: [\n").expect("the test may write there");
    // when
    let (code, data, talk) = scene.command(&["xref", "show"], &[]).await;
    // then
    assert_eq!((code, data.as_str()), (Some(0), ""));
    assert_eq!(
        talk,
        "SHOP: 1 problem elsewhere, which `trunkline check` tells\n0 cross-references\n"
    );
    assert!(!scene.home().join("data").exists());
    // when it is not known which systems there are
    scene.edit("systems:", "systmes:");
    let (code, _, talk) = scene.command(&["xref", "show"], &[]).await;
    assert_eq!(code, Some(1));
    assert!(talk.starts_with("error: unknown option `systmes`\n"), "{talk}");
}

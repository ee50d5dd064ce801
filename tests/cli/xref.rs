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

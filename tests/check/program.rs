//! `trunkline check` as a process: exit codes, stdout for data, stderr for talk.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{SECRET, case::base, process::output};

/// A landscape in a folder, with these files changed.
pub(crate) fn landscape(files: &[(&str, &[u8])]) -> TempDir {
    let home = tempfile::tempdir().expect("there is room");
    let base = base();
    let base = base.iter().map(|(name, text)| (&**name, text.as_bytes()));
    for (name, bytes) in base.chain(files.iter().copied()) {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
        fs::write(path, bytes).expect("there is room");
    }
    home
}

/// Exit code, stdout and stderr of a check; the folder is shown as `HOME`.
pub(crate) async fn check(home: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let shown = home.to_str().expect("it is text");
    let mut arguments = vec!["check", shown];
    arguments.extend(options);
    let (code, stdout, stderr) = output(&arguments, &[("SHOP_SECRET", SECRET)]).await;
    assert!(
        !stdout.contains(SECRET) && !stderr.contains(SECRET),
        "{stdout}{stderr}"
    );
    (code, stdout.replace(shown, "HOME"), stderr.replace(shown, "HOME"))
}

#[tokio::test]
async fn a_landscape_without_mistakes_is_told_so_on_stderr_and_exits_0() {
    let home = landscape(&[]);
    assert_eq!(
        check(home.path(), &[]).await,
        (
            Some(0),
            String::new(),
            "HOME: 3 systems, 3 channels, 5 flows: no problems\n".to_owned()
        )
    );
    let (code, stdout, _) = check(home.path(), &["--json"]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "[]\n"));
}

#[tokio::test]
async fn mistakes_are_talk_on_stderr_and_exit_1() {
    let home = landscape(&[("flows/picks.yaml", b"flow: picks\nfrom: eu-order\nto: ordrs\n")]);
    assert_eq!(
        check(home.path(), &[]).await,
        (
            Some(1),
            String::new(),
            "\
error: there is no channel `eu-order`
  --> flows/picks.yaml:2:7
   | from: eu-order
   |       ^^^^^^^^
   = hint: did you mean `eu-orders`? channels: `eu-orders`, `orders`, `other-orders`

error: there is no channel `ordrs`
  --> flows/picks.yaml:3:5
   | to: ordrs
   |     ^^^^^
   = hint: did you mean `orders`? channels: `eu-orders`, `orders`, `other-orders`

HOME: 2 problems
"
            .to_owned()
        )
    );
}

#[tokio::test]
async fn with_json_mistakes_are_one_array_on_stdout() {
    // given
    let home = landscape(&[("flows/picks.yaml", b"flow: picks\nfrom: eu-order\nto: orders\n")]);
    // when
    let (code, stdout, stderr) = check(home.path(), &["--json"]).await;
    // then
    assert_eq!((code, stderr.as_str()), (Some(1), "HOME: 1 problem\n"));
    assert_eq!(
        stdout,
        "[{\"file\":\"flows/picks.yaml\",\"line\":2,\"column\":7,\"width\":8,\
         \"what\":\"there is no channel `eu-order`\",\
         \"hint\":\"did you mean `eu-orders`? channels: `eu-orders`, `orders`, `other-orders`\"}]\n"
    );
}

#[tokio::test]
async fn what_is_no_landscape_is_told_and_exits_1() {
    let empty = tempfile::tempdir().expect("there is room");
    let (code, _, stderr) = check(empty.path(), &[]).await;
    assert_eq!(
        (code, stderr.as_str()),
        (
            Some(1),
            "error: `HOME` is no landscape: it has no `trunkline.yaml`\n  = hint: name the folder that holds \
             `trunkline.yaml`: `trunkline run examples/shop`\n"
        )
    );
    fs::write(empty.path().join("trunkline.yml"), "").expect("there is room");
    let (_, _, stderr) = check(empty.path(), &[]).await;
    assert!(
        stderr.contains("rename `trunkline.yml` to `trunkline.yaml`"),
        "{stderr}"
    );
    let (code, _, stderr) = check(&empty.path().join("away"), &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: there is no folder `HOME`\n"),
        "{stderr}"
    );
}

#[tokio::test]
async fn with_json_what_is_no_landscape_is_a_problem_among_others() {
    let empty = tempfile::tempdir().expect("there is room");
    let (code, stdout, stderr) = check(empty.path(), &["--json"]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        stdout,
        "[{\"file\":\"trunkline.yaml\",\"line\":1,\"column\":1,\"width\":1,\
         \"what\":\"`HOME` is no landscape: it has no `trunkline.yaml`\",\
         \"hint\":\"name the folder that holds `trunkline.yaml`: `trunkline run examples/shop`\"}]\n"
    );
    assert!(stderr.starts_with("error: `HOME` is no landscape"), "{stderr}");
}

//! What `trunkline check --against OLD` tells. `against/` holds cases as `cases/` does: above `---` the change, below
//! it the transcript; the landscape before is in `before/`.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use trunkline::config::{self, Before, Files, Landscape, Variables};

use crate::{
    case::Case,
    folder,
    program::{check, landscape},
};

/// A type of the landscape's own, on a channel of its own.
const REPAIR: &str = include_str!("against/before/repair.proto");
const TRUNKLINE: &str = include_str!("against/before/trunkline.yaml");
const FIX: &str = include_str!("against/before/fix.yaml");
const TAKE: &str = include_str!("against/before/take.yaml");

fn before() -> [(&'static str, &'static str); 4] {
    [
        ("trunkline.yaml", TRUNKLINE),
        ("proto/acme/v1/repair.proto", REPAIR),
        ("flows/take.yaml", TAKE),
        ("flows/fix.yaml", FIX),
    ]
}

fn of(files: Files) -> Landscape {
    let lookup = |name: &str| (name == "SHOP_SECRET").then(|| "x".to_owned());
    Landscape::of(".".into(), files, &Variables::new(&lookup), Vec::new())
}

#[test]
fn every_change_is_told_with_whom_it_breaks_and_what_becomes_of_messages() {
    let bless = std::env::var_os("TRUNKLINE_BLESS").is_some();
    let model = trunkline_proto::descriptor_pool();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(folder("against/cases")).expect("it is there") {
        // given
        let path = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("a case is text");
        let case = Case::of(&text, before());
        let old = Before::landscape("old", of(Files::of(before())), model);
        cases += 1;
        // when
        let now = of(case.files());
        let report = config::report(&now, &old.broken_by(&now, model));
        // then
        if report != case.expected && bless {
            fs::write(&path, format!("{}---\n{report}", case.change)).expect("it can be written");
        } else if report != case.expected {
            wrong.push(format!("{}\n--- told\n{report}", path.display()));
        }
    }
    assert!(cases >= 15, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn written(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().expect("there is room");
    for (name, text) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
        fs::write(path, text).expect("there is room");
    }
    home
}

fn changed() -> Vec<(&'static str, String)> {
    let change = |(name, text): (&'static str, &str)| {
        let text = text.replace("uint32 days = 3", "string days = 3");
        (name, text.replace("uint(this.days)", "string(this.days)"))
    };
    before().map(change).to_vec()
}

/// Exit code and stderr of a check of the changed landscape.
async fn told(home: &Path, old: &str) -> (Option<i32>, String) {
    let (code, _, stderr) = check(home, &["--against", old]).await;
    (code, stderr.replace(old, "OLD"))
}

const BROKEN: &str = "`acme.v1.Repair.days` changed its type from `uint32` to `string`";

#[tokio::test]
async fn a_folder_a_revision_and_a_descriptor_set_are_compared_with() {
    // given
    let old = written(&before());
    let changed = changed();
    let changed: Vec<_> = changed
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let new = written(&changed);
    // a folder
    let folder = old.path().to_str().expect("it is text");
    let (code, stderr) = told(new.path(), folder).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains(BROKEN) && stderr.contains("1 problem\n"),
        "{stderr}"
    );
    let (code, stderr) = told(old.path(), folder).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.ends_with("no problems; nothing breaks against HOME\n"),
        "{stderr}"
    );
    // a descriptor set
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([old.path().join("proto"), model]).expect("it is a folder");
    compiler.include_imports(true);
    compiler.open_file("acme/v1/repair.proto").expect("it is right");
    let set = old.path().join("model.binpb");
    fs::write(&set, compiler.encode_file_descriptor_set()).expect("there is room");
    let (code, stderr) = told(new.path(), set.to_str().expect("it is text")).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(BROKEN), "{stderr}");
    // a revision
    let git = |arguments: &[&str]| {
        let set = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
        ];
        let mut git = Command::new("git");
        let done = git.arg("-C").arg(old.path()).args(set).args(arguments).output();
        assert!(done.expect("`git` is there").status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "before"]);
    for (name, text) in &changed {
        fs::write(old.path().join(name), text).expect("there is room");
    }
    let (code, stderr) = told(old.path(), "git:HEAD").await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(BROKEN), "{stderr}");
}

#[tokio::test]
async fn what_cannot_be_compared_with_is_told() {
    let home = landscape(&[]);
    fs::write(home.path().join("noise"), [0xff; 100]).expect("there is room");
    let noise = home.path().join("noise");
    for (old, told_of) in [
        ("away", "error: there is no `OLD` to compare with\n"),
        (noise.to_str().expect("it is text"), "is no descriptor set"),
        ("git:--help", "is no revision of git"),
        ("git:nowhere", "git cannot tell what there was"),
    ] {
        let (code, stderr) = told(home.path(), old).await;
        assert_eq!(code, Some(1), "{old}: {stderr}");
        assert!(
            stderr.contains(told_of) && stderr.contains("hint: "),
            "{old}: {stderr}"
        );
    }
}

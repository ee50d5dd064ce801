//! The example shop in a folder of the test's own, and the program at its work there.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::process::{Process, output};

/// How a command ended: exit code, stdout, stderr.
pub(crate) type Ended = (Option<i32>, String, String);

/// A landscape of the test's own.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    /// A copy of `examples/shop`.
    pub(crate) fn shop() -> Self {
        let scene = Self {
            folder: TempDir::new().expect("there is a place for temporary files"),
        };
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop"),
            &scene.home(),
        );
        std::fs::create_dir_all(scene.home().join("drop")).expect("the test may write there");
        scene
    }

    /// The landscape's folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    /// Replaces a text in `trunkline.yaml`.
    pub(crate) fn edit(&self, from: &str, to: &str) -> &Self {
        let path = self.home().join("trunkline.yaml");
        let text = std::fs::read_to_string(&path).expect("it was copied");
        assert!(text.contains(from), "`{from}` stands in it");
        std::fs::write(path, text.replacen(from, to, 1)).expect("the test may write there");
        self
    }

    /// `trunkline run` to its end, which it comes to by itself.
    pub(crate) async fn run(&self, variables: &[(&str, &str)]) -> Ended {
        self.command(&["run"], variables).await
    }

    /// A command on the landscape, to its end. `SHOP`: where the landscape is, in what is said.
    pub(crate) async fn command(&self, command: &[&str], variables: &[(&str, &str)]) -> Ended {
        let home = self.home();
        let home = home.to_str().expect("the path is text");
        let mut arguments = command.to_vec();
        arguments.insert(verb(command), home);
        let (code, data, talk) = output(&arguments, &any_port(variables)).await;
        (code, data.replace(home, "SHOP"), talk.replace(home, "SHOP"))
    }

    /// `trunkline run`, still running.
    pub(crate) fn start(&self, variables: &[(&str, &str)]) -> Process {
        let home = self.home();
        Process::start(
            &["run", home.to_str().expect("the path is text")],
            &any_port(variables),
        )
    }
}

/// How many words the command has before its options.
fn verb(command: &[&str]) -> usize {
    command
        .iter()
        .position(|word| word.starts_with('-'))
        .unwrap_or(command.len())
}

/// These variables, and a free port where none is given.
fn any_port<'v>(variables: &[(&'v str, &'v str)]) -> Vec<(&'v str, &'v str)> {
    let mut all = vec![("SHOP_LISTEN", "127.0.0.1:0")];
    all.extend(variables);
    all
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the test may write there");
    for entry in std::fs::read_dir(from).expect("the example is there").flatten() {
        let name = entry.file_name();
        if entry.path().is_dir() {
            if name != "data" && name != "drop" {
                copy(&entry.path(), &to.join(name));
            }
        } else {
            std::fs::copy(entry.path(), to.join(name)).expect("the test may write there");
        }
    }
}

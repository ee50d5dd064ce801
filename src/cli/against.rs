//! `--against OLD`: the landscape that was there before: a folder, a revision of git, or its message types alone.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use prost_reflect::DescriptorPool;
use trunkline_sdk::Fault;

use crate::config::{Before, Files, Landscape, Variables};

/// No descriptor set of a model that people write is larger, nor what git has to say of a landscape.
const MOST: u64 = 64 << 20;
/// Nor has a landscape more files.
const MOST_FILES: usize = 3000;

/// Finds what `old` names; `home` is the landscape as it is now.
///
/// Faults: there is no such thing, or it is something else.
pub(super) fn find(old: &str, home: &Path, variables: &Variables<'_>) -> Result<Before, Fault> {
    let model = trunkline_proto::descriptor_pool();
    let path = Path::new(old);
    if let Some(revision) = old.strip_prefix("git:") {
        let files = of_git(home, revision)?;
        let landscape = Landscape::of(home.to_owned(), files, variables, Vec::new());
        return Ok(Before::landscape(old, landscape, model));
    }
    if path.is_dir() {
        let landscape = Landscape::read(PathBuf::from(old), variables)?;
        return Ok(Before::landscape(old, landscape, model));
    }
    if !path.is_file() {
        return Err(Fault::stop(format!("there is no `{old}` to compare with")).hint(
            "name the folder of the landscape as it was, a revision (`git:v1.2`), or a descriptor set, as \
             `buf build -o model.binpb` writes it",
        ));
    }
    let pool = types(path).map_err(|what| {
        Fault::stop(format!("`{old}` is no descriptor set: {what}"))
            .hint("write it with its imports: `buf build -o model.binpb`, `protoc --include_imports -o model.binpb`")
    })?;
    Ok(Before::types(old, pool))
}

fn types(path: &Path) -> Result<DescriptorPool, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.kind().to_string())?;
    if bytes.len() as u64 > MOST {
        return Err(format!("it is larger than {} MiB", MOST >> 20));
    }
    DescriptorPool::decode(bytes.as_slice()).map_err(|error| error.to_string().replace('\'', "`"))
}

/// The files of the landscape at a revision.
fn of_git(home: &Path, revision: &str) -> Result<Files, Fault> {
    if revision.is_empty() || revision.starts_with('-') {
        return Err(
            Fault::stop(format!("`{revision}` is no revision of git")).hint("as in `--against git:main`")
        );
    }
    let list = git(home, &["ls-tree", "-r", "-z", "--name-only", revision])?;
    let is_ours = |name: &&str| {
        let ending = name.rsplit('.').next();
        *name == "trunkline.yaml"
            || match name.split('/').next() {
                Some("flows") => matches!(ending, Some("yaml" | "yml")),
                Some("maps") => ending == Some("cel"),
                Some("tables") => matches!(ending, Some("csv" | "yaml")),
                Some("schemas") => matches!(ending, Some("csv" | "json")),
                Some("proto") => ending == Some("proto"),
                _ => false,
            }
    };
    let names: Vec<_> = list.split('\0').filter(is_ours).take(MOST_FILES).collect();
    if !names.contains(&"trunkline.yaml") {
        let what = format!(
            "`{}` was no landscape at `{revision}`: it had no `trunkline.yaml`",
            home.display()
        );
        return Err(Fault::stop(what).hint("name a revision in which it was there"));
    }
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let text = git(home, &["show", &format!("{revision}:./{name}")])?;
        texts.push((name, text));
    }
    Ok(Files::of(texts.iter().map(|(name, text)| (*name, text.as_str()))))
}

fn git(home: &Path, arguments: &[&str]) -> Result<String, Fault> {
    let cannot = |what: String| {
        Fault::stop(format!("git cannot tell what there was: {what}"))
            .hint("see whether the revision is there: `git log`; or name a folder instead")
    };
    let mut child = Command::new("git")
        .arg("-C")
        .arg(home)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| cannot(error.kind().to_string()))?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MOST).read_to_end(&mut bytes);
        read.map_err(|error| cannot(error.kind().to_string()))?;
    }
    let status = child.wait().map_err(|error| cannot(error.kind().to_string()))?;
    if !status.success() {
        return Err(cannot(format!("`git {}` fails", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

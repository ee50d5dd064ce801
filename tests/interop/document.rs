//! The README, as far as it speaks of the wire: what it says is what is tested.

use std::fs;

use crate::client::root;

const HEADING: &str = "## A message on the wire";

/// The section that describes a message on the wire.
pub(crate) fn section() -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("the root has a README.md");
    let from = readme.find(HEADING).expect("it has the section on the wire");
    let section = &readme[from..];
    let to = section[HEADING.len()..].find("\n## ");
    section[..to.map_or(section.len(), |to| HEADING.len() + to)].to_owned()
}

/// The block of code after `<!-- test: interop <name> -->`.
pub(crate) fn block(name: &str) -> String {
    let section = section();
    let mark = format!("<!-- test: interop {name} -->\n```");
    let (_, from) = section
        .split_once(&mark)
        .unwrap_or_else(|| panic!("the README has no block of code marked `{name}`"));
    let (_language, code) = from.split_once('\n').expect("a fence ends its line");
    let (code, _) = code.split_once("\n```").expect("a fence is closed");
    format!("{code}\n")
}

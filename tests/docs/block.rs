//! The blocks of the README, each with the mark in front of it: `<!-- test: MARK -->`.

use std::fs;

/// A fenced block.
pub(crate) struct Block {
    pub(crate) mark: String,
    pub(crate) text: String,
}

/// All blocks, in their order. One without a mark fails the test.
pub(crate) fn blocks() -> Vec<Block> {
    let readme = fs::read_to_string(super::root().join("README.md")).expect("the root has a README.md");
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let mark = before
                .strip_prefix("<!-- test: ")
                .and_then(|mark| mark.strip_suffix(" -->"));
            let mark = mark
                .unwrap_or_else(|| panic!("a block without a mark, behind the line\n{before}"))
                .to_owned();
            let text: String = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .flat_map(|line| [line, "\n"])
                .collect();
            blocks.push(Block { mark, text });
        }
        before = line;
    }
    blocks
}

/// The one block with this mark.
pub(crate) fn marked(mark: &str) -> Block {
    let mut found: Vec<_> = blocks().into_iter().filter(|block| block.mark == mark).collect();
    assert_eq!(found.len(), 1, "blocks marked `{mark}`");
    found.remove(0)
}

//! The committed files are those the generator writes today, and what is released still holds.

use std::fs;
use std::path::Path;

use trunkline_proto::compatibility::breaking_changes;

#[path = "../examples/generate.rs"]
mod generate;

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    // given
    let written = generate::generated_files().expect("the .proto files compile");

    // when
    let mut stale: Vec<String> = written
        .iter()
        .filter(|(name, content)| fs::read(generate::root().join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| format!("proto/{} is stale", name.display()))
        .collect();
    for file in fs::read_dir(generate::root().join("src/gen")).expect("the folder is committed") {
        let name = file.expect("the folder can be listed").file_name();
        if !written.contains_key(&Path::new("src/gen").join(&name)) {
            stale.push(format!(
                "proto/src/gen/{} belongs to no .proto file",
                name.display()
            ));
        }
    }

    // then
    assert!(
        stale.is_empty(),
        "{}\n  = hint: run `{}`\n",
        stale.join("\n"),
        generate::COMMAND
    );
}

#[test]
fn nothing_that_was_released_is_broken() {
    // given
    let released = generate::released().expect("the released set is committed and whole");
    let today = generate::compiler()
        .expect("the .proto files compile")
        .descriptor_pool();

    // when
    let broken = breaking_changes(&released, &today);

    // then
    let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} breaking changes:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

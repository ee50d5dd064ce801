//! The landscapes in the READMEs of adapters are right: with the mappings they leave out, `check` finds nothing.

use std::{collections::BTreeMap, fs, path::Path};

use trunkline::config::{self, Files, Landscape, Variables};

#[test]
fn what_the_readme_of_the_file_adapter_shows_is_right() {
    shows_what_is_right(
        "file",
        5,
        "StockLevel",
        &["stock", "orders", "prices", "bookings"],
    );
}

#[test]
fn what_the_readme_of_the_timer_shows_is_right() {
    shows_what_is_right("timer", 3, "StockLevel", &["stock"]);
}

#[test]
fn what_the_readme_of_the_mail_adapter_shows_is_right() {
    shows_what_is_right("smtp", 3, "Order", &["orders"]);
}

/// At least so many blocks, which use these channels of this type.
fn shows_what_is_right(adapter: &str, blocks: usize, carried: &str, channels: &[&str]) {
    // given each block under the name in its first line, and what it takes for granted
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("adapters")
        .join(adapter)
        .join("README.md");
    let readme = fs::read_to_string(path).expect("there is a README.md");
    let mut files = BTreeMap::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line == "```yaml" {
            let text: String = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .flat_map(|line| [line, "\n"])
                .collect();
            let name = text
                .lines()
                .next()
                .and_then(|first| first.strip_prefix("# "))
                .expect("a block begins with the name of its file");
            files.insert(name.to_owned(), text);
        }
    }
    assert!(files.len() >= blocks, "{files:#?}");
    let system = files.get_mut("trunkline.yaml").expect("it is shown");
    system.push_str("bus: embedded:./data\nchannels:\n");
    for channel in channels {
        system.push_str(&format!(
            "  {channel}: {{ type: trunkline.commerce.v1.{carried}, external: true }}\n"
        ));
    }
    let flows: String = files.values().map(String::as_str).collect();
    for line in flows.lines() {
        if let Some(map) = line.trim().strip_prefix("- translate: ") {
            files.insert(
                map.to_owned(),
                "StockLevel{ sku: \"A\", counted_at: timestamp(attributes.time) }\n".to_owned(),
            );
        }
    }
    // when
    let files = Files::of(files.iter().map(|(name, text)| (&**name, &**text)));
    let landscape = Landscape::of(
        ".".into(),
        files,
        &Variables::new(&|_| Some("set".to_owned())),
        Vec::new(),
    );
    let problems = config::check(&landscape, trunkline_proto::descriptor_pool()).err();
    // then
    let problems = problems.unwrap_or_default();
    assert!(problems.is_empty(), "{}", config::report(&landscape, &problems));
}

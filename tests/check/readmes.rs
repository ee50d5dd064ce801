//! The landscapes in the READMEs of adapters are right: with the mappings they leave out, `check` finds nothing.

use std::{collections::BTreeMap, fs, path::Path};

use trunkline::config::{self, Files, Landscape, Variables};

#[test]
fn what_the_readme_of_the_file_adapter_shows_is_right() {
    let files = shown("file");
    assert!(files.len() >= 5, "{files:#?}");
    is_right(
        files,
        &["stock", "orders", "prices", "bookings"],
        "trunkline.commerce.v1.StockLevel",
        "StockLevel{ sku: \"A\", counted_at: timestamp(attributes.time) }\n",
    );
}

#[test]
fn what_the_readme_of_the_webhook_adapter_shows_is_right() {
    let files = shown("webhook");
    assert!(files.len() >= 4, "{files:#?}");
    is_right(
        files,
        &["orders", "questions"],
        "trunkline.commerce.v1.StockLevel",
        "StockLevel{ sku: \"A\", counted_at: timestamp(attributes.time) }\n",
    );
}

/// Each block of YAML under the name in its first line.
fn shown(adapter: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("adapters")
        .join(adapter);
    let readme = fs::read_to_string(path.join("README.md")).expect("there is a README.md");
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
    files
}

/// With what the blocks take for granted (these channels, and a mapping wherever one is named), nothing is wrong.
fn is_right(mut files: BTreeMap<String, String>, channels: &[&str], type_name: &str, mapping: &str) {
    // given
    let system = files.get_mut("trunkline.yaml").expect("it is shown");
    system.push_str("bus: embedded:./data\nchannels:\n");
    for channel in channels {
        system.push_str(&format!("  {channel}: {{ type: {type_name}, external: true }}\n"));
    }
    let flows: String = files.values().map(String::as_str).collect();
    for line in flows.lines() {
        if let Some(map) = line.trim().strip_prefix("- translate: ") {
            files.insert(map.to_owned(), mapping.to_owned());
        }
    }
    // when
    let files = Files::of(files.iter().map(|(name, text)| (&**name, &**text)));
    let variables = Variables::new(&|_| Some("a value".to_owned()));
    let landscape = Landscape::of(".".into(), files, &variables, Vec::new());
    let problems = config::check(&landscape, trunkline_proto::descriptor_pool()).err();
    // then
    let problems = problems.unwrap_or_default();
    assert!(problems.is_empty(), "{}", config::report(&landscape, &problems));
}

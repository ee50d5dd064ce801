//! Landscapes that are large, and files that mean no good: what is told comes in bounded time.

use std::{
    fmt::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use trunkline::config::{self, Files, Landscape, Variables};

use crate::case::base;

/// What a check of these files takes, and how many problems it tells, as a person and a program would see them.
fn check(files: &[(String, String)]) -> (Duration, usize, usize) {
    let began = Instant::now();
    let files = Files::of(files.iter().map(|(name, text)| (&**name, &**text)));
    let lookup = |name: &str| (name == "SHOP_SECRET").then(|| "hush".to_owned());
    let landscape = Landscape::of(PathBuf::from("."), files, &Variables::new(&lookup), Vec::new());
    let problems = config::check(&landscape, trunkline_proto::descriptor_pool()).err();
    let problems = problems.unwrap_or_default();
    let report = config::report(&landscape, &problems[..problems.len().min(100)]);
    (began.elapsed(), problems.len(), report.len())
}

/// So many flows, each with a mapping of its own, and their channels and systems.
fn house(flows: usize) -> Vec<(String, String)> {
    let base = base();
    let mapping = &base["maps/order.cel"];
    let mut files = vec![(
        "tables/order-status.csv".to_owned(),
        base["tables/order-status.csv"].clone(),
    )];
    let mut root = "systems:\n".to_owned();
    let mut channels = "channels:\n".to_owned();
    for n in 0..flows {
        let (flow, channel) = (format!("flow-{n}"), n / 2);
        if n % 2 == 0 {
            let port = 8000 + n;
            writeln!(
                root,
                "  shop-{n}: {{ webhook: {{ listen: 127.0.0.1:{port}, verify: {{ shopify: \"${{SHOP_SECRET}}\" }} }} }}\n  \
                 erp-{n}: {{ sql: {{ url: sqlite:erp.db }} }}"
            )
            .expect("it is a String");
            writeln!(
                channels,
                "  orders-{channel}: {{ type: trunkline.commerce.v1.Order }}"
            )
            .expect("it is a String");
            let text = format!(
                "flow: {flow}\nfrom: {{ system: shop-{n}, path: /orders }}\nsteps:\n  - translate: maps/map-{n}.cel\n\
                 to: orders-{channel}\n"
            );
            files.push((format!("flows/{flow}.yaml"), text));
            files.push((format!("maps/map-{n}.cel"), mapping.clone()));
        } else {
            let of = n - 1;
            let text = format!(
                "flow: {flow}\nfrom: orders-{channel}\nsteps:\n  - filter: this.status == \"PAID\"\n  - split: {{ each: \
                 this.lines, as: line, emit: maps/map-{n}.cel }}\nto:\n  system: erp-{of}\n  statement: UPDATE stock \
                 SET on_hand = on_hand - :quantity WHERE sku = :sku\n"
            );
            files.push((format!("flows/{flow}.yaml"), text));
            let text =
                "StockMove{\n  sku: line.sku,\n  quantity: line.quantity,\n  order_id: this.order_id,\n}\n";
            files.push((format!("maps/map-{n}.cel"), text.to_owned()));
        }
    }
    root.push_str(&channels);
    files.push(("trunkline.yaml".to_owned(), root));
    files
}

#[test]
fn two_hundred_flows_and_mappings_are_checked_while_one_waits() {
    let house = house(200);
    let (took, problems, _) = check(&house);
    assert_eq!(problems, 0);
    // The limit is a second for the program as it is shipped; this one is not optimised, nor alone.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn in_a_landscape_where_every_name_is_wrong_time_and_words_are_bounded() {
    let house: Vec<_> = house(200)
        .into_iter()
        .map(|(name, text)| {
            (
                name,
                text.replace("to: orders-", "to: order-")
                    .replace("system: erp-", "system: epr-"),
            )
        })
        .collect();
    let (took, problems, told) = check(&house);
    assert!(problems >= 200, "{problems}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(told < 200_000, "{told}");
}

/// The largest file of YAML that is read.
const MOST: usize = 256 << 10;

/// Files that a parser could stumble over.
fn hostile() -> Vec<(&'static str, String)> {
    let half = MOST / 2 - 100;
    let bomb: String = (b'b'..b'z')
        .map(|name| {
            let (name, before) = (char::from(name), char::from(name - 1));
            format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "))
        })
        .collect();
    let lines = |line: &str| line.repeat(half / line.len());
    vec![
        ("alias bomb", format!("a: &a [x, x, x]\n{bomb}")),
        (
            "a line of brackets",
            format!("flow: a\nfrom: {}", "[".repeat(half)),
        ),
        ("lines of brackets", format!("flow: a\nfrom:\n{}", lines(" [\n"))),
        (
            "a line of maps",
            format!("flow: a\nfrom: {}", "{a: b, ".repeat(half / 7)),
        ),
        (
            "lines of maps",
            format!("flow: a\nsteps: [\n{}]", lines(" { filter: x },\n")),
        ),
        (
            "long lines of maps",
            lines(&format!("? {}\n", "{ a: b }, ".repeat(400))),
        ),
        ("question marks", "? ".repeat(half)),
        (
            "lines of question marks",
            lines(&format!("{}\n", "? ".repeat(2000))),
        ),
        ("dashes", "- ".repeat(half)),
        ("lines of dashes", lines(&format!("{}\n", "- ".repeat(2000)))),
        ("colons", format!("flow: a\nfrom: {}", ": ".repeat(half))),
        ("quotes", format!("flow: a\nfrom: '{}'\n", "''".repeat(half))),
        (
            "lines of quotes",
            format!(
                "flow: a\nfrom: '{}'\n",
                lines(&format!("{}\n  ", "''".repeat(2000)))
            ),
        ),
        (
            "escapes",
            format!(
                "flow: a\nfrom: \"{}\"\n",
                lines(&format!("{}\n  ", "\\n".repeat(2000)))
            ),
        ),
        ("tags", format!("a: {}", "!".repeat(2 * half))),
        ("anchors", format!("a: {}", "&".repeat(2 * half))),
        ("lines of anchors", lines(&format!("a: {}\n", "&".repeat(4000)))),
        ("variables", format!("flow: a\nfrom: \"{}\"\n", "${".repeat(half))),
        (
            "lines of variables",
            format!(
                "flow: a\nfrom: |\n{}",
                lines(&format!("  {}\n", "${A}".repeat(900)))
            ),
        ),
        (
            "lines of open variables",
            format!(
                "flow: a\nfrom: |\n{}",
                lines(&format!("  {}\n", "${".repeat(1800)))
            ),
        ),
        ("a folded text", format!("flow: a\nfrom: >\n{}", lines("  x\n\n"))),
        ("keys", (0..14_000).map(|n| format!("key{n}: v\n")).collect()),
        (
            "misspelt keys",
            (0..14_000).map(|n| format!("flwo{n}: v\n")).collect(),
        ),
        ("glued keys", (0..14_000).map(|n| format!("key{n}:v\n")).collect()),
        (
            "steps",
            format!(
                "flow: a\nfrom: orders\nsteps:\n{}",
                lines("  - filter: this.status == 1\n")
            ),
        ),
        (
            "a filter of parentheses",
            format!(
                "flow: a\nfrom: orders\nsteps:\n  - filter: |\n{}",
                lines("      ((((\n")
            ),
        ),
        (
            "a filter of sums",
            format!(
                "flow: a\nfrom: orders\nsteps:\n  - filter: >\n{}",
                lines("      1 + 1 +\n")
            ),
        ),
        (
            "channels",
            format!(
                "channels:\n{}",
                (0..5000)
                    .map(|n| format!("  c{n}: {{ type: a.B }}\n"))
                    .collect::<String>()
            ),
        ),
        ("blank lines", "\n".repeat(2 * half)),
        ("comments", lines("# x\n")),
    ]
}

#[test]
fn a_file_that_means_no_good_is_told_in_bounded_time_and_words() {
    for (what, text) in hostile() {
        for file in ["flows/a.yaml", "trunkline.yaml"] {
            // given
            assert!(text.len() <= MOST, "{what}: {}", text.len());
            let mut files: Vec<_> = base().into_iter().filter(|(name, _)| name != file).collect();
            files.push((file.to_owned(), text.clone()));
            // when
            let (took, problems, told) = check(&files);
            // then
            assert!(problems > 0, "{what}");
            assert!(took < Duration::from_secs(10), "{what} as {file}: {took:?}");
            assert!(told < 200_000, "{what} as {file}: {told} bytes");
        }
    }
}

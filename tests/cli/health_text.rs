//! A strict reader of Prometheus' text format: it refuses what a scraper or `promtool check metrics` would.

use std::collections::{BTreeMap, BTreeSet};

/// A series: its name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// What was read.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<Series, f64>);

impl Scrape {
    /// Reads a whole text, and panics on the first mistake.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut all = BTreeMap::new();
        let mut families = BTreeSet::new();
        let (mut family, mut kind) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a name, then words");
                assert!(families.insert(name.to_owned()), "`{name}` is told in one place");
                assert!(
                    is_name(name) && words.ends_with('.') && !words.contains('\\'),
                    "{line}"
                );
                (family, kind) = (name.to_owned(), String::new());
            } else if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, word) = told.split_once(' ').expect("a name, then a word");
                assert_eq!(name, family, "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&word), "{line}");
                assert_eq!(word == "counter", name.ends_with("_total"), "{line}");
                kind = word.to_owned();
            } else {
                let (series, value) = sample(line);
                let rest = series
                    .0
                    .strip_prefix(&family)
                    .unwrap_or_else(|| panic!("in its family: {line}"));
                let allowed: &[_] = match kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "" => panic!("its kind stands before it: {line}"),
                    _ => &[""],
                };
                assert!(allowed.contains(&rest), "{line}");
                assert!(value >= 0.0 && value.is_finite(), "{line}");
                assert!(all.insert(series, value).is_none(), "told once: {line}");
            }
        }
        let scrape = Self(all);
        scrape.check_histograms();
        scrape
    }

    /// The value of the series with this name and these labels among its own.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |series: &Series| {
            let of = |(label, value): &(&str, &str)| series.1.get(*label).is_some_and(|found| found == value);
            series.0 == name && labels.iter().all(of)
        };
        let mut found = self.0.iter().filter(|(series, _)| has(series));
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "{name} {labels:?} is one series");
        value
    }

    /// The words of all labels.
    pub(crate) fn labels(&self) -> BTreeSet<&str> {
        self.0
            .keys()
            .flat_map(|(_, labels)| labels.keys().map(String::as_str))
            .collect()
    }

    fn check_histograms(&self) {
        let mut classes: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), count) in &self.0 {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a class has a bound");
                let bound = bound.parse().expect("a bound is a number");
                classes
                    .entry((family.to_owned(), labels))
                    .or_default()
                    .push((bound, *count));
            }
        }
        for ((family, labels), mut classes) in classes {
            classes.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(
                classes.windows(2).all(|pair| pair[0].1 <= pair[1].1),
                "{family}: classes are cumulative"
            );
            let last = classes.last().expect("it has one");
            assert!(last.0.is_infinite(), "{family} has a class for all");
            let count = self.0.get(&(format!("{family}_count"), labels.clone()));
            assert_eq!(count, Some(&last.1), "{family}");
            assert!(
                self.0.contains_key(&(format!("{family}_sum"), labels)),
                "{family}"
            );
        }
    }
}

fn sample(line: &str) -> (Series, f64) {
    let (name, rest) = line
        .split_once('{')
        .unwrap_or_else(|| panic!("a sample has labels: {line}"));
    let (labels, value) = rest
        .split_once("} ")
        .unwrap_or_else(|| panic!("then a value: {line}"));
    assert!(is_name(name), "{line}");
    let mut read = BTreeMap::new();
    for label in labels.split(',') {
        let (word, value) = label
            .split_once("=\"")
            .unwrap_or_else(|| panic!("a label is a pair: {line}"));
        let value = value
            .strip_suffix('"')
            .unwrap_or_else(|| panic!("in quotes: {line}"));
        assert!(
            is_name(word) && !value.contains(['"', '\\']) && !value.is_empty(),
            "{line}"
        );
        assert!(read.insert(word.to_owned(), value.to_owned()).is_none(), "{line}");
    }
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("a value is a number: {line}"));
    ((name.to_owned(), read), value)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_')
}

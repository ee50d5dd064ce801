//! Marker files: an empty `orders.csv.done` beside `orders.csv` says that it is whole.

/// How a marker's name is made of a file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    before: String,
    /// Whether the extension is left off.
    of_stem: bool,
    after: String,
}

impl Marker {
    /// Reads `{name}.done`, `{stem}.ctl`. `None`: it is not that, or it is the name itself.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (word, of_stem) = match text.contains("{stem}") {
            true => ("{stem}", true),
            false => ("{name}", false),
        };
        let (before, after) = text.split_once(word)?;
        let is_plain =
            |part: &str| !part.contains(['{', '}', '/', '\\']) && !part.chars().any(char::is_control);
        let says_something = !(before.is_empty() && after.is_empty());
        (is_plain(before) && is_plain(after) && says_something).then(|| Self {
            before: before.to_owned(),
            of_stem,
            after: after.to_owned(),
        })
    }

    /// The marker of a file.
    pub(crate) fn of(&self, name: &str) -> String {
        let name = match self.of_stem {
            true => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
            false => name,
        };
        [&self.before, name, &self.after].concat()
    }

    /// Whether this is the name of a marker.
    pub(crate) fn is_marker(&self, name: &str) -> bool {
        name.len() > self.before.len() + self.after.len()
            && name.starts_with(&self.before)
            && name.ends_with(&self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_named_after_its_file() {
        let name = Marker::read("{name}.done").expect("it is right");
        assert_eq!(name.of("orders.csv"), "orders.csv.done");
        assert!(
            name.is_marker("orders.csv.done") && !name.is_marker("orders.csv") && !name.is_marker(".done")
        );
        let stem = Marker::read("ok_{stem}.ctl").expect("it is right");
        assert_eq!(stem.of("orders.csv"), "ok_orders.ctl");
        assert_eq!(stem.of("orders"), "ok_orders.ctl");
        for wrong in ["", "done", "{name}", "../{name}", "{name}{stem}", "{name}.{x}"] {
            assert_eq!(Marker::read(wrong), None, "{wrong}");
        }
    }
}

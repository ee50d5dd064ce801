//! Names that stand in what could not be read. Who uses one makes no mistake that can be known.

use std::collections::BTreeSet;

/// The types that files of message types with a mistake in them may declare.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    words: BTreeSet<String>,
    is_all: bool,
}

impl Hidden {
    /// A file could not be read at all.
    pub fn all(&mut self) {
        self.is_all = true;
    }

    /// What this text may declare: the words that are written as types are, and the parts of its package.
    pub fn text(&mut self, proto: &str) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut is_package = false;
        for word in proto.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
            let parts = word.split('.').filter(|part| !part.is_empty());
            let named = parts.filter(|part| is_package || part.starts_with(|c: char| c.is_ascii_uppercase()));
            self.words.extend(named.map(str::to_owned));
            is_package = word == "package";
        }
    }

    /// Whether a type of this name, in full, in short, or the beginning of one, may be there.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        let (first, last) = (parts.next(), parts.next_back());
        self.is_all
            || [first, last]
                .into_iter()
                .flatten()
                .any(|part| self.words.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_file_may_declare_is_hidden_and_nothing_else() {
        let mut hidden = Hidden::default();
        assert!(!hidden.has("Repair"));
        hidden.text("syntax = \"proto3\";\npackage acme.v1;\nmesage Repair { strin part = ; }");
        for name in ["Repair", "acme.v1.Repair", "acme", "acme.v1.Part"] {
            assert!(hidden.has(name), "{name}");
        }
        for name in ["Order", "part", "trunkline.commerce.v1.Ordr"] {
            assert!(!hidden.has(name), "{name}");
        }
        hidden.all();
        assert!(hidden.has("Order"));
    }
}

//! The way from the root of a document to its records.

use super::{name::is_name, tree::MAX_DEPTH};

/// Where records stand: the local names of the elements from the root to the record, `Orders/Order`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path. Errors: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<_> = text.split('/').map(str::to_owned).collect();
        if names.len() > MAX_DEPTH {
            return Err(format!("a path has at most {MAX_DEPTH} names"));
        }
        match names.iter().find(|name| !is_name(name) || name.contains(':')) {
            None => Ok(Self(names)),
            Some(name) if name.contains(':') => Err(format!("`{name}` has a prefix: names are local names")),
            Some(name) => Err(format!("`{name}` is not the name of an element")),
        }
    }

    /// The names, the record's own last.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_element_can_have_is_refused() {
        for path in ["", "a/", "/a", "a//b", "n:a", "a b", "1"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        assert!(Path::parse(&"a/".repeat(70)).is_err());
    }
}

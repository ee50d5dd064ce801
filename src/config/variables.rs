//! `${NAME}` and `${NAME:-default}` in the files of a landscape.

use trunkline_sdk::{Place, Problem};

/// What a variable of this name is.
type Lookup<'v> = dyn Fn(&str) -> Option<String> + 'v;

/// Where variables come from: the environment, or a test.
#[derive(Clone, Copy)]
pub struct Variables<'v> {
    /// `None`: there are none, and what looks like one is a text as any other.
    lookup: Option<&'v Lookup<'v>>,
}

/// A variable that cannot be filled in; its place is known to the caller.
#[derive(Debug)]
pub(crate) struct VariableFault {
    what: String,
    hint: String,
}

impl VariableFault {
    pub(crate) fn at(self, place: &Place) -> Problem {
        Problem::new(place, self.what).hint(self.hint)
    }
}

impl<'v> Variables<'v> {
    /// Variables from this look-up.
    pub fn new(lookup: &'v dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup: Some(lookup) }
    }

    /// No variables: for what is data.
    pub(crate) fn none() -> Self {
        Self { lookup: None }
    }

    /// The text with its variables filled in, and whether there were any. A value is taken as it is: what
    /// looks like a variable in it is not one.
    pub(crate) fn fill(&self, text: &str) -> Result<(String, bool), Vec<VariableFault>> {
        let Some(lookup) = self.lookup else {
            return Ok((text.to_owned(), false));
        };
        let mut filled = String::with_capacity(text.len());
        let mut faults = Vec::new();
        let mut rest = text;
        let mut any = false;
        while let Some(at) = rest.find("${") {
            filled.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                faults.push(VariableFault {
                    what: "a variable has no `}`".to_owned(),
                    hint: "write `${NAME}` or `${NAME:-default}`".to_owned(),
                });
                return Err(faults);
            };
            let inner = &rest[at + 2..at + end];
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                faults.push(VariableFault {
                    what: "a variable has no name, or one that is none".to_owned(),
                    hint: "write `${NAME}` or `${NAME:-default}`; a name is letters, digits and `_`"
                        .to_owned(),
                });
                rest = &rest[at + end + 1..];
                continue;
            }
            match lookup(name).filter(|value| !value.is_empty()) {
                Some(value) => {
                    filled.push_str(&value);
                    any = true;
                }
                None => match default {
                    Some(default) => filled.push_str(default),
                    None => faults.push(VariableFault {
                        what: format!("the variable `{name}` is not set"),
                        hint: format!("set it in the environment, or give it a default: `${{{name}:-…}}`"),
                    }),
                },
            }
            rest = &rest[at + end + 1..];
        }
        filled.push_str(rest);
        if faults.is_empty() {
            Ok((filled, any))
        } else {
            Err(faults)
        }
    }
}

//! All functions in rows, as the docs and the command line list them.

use std::{collections::BTreeSet, fmt::Write};

use super::{MACROS, SUBJECTS};

/// The subject of the macros.
const SPECIAL: &str = "Macros, and functions that are checked for more than their types";

/// One way to call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub subject: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub call: String,
    /// What it gives.
    pub doc: &'static str,
}

/// All of them, by subject; one that is called in the same way for several kinds of value once.
pub fn rows() -> Vec<Row> {
    let macros = MACROS.iter().map(|known| Row {
        subject: SPECIAL,
        name: known.name,
        call: known.call.to_owned(),
        doc: known.doc,
    });
    let functions = SUBJECTS.iter().flat_map(|(subject, functions)| {
        functions.iter().map(move |function| Row {
            subject,
            name: function.name,
            call: function.signature(),
            doc: function.doc,
        })
    });
    let mut told = BTreeSet::new();
    let is_new = |row: &Row| row.subject == SPECIAL || told.insert((row.subject, row.call.clone()));
    macros.chain(functions).filter(is_new).collect()
}

/// The page that lists all of them, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# The functions of the mapping language\n\n\
         Mappings and predicates are written in [CEL](https://cel.dev); functions have the names that CEL gives them, \
         where it does. Where the language differs: [cel-deviations.md](cel-deviations.md). \
         `list` goes for maps too, of whose keys one variable stands for each.\n\
         This page is made from the table that the checker reads; `trunkline functions` prints it.\n",
    );
    let mut subject = "";
    for row in rows() {
        if row.subject != subject {
            subject = row.subject;
            let _ = write!(page, "\n## {subject}\n\n");
            if subject == "Times" {
                page.push_str(
                    "Where a time zone is left out it is that of the system which the flow reads or writes, if the \
                     landscape declares one (`systems: { shop: { webhook: { … }, time_zone: Europe/Copenhagen } }`), \
                     else UTC; a text that says its offset keeps it.\n\n",
                );
            }
            if subject == "Numbers" {
                page.push_str(
                    "Numbers of records are decimal: compared digit by digit, reckoned with exactly to 38 digits, and \
                     what has no exact result is a fault; `int(..)` and `double(..)` make CEL's of them \
                     ([more](cel-deviations.md#numbers-of-records-are-decimal)).\n\n",
                );
            }
            page.push_str("| call | what it gives |\n|---|---|\n");
        }
        let call = match subject {
            SPECIAL => row.call.replace('|', "\\|"),
            _ => row.call,
        };
        let _ = writeln!(page, "| `{call}` | {} |", row.doc);
    }
    page
}

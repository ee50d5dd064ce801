//! The page of the docs that lists all functions.

use std::{collections::BTreeSet, fmt::Write};

use super::{MACROS, SUBJECTS};

/// The page that lists all of them, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# The functions of the mapping language\n\n\
         Mappings and predicates are written in [CEL](https://cel.dev); functions have the names that CEL gives them, \
         where it does. Where the language differs: [cel-deviations.md](cel-deviations.md). \
         `list` goes for maps too, of whose keys one variable stands for each.\n\
         This page is made from the table that the checker reads.\n\n\
         ## Macros, and functions that are checked for more than their types\n\n| call | what it gives |\n|---|---|\n",
    );
    let mut row = |call: &str, doc: &str| {
        let call = call.replace('|', "\\|");
        let _ = writeln!(page, "| `{call}` | {doc} |");
    };
    for known in MACROS {
        row(known.call, known.doc);
    }
    for (subject, functions) in SUBJECTS {
        let _ = write!(page, "\n## {subject}\n\n");
        if *subject == "Times" {
            page.push_str(
                "Where a time zone is left out it is that of the system which the flow reads or writes, if the \
                 landscape declares one (`systems: { shop: { webhook: { … }, time_zone: Europe/Copenhagen } }`), else \
                 UTC; a text that says its offset keeps it.\n\n",
            );
        }
        if *subject == "Numbers" {
            page.push_str(
                "Numbers of records are decimal: compared digit by digit, reckoned with exactly to 38 digits, and what \
                 has no exact result is a fault; `int(..)` and `double(..)` make CEL's of them \
                 ([more](cel-deviations.md#numbers-of-records-are-decimal)).\n\n",
            );
        }
        let _ = write!(page, "| call | what it gives |\n|---|---|\n");
        let mut told = BTreeSet::new();
        for function in *functions {
            let signature = function.signature();
            if told.insert(signature.clone()) {
                let _ = writeln!(page, "| `{signature}` | {} |", function.doc);
            }
        }
    }
    page
}

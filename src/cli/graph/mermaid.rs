//! A picture as a Mermaid flowchart.

use std::fmt::Write;

use super::picture::{Kind, Picture};

/// The text of the flowchart.
pub(super) fn write(picture: &Picture) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, each) in picture.boxes.iter().enumerate() {
        let (open, close) = match each.kind {
            Kind::Source | Kind::Sink => ("[[", "]]"),
            Kind::Channel => ("([", "])"),
            Kind::Flow => ("[", "]"),
        };
        let note = if each.note.is_empty() {
            String::new()
        } else {
            format!("<br>{}", escaped(&each.note))
        };
        let name = escaped(&each.name);
        writeln!(text, "  n{at}{open}\"{name}{note}\"{close}")
            .expect("a String takes all that is written to it");
    }
    for (from, to) in &picture.arrows {
        writeln!(text, "  n{from} --> n{to}").expect("a String takes all that is written to it");
    }
    text
}

/// Within quotes, everything else is Mermaid's own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '<' | '>' | '&' | '#' | '`' | '\\' => {
                write!(escaped, "#{};", u32::from(character))
                    .expect("a String takes all that is written to it");
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{super::picture, *};

    #[test]
    fn what_means_something_to_mermaid_is_escaped() {
        let each = |kind, name: &str| picture::Box {
            kind,
            name: name.to_owned(),
            note: String::new(),
        };
        let picture = Picture {
            boxes: vec![each(Kind::Source, "a\"]] --> <b>"), each(Kind::Flow, "end")],
            arrows: vec![(0, 1)],
        };
        assert_eq!(
            write(&picture),
            "flowchart LR\n  n0[[\"a#34;]] --#62; #60;b#62;\"]]\n  n1[\"end\"]\n  n0 --> n1\n"
        );
    }
}

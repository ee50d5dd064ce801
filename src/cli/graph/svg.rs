//! A picture as SVG that stands alone: legible on paper and screen, light and dark. Shapes tell what is what (a
//! system has a double frame, a channel round ends); colour only helps.

use std::fmt::Write;

use super::{
    layout::{Arrow, Layout, Rectangle},
    picture::{Box, Kind, Picture},
};

const STYLE: &str = "\
.paper{fill:#ffffff}
.system,.frame{fill:#ddf4ff;stroke:#0969da}
.channel{fill:#fff8c5;stroke:#9a6700}
.flow{fill:#f6f8fa;stroke:#59636e}
.arrow{fill:none;stroke:#59636e;stroke-width:1.2}
.back{stroke-dasharray:5 3}
.head{fill:#59636e}
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;text-anchor:middle}
.name{font-size:13px;fill:#1f2328}
.note{font-size:11px;fill:#59636e}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}
.system,.frame{fill:#0c2d6b;stroke:#58a6ff}
.channel{fill:#3b2300;stroke:#d29922}
.flow{fill:#21262d;stroke:#8b949e}
.arrow{stroke:#8b949e}
.head{fill:#8b949e}
.name{fill:#f0f6fc}
.note{fill:#b1bac4}
}";

/// Below the picture, what its shapes mean.
const LEGEND: [(Kind, f64); 3] = [(Kind::Source, 72.0), (Kind::Channel, 78.0), (Kind::Flow, 58.0)];
const LEGEND_HEIGHT: f64 = 44.0;
const LEGEND_WIDTH: f64 = 260.0;

/// The text of the SVG.
pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::new();
    draw(picture, &mut text).expect("a String takes all that is written to it");
    text
}

fn draw(picture: &Picture, out: &mut String) -> std::fmt::Result {
    let layout = Layout::of(picture);
    let width = layout.width.max(LEGEND_WIDTH);
    let height = layout.height + LEGEND_HEIGHT;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">"
    )?;
    writeln!(
        out,
        "<title>Systems, channels and flows</title>\n<style>{STYLE}</style>"
    )?;
    writeln!(
        out,
        "<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>"
    )?;
    for arrow in &layout.arrows {
        draw_arrow(arrow, out)?;
    }
    for (each, place) in picture.boxes.iter().zip(&layout.boxes) {
        draw_box(each, place, out)?;
    }
    let mut x = 14.0;
    for (kind, width) in LEGEND {
        let place = Rectangle {
            x,
            y: layout.height + 8.0,
            width,
            height: 24.0,
        };
        let each = Box {
            kind,
            name: kind.word().to_owned(),
            note: String::new(),
        };
        draw_box(&each, &place, out)?;
        x += width + 12.0;
    }
    out.write_str("</svg>\n")
}

/// Straight through columns, bent between them, with its head at its end.
fn draw_arrow(arrow: &Arrow, out: &mut String) -> std::fmt::Result {
    let points = &arrow.points;
    let ([first, ..], [.., before, last]) = (&points[..], &points[..]) else {
        return Ok(());
    };
    write!(
        out,
        "<path class=\"arrow{}\" d=\"M{} {}",
        if arrow.is_back { " back" } else { "" },
        first.0,
        first.1
    )?;
    for (at, pair) in points.windows(2).enumerate() {
        let [from, to] = pair else { continue };
        if at % 2 == 1 {
            write!(out, "H{}", to.0)?;
        } else {
            let middle = ((from.0 + to.0) / 2.0).round();
            write!(out, "C{middle} {} {middle} {} {} {}", from.1, to.1, to.0, to.1)?;
        }
    }
    let forth = if before.0 < last.0 { -7.0 } else { 7.0 };
    let (x, y) = last;
    let tail = x + forth;
    writeln!(
        out,
        "\"/>\n<path class=\"head\" d=\"M{x} {y}L{tail} {}L{tail} {}Z\"/>",
        y - 3.5,
        y + 3.5
    )
}

fn draw_box(each: &Box, place: &Rectangle, out: &mut String) -> std::fmt::Result {
    let Rectangle { x, y, width, height } = *place;
    let class = each.kind.word();
    let round = match each.kind {
        Kind::Channel => height / 2.0,
        Kind::Source | Kind::Sink => 0.0,
        Kind::Flow => 4.0,
    };
    let name = escaped(&each.name);
    writeln!(out, "<g><title>{class} {name}</title>")?;
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
    )?;
    if class == "system" {
        let (x, y, width, height) = (x + 3.0, y + 3.0, width - 6.0, height - 6.0);
        writeln!(
            out,
            "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        )?;
    }
    let middle = x + width / 2.0;
    let line = |class: &str, y: f64, text: &str| {
        format!("<text class=\"{class}\" x=\"{middle}\" y=\"{y}\">{text}</text>\n")
    };
    if each.note.is_empty() {
        out.push_str(&line("name", y + height / 2.0 + 4.5, &name));
    } else {
        out.push_str(&line("name", y + 19.0, &name));
        out.push_str(&line("note", y + 34.0, &escaped(&each.note)));
    }
    out.write_str("</g>\n")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_whatever_it_holds() {
        let picture = Picture {
            boxes: vec![Box {
                kind: Kind::Flow,
                name: "</text><script>".to_owned(),
                note: "a & \"b\"".to_owned(),
            }],
            arrows: Vec::new(),
        };
        let text = write(&picture);
        assert!(!text.contains("<script>"), "{text}");
        assert!(text.contains("a &amp; &quot;b&quot;"), "{text}");
    }
}

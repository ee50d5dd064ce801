//! The pattern of a text. Most are codes, such as `^[A-Z]{3}$`: those are compared byte by byte; any other goes to the
//! engine.
//!
//! Promised: the same answers both ways, in time that grows with the text. Not promised: that a pattern which could be
//! compared byte by byte is known as one.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// How large a compiled pattern may be, in bytes.
const LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum Pattern {
    /// From the first byte to the last.
    Code(Box<[Piece]>),
    Any(Box<Regex>),
}

/// So many bytes of a kind.
#[derive(Debug)]
pub(super) struct Piece {
    /// A bit for each of ASCII.
    bytes: u128,
    least: u32,
    most: u32,
}

impl Pattern {
    pub(super) fn compile(pattern: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(pattern).size_limit(LIMIT).build()?;
        let parsed = regex_syntax::parse(pattern).ok();
        Ok(match parsed.as_ref().and_then(code) {
            Some(pieces) => Self::Code(pieces.into()),
            None => Self::Any(Box::new(regex)),
        })
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let pieces = match self {
            Self::Code(pieces) => pieces,
            Self::Any(regex) => return regex.is_match(text),
        };
        let mut rest = text;
        for piece in pieces {
            let mut count = 0;
            while let [byte, behind @ ..] = rest
                && count < piece.most
                && *byte < 128
                && piece.bytes >> byte & 1 == 1
            {
                rest = behind;
                count += 1;
            }
            if count < piece.least {
                return false;
            }
        }
        rest.is_empty()
    }
}

/// The pieces of a code; `None`: it is none, or taking as many bytes as a piece may have could be wrong.
fn code(pattern: &Hir) -> Option<Vec<Piece>> {
    let HirKind::Concat(parts) = pattern.kind() else {
        return None;
    };
    let [first, middle @ .., last] = parts.as_slice() else {
        return None;
    };
    if *first.kind() != HirKind::Look(Look::Start) || *last.kind() != HirKind::Look(Look::End) {
        return None;
    }
    let mut pieces = Vec::new();
    for part in middle {
        match part.kind() {
            HirKind::Literal(literal) => {
                for byte in &literal.0 {
                    pieces.push(Piece {
                        bytes: bit(*byte)?,
                        least: 1,
                        most: 1,
                    });
                }
            }
            HirKind::Repetition(repetition) => pieces.push(Piece {
                bytes: one(&repetition.sub)?,
                least: repetition.min,
                most: repetition.max.unwrap_or(u32::MAX),
            }),
            _ => pieces.push(Piece {
                bytes: one(part)?,
                least: 1,
                most: 1,
            }),
        }
    }
    let is_greedy = |pair: &[Piece]| {
        pair[0].least == pair[0].most || pair[1].least > 0 && pair[0].bytes & pair[1].bytes == 0
    };
    pieces.windows(2).all(is_greedy).then_some(pieces)
}

/// The bytes of which a part takes one.
fn one(part: &Hir) -> Option<u128> {
    match part.kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => bit(byte),
            _ => None,
        },
        HirKind::Class(Class::Unicode(class)) => class.iter().try_fold(0, |bytes, range| {
            let last = u8::try_from(range.end()).ok().filter(u8::is_ascii)?;
            (u8::try_from(range.start()).ok()?..=last).try_fold(bytes, |bytes, byte| Some(bytes | bit(byte)?))
        }),
        _ => None,
    }
}

fn bit(byte: u8) -> Option<u128> {
    byte.is_ascii().then(|| 1 << byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_same_matches_as_the_engine_finds() {
        // given
        let patterns = [
            ("^[A-Z]{3}$", true),
            ("^[A-Z0-9]{2,3}$", true),
            ("^a[b-c]*$", true),
            ("^[a-c]+-[0-9]{1,2}$", true),
            ("^a+b?$", false),
            ("^(?i)ab$", true),
            ("^$", true),
            ("^a*b*c$", false),
            ("^a*ab$", false),
            ("^[a-z]{1,2}(-[0-9]{2})*$", false),
            ("^\\d$", false),
            ("^é?$", false),
            ("^[a-é]$", false),
            ("^a|b$", false),
            ("(?m)^ab$", false),
            ("ab", false),
        ];
        let signs = ["a", "b", "c", "A", "0", "-", "é", "\n", "٣"];
        let mut texts = vec![String::new()];
        for from in 0..1 + signs.len() + signs.len().pow(2) {
            texts.extend(signs.map(|sign| format!("{}{sign}", texts[from])));
        }
        texts.push("abcb-00".to_owned());
        for (pattern, is_code) in patterns {
            // when
            let compiled = Pattern::compile(pattern).expect("a right pattern");
            let regex = Regex::new(pattern).expect("a right pattern");
            // then
            assert_eq!(matches!(compiled, Pattern::Code(_)), is_code, "{pattern}");
            for text in &texts {
                let wanted = regex.is_match(text.as_bytes());
                assert_eq!(compiled.matches(text.as_bytes()), wanted, "{pattern} {text:?}");
            }
        }
        assert!(
            !Pattern::compile("^[A-Z]{3}$")
                .expect("a right pattern")
                .matches(b"A\xffB")
        );
    }
}

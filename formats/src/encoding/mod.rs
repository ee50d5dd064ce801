//! Encodings of texts: bytes to characters and back.
//!
//! Promises: nothing is replaced or guessed; a byte that stands for no character, and a character that has no
//! byte, are refused; what was decoded can be given back as the bytes it came as, and says how many these were.
//! `iso-8859-1` is what its standard says, not windows-1252 under its name.
//! Not promised: East Asian encodings, stateful ones.
//!
//! Ours because the one library (encoding_rs) has no EBCDIC, reads ISO-8859-1 as windows-1252, and brings tables
//! that nobody here asks for.

mod decoded;
mod tables;

use std::borrow::Cow;

pub(crate) use decoded::Decoded;

use crate::Malformed;

/// How characters are written as bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// ISO-8859-1, Latin 1: bytes are the first 256 characters of Unicode.
    Latin1,
    /// ISO-8859-15, Latin 9: Latin 1 with the euro sign.
    Latin9,
    /// Western European Windows.
    Windows1252,
    /// EBCDIC of the USA, Canada, the Netherlands, Portugal and Brazil.
    Cp037,
    /// International EBCDIC.
    Cp500,
    /// EBCDIC of Unix services on z/OS.
    Cp1047,
}

use Encoding::{Cp037, Cp500, Cp1047, Latin1, Latin9, Utf8, Utf16Be, Utf16Le, Windows1252};

/// The encodings under their names in settings and declarations.
const NAMED: &[(&str, Encoding)] = &[
    ("utf-8", Utf8),
    ("utf-16le", Utf16Le),
    ("utf-16be", Utf16Be),
    ("iso-8859-1", Latin1),
    ("iso-8859-15", Latin9),
    ("windows-1252", Windows1252),
    ("cp037", Cp037),
    ("cp500", Cp500),
    ("cp1047", Cp1047),
];

/// Further names that declarations have.
const ALIASES: &[(&str, Encoding)] = &[
    ("utf8", Utf8),
    ("us-ascii", Utf8),
    ("latin1", Latin1),
    ("latin-1", Latin1),
    ("iso-latin-1", Latin1),
    ("latin9", Latin9),
    ("cp1252", Windows1252),
    ("ibm037", Cp037),
    ("ibm500", Cp500),
    ("ibm1047", Cp1047),
];

impl Encoding {
    /// The names of all encodings, as settings have them.
    pub const NAMES: &'static [&'static str] = &[
        "utf-8",
        "utf-16le",
        "utf-16be",
        "iso-8859-1",
        "iso-8859-15",
        "windows-1252",
        "cp037",
        "cp500",
        "cp1047",
    ];

    /// The encoding of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = NAMED.iter().chain(ALIASES);
        known
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, encoding)| *encoding)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let mut known = NAMED.iter();
        known
            .find(|(_, encoding)| *encoding == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether it is one of the EBCDIC code pages, in which an ASCII file makes no sense.
    pub fn is_ebcdic(self) -> bool {
        matches!(self, Cp037 | Cp500 | Cp1047)
    }

    /// Whether a character has one byte, whichever it is.
    pub fn is_single_byte(self) -> bool {
        !matches!(self, Utf8 | Utf16Le | Utf16Be)
    }

    /// The text that these bytes are.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
        if self == Utf8 {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(Malformed::at(bytes, error.valid_up_to(), self.expected())),
            };
        }
        let mut text = Vec::with_capacity(bytes.len());
        let rest = self.decode_onto(bytes, &mut text);
        if !rest.is_empty() {
            self.decode_end(rest, &mut text);
        }
        String::from_utf8(text).map(Cow::Owned).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Malformed::at(error.as_bytes(), at, self.expected())
        })
    }

    /// The bytes that stand for this text; else the place, in bytes, of the first character that has none.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, usize> {
        match self {
            Utf8 => Ok(Cow::Borrowed(text.as_bytes())),
            Utf16Le => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Utf16Be => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            _ => text
                .char_indices()
                .map(|(at, character)| self.byte_of(character).ok_or(at))
                .collect::<Result<Vec<u8>, _>>()
                .map(Cow::Owned),
        }
    }

    /// What a fault says that stands where bytes are no characters.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Utf8 => "expected UTF-8",
            Utf16Le | Utf16Be => "expected UTF-16",
            Latin1 => "expected ISO-8859-1",
            Latin9 => "expected ISO-8859-15",
            Windows1252 => "expected windows-1252",
            Cp037 | Cp500 | Cp1047 => "expected EBCDIC",
        }
    }

    /// How many bytes these decoded ones were.
    pub(crate) fn width(self, decoded: &[u8]) -> u64 {
        // A continuation byte (10xxxxxx) begins no character; a mark counts by its first byte.
        let leads = decoded.iter().filter(|byte| **byte & 0xC0 != 0x80);
        match self {
            Utf8 => decoded.len() as u64,
            Utf16Le | Utf16Be => leads
                .map(|byte| match byte {
                    0xF0..=0xF7 => 4,
                    &ODD_BYTE => 1,
                    _ => 2,
                })
                .sum(),
            _ => leads.count() as u64,
        }
    }

    /// The bytes that these decoded ones were; a character that was cut at the end is left out.
    pub(crate) fn restore(self, decoded: Vec<u8>) -> Vec<u8> {
        if self == Utf8 {
            return decoded;
        }
        let mut bytes = Vec::with_capacity(decoded.len());
        let mut rest = decoded.as_slice();
        while let Some(lead) = rest.first() {
            let length = match lead {
                0x00..=0x7F => 1,
                0xC0..=0xDF | &NO_CHARACTER => 2,
                0xF0..=0xF7 => 4,
                _ => 3,
            };
            let Some((piece, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            match (piece, std::str::from_utf8(piece)) {
                (_, Ok(character)) => bytes.extend_from_slice(&self.encode(character).unwrap_or_default()),
                ([NO_CHARACTER, byte], _) => bytes.push(*byte),
                ([ODD_BYTE, high, low], _) => bytes.push(high << 4 | low & 0xF),
                // Half a surrogate pair, written as if it were a character.
                ([_, high, low], _) => {
                    let unit = 0xD000 | u16::from(high & 0x3F) << 6 | u16::from(low & 0x3F);
                    bytes.extend(match self {
                        Utf16Be => unit.to_be_bytes(),
                        _ => unit.to_le_bytes(),
                    });
                }
                _ => {}
            }
        }
        bytes
    }

    /// Appends what these bytes are as UTF-8, and what is no character as a mark that is not UTF-8; returns those
    /// that are the beginning of a character.
    fn decode_onto<'b>(self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        if !matches!(self, Utf16Le | Utf16Be) {
            for byte in bytes {
                match self.character_of(*byte) {
                    Some(character) => push(character, out),
                    None => out.extend([NO_CHARACTER, *byte]),
                }
            }
            return &[];
        }
        let unit = |pair: &[u8]| match self {
            Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut at = 0;
        while at + 2 <= bytes.len() {
            let first = unit(&bytes[at..]);
            let is_high = (0xD800..0xDC00).contains(&first);
            if is_high && at + 4 > bytes.len() {
                break;
            }
            let units = match is_high {
                true => [first, unit(&bytes[at + 2..])],
                false => [first, 0],
            };
            match char::decode_utf16(units).next() {
                Some(Ok(character)) => {
                    push(character, out);
                    at += 2 * character.len_utf16();
                }
                _ => {
                    lone(first, out);
                    at += 2;
                }
            }
        }
        &bytes[at..]
    }

    /// Appends the last bytes, at most three, which are only the beginning of a character.
    fn decode_end(self, mut rest: &[u8], out: &mut Vec<u8>) {
        if let [first, second, behind @ ..] = rest {
            lone(
                match self {
                    Utf16Be => u16::from_be_bytes([*first, *second]),
                    _ => u16::from_le_bytes([*first, *second]),
                },
                out,
            );
            rest = behind;
        }
        if let [byte] = rest {
            out.extend([ODD_BYTE, 0x80 | byte >> 4, 0x80 | byte & 0xF]);
        }
    }
}

/// Stands, followed by the byte itself, for a byte that is no character. Such bytes are continuation bytes.
const NO_CHARACTER: u8 = 0xFF;

/// Stands, followed by the two halves of the byte itself, for the first byte of two of which the second is missing.
const ODD_BYTE: u8 = 0xFE;

fn push(character: char, out: &mut Vec<u8>) {
    match u8::try_from(character) {
        Ok(byte) if byte < 0x80 => out.push(byte),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Half a surrogate pair, written as if it were a character, which is not UTF-8.
fn lone(unit: u16, out: &mut Vec<u8>) {
    let [high, low] = [unit >> 6 & 0x3F, unit & 0x3F].map(|bits| 0x80 | u8::try_from(bits).unwrap_or(0));
    out.extend([0xED, high, low]);
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use proptest::prelude::*;

    use super::*;

    fn all() -> impl Iterator<Item = Encoding> {
        Encoding::NAMES
            .iter()
            .map(|name| Encoding::named(name).expect("it is named"))
    }

    /// As a stream is decoded that comes in small pieces.
    fn streamed(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        Decoded::new(BufReader::with_capacity(3, bytes), encoding)
            .read_to_end(&mut decoded)
            .expect("bytes in memory can be read");
        decoded
    }

    #[test]
    fn an_encoding_is_known_by_its_names() {
        for name in Encoding::NAMES {
            let encoding = Encoding::named(name).expect("it is named");
            assert_eq!(encoding.name(), *name);
            assert_eq!(Encoding::named(&name.to_uppercase()), Some(encoding));
        }
        assert_eq!(Encoding::named("Latin1"), Some(Latin1));
        assert_eq!(Encoding::named("koi8-r"), None);
    }

    #[test]
    fn known_texts_have_their_known_bytes() {
        for (encoding, text, bytes) in [
            (Windows1252, "5 €…", &b"5 \x80\x85"[..]),
            (Latin1, "né\u{80}", b"n\xe9\x80"),
            (Latin9, "€Žé", b"\xa4\xb4\xe9"),
            (Utf16Le, "a😀", b"a\0\x3d\xd8\x00\xde"),
            (Utf16Be, "a€", b"\0a\x20\xac"),
            (Cp037, "Order [1]!", b"\xd6\x99\x84\x85\x99\x40\xba\xf1\xbb\x5a"),
            (Cp500, "Order [1]!", b"\xd6\x99\x84\x85\x99\x40\x4a\xf1\x5a\x4f"),
            (
                Cp1047,
                "Order [1]!^",
                b"\xd6\x99\x84\x85\x99\x40\xad\xf1\xbd\x5a\x5f",
            ),
        ] {
            assert_eq!(encoding.encode(text).as_deref(), Ok(bytes), "{}", encoding.name());
            assert_eq!(encoding.decode(bytes).as_deref(), Ok(text), "{}", encoding.name());
        }
    }

    #[test]
    fn what_is_no_character_is_refused_and_not_replaced() {
        for (encoding, bytes, column) in [
            (Utf8, &b"ab\xff"[..], 3),
            (Windows1252, b"a\x81b", 2),
            (Utf16Le, b"a\0\x3d\xd8b\0", 2),
            (Utf16Le, b"a\0\x00\xde", 2),
            (Utf16Be, b"\0a\0", 2),
            (Utf16Be, b"\0a\xd8\x3d\0", 2),
        ] {
            let malformed = encoding.decode(bytes).expect_err("it is no text");
            assert_eq!(
                (malformed.column, malformed.what.as_ref()),
                (column, encoding.expected())
            );
        }
        assert_eq!(Latin1.encode("ab€"), Err(2));
        assert_eq!(Windows1252.encode("\u{81}"), Err(0));
        assert_eq!(Cp037.encode("é€"), Err(2));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_as_they_were(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for encoding in all() {
                let decoded = streamed(encoding, &bytes);
                prop_assert_eq!(encoding.width(&decoded), bytes.len() as u64, "{}", encoding.name());
                let whole = encoding.decode(&bytes).ok().map(|text| text.as_bytes().to_vec());
                prop_assert_eq!(whole, String::from_utf8(decoded.clone()).ok().map(String::into_bytes));
                prop_assert_eq!(encoding.restore(decoded), &bytes[..], "{}", encoding.name());
            }
        }

        #[test]
        fn what_was_encoded_is_decoded_to_itself(text in "[ -~¡-ÿ\n€]{0,20}") {
            for encoding in all() {
                if let Ok(bytes) = encoding.encode(&text) {
                    let decoded = encoding.decode(&bytes);
                    prop_assert_eq!(decoded.as_deref(), Ok(text.as_str()));
                }
            }
        }
    }
}

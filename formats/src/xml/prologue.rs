//! How a document says in which encoding it is.

use quick_xml::{Reader, events::Event};

use crate::{Encoding, Malformed, malformed::BOM};

/// The most that a declaration may have, in bytes.
const MOST: usize = 1024;

/// The encoding of the document that begins with these bytes (1 KiB are enough): by its byte order mark, or by its
/// declaration, else UTF-8.
///
/// Errors: an encoding that is not read here, and a mark that contradicts the declaration.
pub fn encoding_of(beginning: &[u8]) -> Result<Encoding, Malformed> {
    let beginning = &beginning[..beginning.len().min(MOST)];
    let by_mark = match beginning {
        [0xFF, 0xFE, ..] | [b'<', 0, ..] => Some(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] | [0, b'<', ..] => Some(Encoding::Utf16Be),
        _ if beginning.starts_with(BOM) => Some(Encoding::Utf8),
        _ => None,
    };
    let text = match by_mark {
        // What is cut at the end of these bytes is behind the declaration.
        Some(encoding @ (Encoding::Utf16Le | Encoding::Utf16Be)) => {
            let even = &beginning[..beginning.len() & !1];
            encoding.decode(even).unwrap_or_default().into_owned()
        }
        _ => String::from_utf8_lossy(beginning).into_owned(),
    };
    let text = text.trim_start_matches('\u{feff}');
    let Some(end) = text.find("?>").filter(|_| text.starts_with("<?xml")) else {
        return Ok(by_mark.unwrap_or_default());
    };
    let mut reader = Reader::from_str(&text[..end + 2]);
    let declared = match reader.read_event() {
        Ok(Event::Decl(declaration)) => match declaration.encoding() {
            Some(Ok(name)) => name.into_owned(),
            None => return Ok(by_mark.unwrap_or_default()),
            Some(Err(_)) => return Err(refused("expected `encoding=\"…\"` in the declaration")),
        },
        _ => return Ok(by_mark.unwrap_or_default()),
    };
    let is_utf16 = matches!(by_mark, Some(Encoding::Utf16Le | Encoding::Utf16Be));
    let encoding = match declared.to_ascii_lowercase().as_str() {
        "utf-16" | "ucs-2" | "iso-10646-ucs-2" => match by_mark {
            Some(encoding) if is_utf16 => return Ok(encoding),
            _ => return Err(refused("the declaration says UTF-16, but the bytes are not")),
        },
        name => Encoding::named(name)
            .filter(|encoding| !encoding.is_ebcdic())
            .ok_or_else(|| refused("the declared encoding is none of those that are read"))?,
    };
    match by_mark {
        Some(by_mark) if by_mark != encoding => Err(refused(
            "the declared encoding is not that of the byte order mark",
        )),
        _ => Ok(encoding),
    }
}

fn refused(what: &'static str) -> Malformed {
    Malformed {
        line: 1,
        column: 1,
        what: what.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_known_by_its_mark_or_by_its_declaration() {
        for (beginning, encoding) in [
            (&b"<a/>"[..], Encoding::Utf8),
            (b"", Encoding::Utf8),
            (b"<?xml version='1.0'?><a/>", Encoding::Utf8),
            (
                b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>",
                Encoding::Latin1,
            ),
            (
                b"<?xml version='1.0' encoding='Windows-1252' standalone='yes'?>",
                Encoding::Windows1252,
            ),
            (
                b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>",
                Encoding::Utf8,
            ),
            (b"\xff\xfe<\0a\0/\0>\0", Encoding::Utf16Le),
            (b"\xfe\xff\0<\0a", Encoding::Utf16Be),
            (b"<\0a\0", Encoding::Utf16Le),
            // It speaks of itself, not of the document.
            (b"<a><?xml version='1.0' encoding='koi8-r'?></a>", Encoding::Utf8),
        ] {
            assert_eq!(
                encoding_of(beginning),
                Ok(encoding),
                "{}",
                beginning.escape_ascii()
            );
        }
        let utf16 = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?><é/>";
        let bytes = Encoding::Utf16Be
            .encode(utf16)
            .expect("UTF-16 has all characters");
        assert_eq!(encoding_of(&bytes), Ok(Encoding::Utf16Be));
    }

    #[test]
    fn an_encoding_that_is_not_known_or_contradicts_the_mark_is_refused() {
        for (beginning, what) in [
            (&b"<?xml version='1.0' encoding='koi8-r'?>"[..], "none of those"),
            (b"<?xml version='1.0' encoding='cp037'?>", "none of those"),
            (b"<?xml version='1.0' encoding='utf-16'?>", "says UTF-16"),
            (
                b"\xef\xbb\xbf<?xml version='1.0' encoding='latin1'?>",
                "not that of",
            ),
            (b"<?xml version='1.0' encoding=utf-8?>", "expected `encoding"),
        ] {
            let refused = encoding_of(beginning).expect_err("it is refused");
            assert!(refused.what.contains(what), "{refused}");
        }
    }
}

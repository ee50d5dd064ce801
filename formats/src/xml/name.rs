//! Names of elements and attributes.

/// Whether this may be a name (XML 1.0, production 5), with one prefix or none. Of characters beyond ASCII all may
/// stand in one here.
pub(super) fn is_name(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    }
}

fn is_part(name: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
    let is_inner = |byte: u8| is_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_start) && bytes.all(is_inner)
}

/// A name without its prefix.
pub(super) fn local(name: &str) -> &str {
    match memchr::memchr(b':', name.as_bytes()) {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

/// Whether a text may have this character (XML 1.0, production 2).
pub(super) fn is_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => character >= ' ',
    }
}

/// The place of the first character, in bytes, that no text may have.
pub(super) fn not_a_character(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_suspect = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    // Folded, it looks at many bytes at once: the usual text has none.
    let has_control = bytes.iter().fold(false, |has, byte| has | is_suspect(byte));
    let control = has_control.then(|| bytes.iter().position(is_suspect)).flatten();
    let beyond = memchr::memchr_iter(0xEF, bytes)
        .find(|at| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])));
    match (control, beyond) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

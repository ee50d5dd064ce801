//! Names of elements and attributes.

/// Whether this may be a name (XML 1.0, production 5), with one prefix or none. Of characters beyond ASCII all may
/// stand in one here.
pub(super) fn is_name(name: &str) -> bool {
    local_of(name).is_some()
}

/// A name without its prefix; none where it [is none](is_name).
pub(super) fn local_of(name: &str) -> Option<&str> {
    let mut from = 0;
    // At most one colon, and not at either end of a part.
    for (at, byte) in name.bytes().enumerate() {
        let is_start = byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
        let is_inner = byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if is_start || (is_inner && at > from) {
            continue;
        }
        if byte != b':' || from > 0 || at == 0 {
            return None;
        }
        from = at + 1;
    }
    (from < name.len()).then(|| &name[from..])
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

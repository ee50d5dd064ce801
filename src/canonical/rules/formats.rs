//! The forms of texts that rules name: addresses of mail, hosts, nets and the web, identifiers.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An address of mail, as HTML has it: no comments, no quotes, no literal addresses.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !local.is_empty() && local.bytes().all(is_local) && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

pub(crate) fn is_hostname(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// With the zone it may have behind `%`.
pub(crate) fn is_ipv6(text: &str) -> bool {
    match text.split_once('%') {
        Some((address, zone)) => {
            !zone.is_empty() && !zone.contains('\0') && address.parse::<Ipv6Addr>().is_ok()
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

pub(crate) fn is_ip(text: &str) -> bool {
    is_ipv4(text) || is_ipv6(text)
}

pub(super) fn is_address(text: &str) -> bool {
    is_hostname(text) || is_ip(text)
}

pub(crate) fn is_ipv4_with_length(text: &str) -> bool {
    ipv4_net(text).is_some()
}

pub(crate) fn is_ipv6_with_length(text: &str) -> bool {
    ipv6_net(text).is_some()
}

pub(crate) fn is_ip_with_length(text: &str) -> bool {
    is_ipv4_with_length(text) || is_ipv6_with_length(text)
}

/// A net: no bit is set behind the prefix.
pub(crate) fn is_ipv4_prefix(text: &str) -> bool {
    ipv4_net(text).is_some_and(|(bits, length)| bits.checked_shl(length).unwrap_or(0) == 0)
}

pub(crate) fn is_ipv6_prefix(text: &str) -> bool {
    ipv6_net(text).is_some_and(|(bits, length)| bits.checked_shl(length).unwrap_or(0) == 0)
}

pub(crate) fn is_ip_prefix(text: &str) -> bool {
    is_ipv4_prefix(text) || is_ipv6_prefix(text)
}

fn ipv4_net(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse::<Ipv4Addr>().ok()?.to_bits(), number(length, 32)?))
}

fn ipv6_net(text: &str) -> Option<(u128, u32)> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse::<Ipv6Addr>().ok()?.to_bits(), number(length, 128)?))
}

/// Digits without a zero before them.
fn number(text: &str, most: u32) -> Option<u32> {
    let is_plain = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || text.len() > 1 && text.starts_with('0') {
        return None;
    }
    text.parse().ok().filter(|number| *number <= most)
}

pub(crate) fn is_host_and_port(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.rsplit_once("]:") else {
            return false;
        };
        return is_ipv6(address) && number(port, 65_535).is_some();
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    (is_hostname(host) || is_ipv4(host)) && number(port, 65_535).is_some()
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Without its hyphens.
pub(super) fn is_trimmed_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Crockford's base 32, which has no i, l, o and u; 128 bits.
pub(super) fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"ILOU".contains(&byte.to_ascii_uppercase());
    text.len() == 26 && text.bytes().all(is_digit) && text.as_bytes()[0] <= b'7'
}

pub(super) fn is_full_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && part.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    text.split('.').all(is_part)
}

pub(super) fn is_dotted_full_name(text: &str) -> bool {
    text.strip_prefix('.').is_some_and(is_full_name)
}

pub(super) fn is_header_name(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or(text);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_|~`".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

pub(super) fn is_header_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || byte >= b' ' && byte != 0x7f)
}

/// A name or value of a header of which only what would end it is refused.
pub(super) fn is_loose_header(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, 0 | b'\n' | b'\r'))
}

pub(super) fn is_loose_header_name(text: &str) -> bool {
    !text.is_empty() && is_loose_header(text)
}

/// RFC 3986, with a scheme.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    is_scheme(scheme) && is_behind_scheme(rest)
}

/// RFC 3986, with or without a scheme.
pub(crate) fn is_uri_reference(text: &str) -> bool {
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    is_uri(text) || !first.contains(':') && is_behind_scheme(text)
}

fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_behind_scheme(text: &str) -> bool {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let path = match text.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !is_authority(authority) {
                return false;
            }
            path
        }
        None => text,
    };
    is_made_of(path, b":@/") && is_made_of(query, b":@/?") && is_made_of(fragment, b":@/?")
}

fn is_authority(text: &str) -> bool {
    let host = match text.split_once('@') {
        Some((user, host)) if is_made_of(user, b":") => host,
        Some(_) => return false,
        None => text,
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((literal, port)) = rest.split_once(']') else {
            return false;
        };
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_port && is_literal(literal);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    is_made_of(name, b"") && is_decoded_text(name) && is_port(port)
}

/// What stands between brackets: an IPv6 address with its zone, or what comes after IPv6.
fn is_literal(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix(['v', 'V']) {
        let Some((version, address)) = rest.split_once('.') else {
            return false;
        };
        return !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !address.is_empty()
            && !address.contains('%')
            && is_made_of(address, b":");
    }
    match text.split_once("%25") {
        Some((address, zone)) => {
            !zone.is_empty() && is_made_of(zone, b"") && address.parse::<Ipv6Addr>().is_ok()
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Unreserved characters, sub-delimiters, escapes, and these.
fn is_made_of(text: &str, more: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let is_escape = bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
            if !is_escape {
                return false;
            }
            at += 3;
            continue;
        }
        if !byte.is_ascii_alphanumeric() && !b"-._~!$&'()*+,;=".contains(byte) && !more.contains(byte) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether the escapes of a name are UTF-8.
fn is_decoded_text(text: &str) -> bool {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let Some((hex, rest)) = part.split_at_checked(2) else {
            return false;
        };
        bytes.extend(u8::from_str_radix(hex, 16));
        bytes.extend(rest.as_bytes());
    }
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is of a form, and what is not.
    fn tell(form: fn(&str) -> bool, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert!(form(text), "{text}");
        }
        for text in wrong {
            assert!(!form(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_mail_and_hosts_are_told_from_others() {
        tell(
            is_email,
            &["a@b", "ana.b+c@shop.example", "x_y{}@a-b.c"],
            &[
                "",
                "a",
                "@b",
                "a@",
                "a b@c",
                "a@b@c",
                "a@-b",
                "a@b..c",
                "é@b.c",
                "a@b.c\n",
                "Ana <a@b.c>",
            ],
        );
        tell(
            is_hostname,
            &["a", "shop.example", "a-1.b2.", "1a.b", "a.2b"],
            &[
                "",
                ".",
                "a..b",
                "-a",
                "a-",
                "a_b",
                "1.2.3.4",
                "a b",
                &"a".repeat(64),
            ],
        );
        tell(
            is_host_and_port,
            &["a:1", "1.2.3.4:0", "[::1]:65535", "[fe80::1%eth0]:80"],
            &[
                "a",
                "a:",
                "a:65536",
                "a:01",
                "::1:80",
                "[::1]",
                "[1.2.3.4]:80",
                ":80",
            ],
        );
    }

    #[test]
    fn addresses_of_nets_are_told_from_others() {
        tell(
            is_ipv4,
            &["0.0.0.0", "255.1.2.3"],
            &["256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4 ", ""],
        );
        tell(
            is_ipv6,
            &["::", "::1", "1:2:3:4:5:6:7:8", "::1.2.3.4", "fe80::1%a"],
            &[":", "1::2::3", "::1%", "12345::"],
        );
        tell(
            is_ip_with_length,
            &["1.2.3.4/24", "::1/64", "1.2.3.4/0"],
            &["1.2.3.4", "1.2.3.4/33", "::/129", "1.2.3.4/08", "::1%a/64"],
        );
        tell(
            is_ip_prefix,
            &["1.2.3.0/24", "0.0.0.0/0", "1.2.3.4/32", "2001:db8::/32"],
            &["1.2.3.4/24", "::1/64"],
        );
    }

    #[test]
    fn addresses_of_the_web_are_told_from_others() {
        tell(
            is_uri,
            &[
                "https://a.example/b?c=d#e",
                "urn:isbn:1",
                "mailto:a@b.c",
                "http://u:p@h:80/%20",
                "http://[::1]:8080/",
                "http://[fe80::1%25eth0]/",
                "http://[v1.a:b]/",
                "a:",
                "file:///etc",
                "http://%C3%A9.example",
            ],
            &[
                "",
                "a",
                "/a",
                "1a:b",
                "http://a b",
                "http://a/%2",
                "http://[::1",
                "http://a:b/",
                "http://%ff",
                "http://a/\u{e9}",
                "a:#b#c",
            ],
        );
        tell(
            is_uri_reference,
            &["", "a", "/a/b", "./a:b", "//h/p", "?q", "#f", "http://a"],
            &["1:a", "a b", "a:\\"],
        );
    }

    #[test]
    fn identifiers_are_told_from_others() {
        tell(
            is_uuid,
            &[
                "00000000-0000-0000-0000-00000000000a",
                "AAAAAAAA-aaaa-0000-0000-000000000000",
            ],
            &[
                "",
                "0000000000000000-0000-0000-00000000000a",
                "g0000000-0000-0000-0000-00000000000a",
            ],
        );
        tell(
            is_trimmed_uuid,
            &["0123456789abcdefABCDEF0123456789"],
            &["0123", "0123456789abcdefABCDEF012345678-"],
        );
        tell(
            is_ulid,
            &["01ARZ3NDEKTSV4RRFFQ69G5FAV", "7zzzzzzzzzzzzzzzzzzzzzzzzz"],
            &[
                "81ARZ3NDEKTSV4RRFFQ69G5FAV",
                "01ARZ3NDEKTSV4RRFFQ69G5FAI",
                "",
                "é1ARZ3NDEKTSV4RRFFQ69G5FA",
            ],
        );
        tell(
            is_full_name,
            &["a", "acme.v1.Repair", "_a._b1"],
            &["", ".a", "a.", "1a", "a-b"],
        );
        tell(is_dotted_full_name, &[".a.b"], &["a.b", "."]);
        tell(
            is_header_name,
            &["X-Shop", ":path", "a`b"],
            &["", ":", "a b", "a:b", "é"],
        );
        tell(is_header_value, &["", "a b\tc é"], &["a\nb", "a\0b", "a\u{7f}"]);
        tell(is_loose_header_name, &["a b"], &["", "a\rb"]);
    }
}

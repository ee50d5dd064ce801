//! The standard rules of texts and bytes: lengths, patterns, parts and forms.

use prost_reflect::Value;
use regex::bytes::Regex;

use super::{
    constraints::{Reader, Refused},
    formats,
    options::{count, flag, get, text},
    pattern::Pattern,
    plan::{Fixed, Test},
};

impl Reader<'_> {
    pub(super) fn text(&mut self) {
        self.lengths("len", "min_len", "max_len", "character", Test::Characters);
        self.lengths("len_bytes", "min_bytes", "max_bytes", "byte", Test::Length);
        self.pattern();
        for (name, what) in [
            ("prefix", "must begin with"),
            ("suffix", "must end with"),
            ("contains", "must contain"),
            ("not_contains", "must not contain"),
        ] {
            if let Some(part) = text(self.rules, name) {
                let what = format!("{what} `{part}`");
                self.part(name, what, part.as_bytes());
            }
        }
        type Form = (&'static str, &'static str, fn(&str) -> bool);
        const FORMS: [Form; 20] = [
            ("email", "an e-mail address", formats::is_email),
            ("hostname", "the name of a host", formats::is_hostname),
            ("ip", "an IP address", formats::is_ip),
            ("ipv4", "an IPv4 address", formats::is_ipv4),
            ("ipv6", "an IPv6 address", formats::is_ipv6),
            ("uri", "a URI", formats::is_uri),
            ("uri_ref", "a URI reference", formats::is_uri_reference),
            (
                "address",
                "the name of a host or an IP address",
                formats::is_address,
            ),
            ("uuid", "a UUID", formats::is_uuid),
            ("tuuid", "a UUID without hyphens", formats::is_trimmed_uuid),
            (
                "ip_with_prefixlen",
                "an IP address with the length of its prefix",
                formats::is_ip_with_length,
            ),
            (
                "ipv4_with_prefixlen",
                "an IPv4 address with the length of its prefix",
                formats::is_ipv4_with_length,
            ),
            (
                "ipv6_with_prefixlen",
                "an IPv6 address with the length of its prefix",
                formats::is_ipv6_with_length,
            ),
            ("ip_prefix", "an IP prefix", formats::is_ip_prefix),
            ("ipv4_prefix", "an IPv4 prefix", formats::is_ipv4_prefix),
            ("ipv6_prefix", "an IPv6 prefix", formats::is_ipv6_prefix),
            ("host_and_port", "a host with its port", formats::is_host_and_port),
            ("ulid", "a ULID", formats::is_ulid),
            (
                "protobuf_fqn",
                "the full name of something in protobuf",
                formats::is_full_name,
            ),
            (
                "protobuf_dot_fqn",
                "the full name of something in protobuf, behind a dot",
                formats::is_dotted_full_name,
            ),
        ];
        for (name, what, form) in FORMS {
            if flag(self.rules, name) {
                self.add(name, format!("must be {what}"), Test::Format(form));
            }
        }
        let is_strict = !matches!(get(self.rules, "strict"), Some(Value::Bool(false)));
        let (id, what, form): Form = match (get(self.rules, "well_known_regex"), is_strict) {
            (Some(Value::EnumNumber(1)), true) => (
                "header_name",
                "the name of an HTTP header",
                formats::is_header_name,
            ),
            (Some(Value::EnumNumber(1)), false) => (
                "header_name",
                "the name of an HTTP header",
                formats::is_loose_header_name,
            ),
            (Some(Value::EnumNumber(2)), true) => (
                "header_value",
                "the value of an HTTP header",
                formats::is_header_value,
            ),
            (Some(Value::EnumNumber(2)), false) => (
                "header_value",
                "the value of an HTTP header",
                formats::is_loose_header,
            ),
            (Some(Value::EnumNumber(0)) | None, _) => return,
            _ => return self.refuse("`well_known_regex` names a form that is not known"),
        };
        self.add(
            &format!("well_known_regex.{id}"),
            format!("must be {what}"),
            Test::Format(form),
        );
    }

    pub(super) fn bytes(&mut self) {
        self.lengths("len", "min_len", "max_len", "byte", Test::Length);
        self.pattern();
        for (name, what) in [
            ("prefix", "must begin with"),
            ("suffix", "must end with"),
            ("contains", "must contain"),
        ] {
            if let Some(Fixed::Bytes(part)) = self.fixed(name) {
                let what = format!("{what} {}", self.shown(&Fixed::Bytes(part.clone())));
                self.part(name, what, &part);
            }
        }
        for (name, what, lengths) in [
            ("ip", "an IP address", &[4, 16][..]),
            ("ipv4", "an IPv4 address", &[4]),
            ("ipv6", "an IPv6 address", &[16]),
            ("uuid", "a UUID", &[16]),
        ] {
            if flag(self.rules, name) {
                self.add(name, format!("must be {what}"), Test::Lengths(lengths));
            }
        }
    }

    fn lengths(&mut self, exact: &str, low: &str, high: &str, unit: &str, test: fn(u64, u64) -> Test) {
        let counted = |number: u64| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
        if let Some(length) = count(self.rules, exact) {
            self.add(
                exact,
                format!("must have {}", counted(length)),
                test(length, length),
            );
        }
        let (least, most) = (count(self.rules, low), count(self.rules, high));
        if least > Some(most.unwrap_or(u64::MAX)) {
            return self.refuse(format!("`{low}` is greater than `{high}`, so nothing is right"));
        }
        if let Some(least) = least {
            self.add(
                low,
                format!("must have at least {}", counted(least)),
                test(least, u64::MAX),
            );
        }
        if let Some(most) = most {
            self.add(
                high,
                format!("must have at most {}", counted(most)),
                test(0, most),
            );
        }
    }

    fn pattern(&mut self) {
        let Some(pattern) = text(self.rules, "pattern") else {
            return;
        };
        match Pattern::compile(&pattern) {
            Ok(compiled) => {
                let what = format!("must match `{pattern}`");
                self.add("pattern", what, Test::Pattern(compiled));
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                self.refused.push(Refused {
                    what: format!("`pattern` is no pattern: {reason}"),
                    hint: Some("RE2 syntax, as CEL wants it".to_owned()),
                });
            }
        }
    }

    fn part(&mut self, name: &str, what: String, part: &[u8]) {
        let test = match name {
            "prefix" => Test::Starts(part.into()),
            "suffix" => Test::Ends(part.into()),
            _ => {
                let escaped: String = part.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                let regex = Regex::new(&format!("(?-u){escaped}"));
                let Ok(regex) = regex else {
                    return self.refuse(format!("`{name}` is too long"));
                };
                match name {
                    "contains" => Test::Contains(Box::new(regex)),
                    _ => Test::Lacks(Box::new(regex)),
                }
            }
        };
        self.add(name, what, test);
    }
}

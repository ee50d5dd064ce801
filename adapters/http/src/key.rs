//! The idempotency key of a message for a flow.
//!
//! Promises: the same message in the same flow has the same key, in every process and for ever; another one has another.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// The namespace of Trunkline's keys.
const NAMESPACE: [u8; 16] = [
    0x87, 0x41, 0x54, 0x40, 0xf3, 0x10, 0x4f, 0xfa, 0xb3, 0xd6, 0x06, 0xcf, 0xfe, 0x79, 0x06, 0xdb,
];

/// A UUID of version 5 (RFC 9562): every system that knows such keys takes it.
pub(crate) fn key(flow: &str, message_id: &str) -> String {
    uuid5(&NAMESPACE, &[flow, "\n", message_id])
}

fn uuid5(namespace: &[u8; 16], name: &[&str]) -> String {
    // The version is defined by SHA-1; nothing here relies on it against an attacker.
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(namespace);
    for part in name {
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_of_version_5_as_others_make_them() {
        // RFC 9562, appendix A.4: `www.example.com` in the namespace of DNS.
        let dns = 0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8_u128.to_be_bytes();
        assert_eq!(
            uuid5(&dns, &["www.example.com"]),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        );
    }

    #[test]
    fn another_flow_or_another_message_has_another_key() {
        let keys = [
            key("a", "b"),
            key("a", "c"),
            key("b", "b"),
            key("a\nb", "c"),
            key("a", "b\nc"),
        ];
        assert_eq!(keys[0], key("a", "b"));
        for (at, one) in keys[..4].iter().enumerate() {
            assert!(!keys[at + 1..4].contains(one));
        }
    }
}

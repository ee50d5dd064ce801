//! Proof that a request comes from who knows the secret: HMAC-SHA256 over the raw bytes.
//!
//! Promises: compared in constant time; any of several secrets may match, so one can be replaced while
//! senders still use the old one; neither secrets nor signatures appear in `Debug`, faults or logs.
//! Does not promise: freshness. A scheme without a time of signing accepts a request again whenever it comes;
//! its id then says that it is a repeat.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD as BASE64},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use trunkline_sdk::Fault;

use crate::scheme::{Encoding, Key, Proof, Scheme};

type HmacSha256 = Hmac<Sha256>;

/// As many signatures of one header are tried; senders put one per secret there.
const MAX_SIGNATURES: usize = 16;

/// Secrets are pasted with and without their padding.
const SECRET_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a Shopify webhook carries in `X-Shopify-Hmac-Sha256` for this body: base64 of its HMAC-SHA256 under
/// the app's client secret. For whoever plays the shop.
///
/// ```
/// let signed = trunkline_webhook::signature::shopify("hush", br#"{"id":1}"#);
/// assert_eq!(signed, "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=");
/// ```
pub fn shopify(secret: &str, body: &[u8]) -> String {
    BASE64.encode(
        keyed(secret.as_bytes())
            .chain_update(body)
            .finalize()
            .into_bytes(),
    )
}

/// The secrets of one system, ready to sign with.
pub(crate) struct Keyring(Vec<HmacSha256>);

impl Keyring {
    /// The keys that a scheme makes of these secrets. Fault: `Stop` for one that cannot be a key.
    pub(crate) fn new(scheme: &Scheme, secrets: &[&str]) -> Result<Self, Fault> {
        let Some(proof) = &scheme.proof else {
            return Ok(Self(Vec::new()));
        };
        let key = |(at, secret): (usize, &&str)| match (proof.key, secret.strip_prefix("whsec_")) {
            (Key::Whsec, Some(encoded)) => match SECRET_BASE64.decode(encoded) {
                Ok(key) if !key.is_empty() => Ok(keyed(&key)),
                _ => Err(Fault::stop(format!(
                    "secret {} of `verify: {}` starts with `whsec_`, but no base64 follows",
                    at + 1,
                    scheme.word
                ))
                .hint("copy it again from the sender's settings, whole")),
            },
            _ if secret.is_empty() => Err(Fault::stop(format!(
                "secret {} of `verify: {}` is empty",
                at + 1,
                scheme.word
            ))),
            _ => Ok(keyed(secret.as_bytes())),
        };
        secrets
            .iter()
            .enumerate()
            .map(key)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// How many secrets there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the signatures in `header` is one of these parts under one of the secrets.
    pub(crate) fn proves(&self, proof: &Proof, header: &str, signed: &[&[u8]]) -> bool {
        let candidates: Vec<Vec<u8>> = signatures(proof, header).collect();
        self.0.iter().any(|key| {
            let mac = signed.iter().fold(key.clone(), HmacSha256::chain_update);
            candidates
                .iter()
                .any(|candidate| mac.clone().verify_slice(candidate).is_ok())
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.0.len())
    }
}

fn keyed(secret: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(secret).expect("HMAC takes keys of any length")
}

/// The signatures in a header; what cannot be one is passed over.
fn signatures(proof: &Proof, header: &str) -> impl Iterator<Item = Vec<u8>> {
    let separator = proof.separator;
    header
        .split(move |c| Some(c) == separator)
        .filter_map(|part| part.trim().strip_prefix(proof.tag))
        .filter_map(|text| match proof.encoding {
            Encoding::Base64 => BASE64.decode(text).ok(),
            Encoding::Hex => hex(text),
        })
        .take(MAX_SIGNATURES)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{GITHUB, SHOPIFY, STANDARD};

    fn proves(scheme: &Scheme, secrets: &[&str], header: &str, signed: &[&[u8]]) -> bool {
        let proof = scheme.proof.as_ref().expect("these schemes sign");
        Keyring::new(scheme, secrets)
            .expect("these are keys")
            .proves(proof, header, signed)
    }

    // The example of the Standard Webhooks reference libraries.
    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &[&[u8]] = &[
        b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b".",
        b"1614265330",
        b".",
        br#"{"test": 2432232314}"#,
    ];
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_of_standard_webhooks_is_proven() {
        assert!(proves(&STANDARD, &[WHSEC], SIGNATURE, SIGNED));
    }

    #[test]
    fn the_published_example_of_github_is_proven() {
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = "It's a Secret to Everybody";
        assert!(proves(&GITHUB, &[secret], header, &[b"Hello, World!"]));
        assert!(!proves(&GITHUB, &[secret], &header[7..], &[b"Hello, World!"]));
    }

    #[test]
    fn what_another_implementation_signed_for_shopify_is_proven() {
        // given: openssl dgst -sha256 -hmac hush -binary | base64
        let signature = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=";
        // then
        assert!(proves(&SHOPIFY, &["hush"], signature, &[br#"{"id":1}"#]));
        assert_eq!(shopify("hush", br#"{"id":1}"#), signature);
    }

    #[test]
    fn any_of_several_secrets_and_any_of_several_signatures_may_match() {
        // given: an old and a new secret, and a sender that signs with both and in a form we do not know
        let secrets = ["raw secret", WHSEC];
        let header = format!("v1a,AAAA v1,AAAA v1,not-base64 {SIGNATURE}");
        // then
        assert!(proves(&STANDARD, &secrets, &header, SIGNED));
        assert!(!proves(&STANDARD, &secrets[..1], &header, SIGNED));
    }

    #[test]
    fn one_bit_in_secret_signature_or_body_is_too_many() {
        let header = shopify("hush", b"body");
        assert!(proves(&SHOPIFY, &["hush"], &header, &[b"body"]));
        assert!(!proves(&SHOPIFY, &["husi"], &header, &[b"body"]));
        assert!(!proves(&SHOPIFY, &["hush"], &header, &[b"bodx"]));
        for at in 0..header.len() {
            for bit in 0..7 {
                let mut bytes = header.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let flipped = String::from_utf8(bytes).expect("seven bits are ASCII");
                // White space around a header's value is no part of it.
                if flipped.trim() != header.trim() {
                    assert!(!proves(&SHOPIFY, &["hush"], &flipped, &[b"body"]), "{at} {bit}");
                }
            }
        }
    }

    #[test]
    fn hostile_signatures_are_passed_over() {
        for header in [
            "",
            " ",
            "v1,",
            ",",
            "v1,====",
            "v1,A",
            "\u{e9}v1,é",
            &"v1,AAAA ".repeat(10_000),
        ] {
            assert!(!proves(&STANDARD, &[WHSEC], header, SIGNED));
        }
        assert_eq!(hex("0"), None);
        assert_eq!(hex("zz"), None);
        assert_eq!(hex("\u{e9}"), None);
        assert_eq!(hex("0fF0"), Some(vec![0x0f, 0xf0]));
    }

    #[test]
    fn a_secret_that_is_no_key_stops_and_is_not_quoted() {
        for secret in ["whsec_", "whsec_not base64!", ""] {
            let fault = Keyring::new(&STANDARD, &[WHSEC, secret]).expect_err("this is no key");
            assert_eq!(fault.remedy, trunkline_sdk::Remedy::Stop);
            assert!(!fault.to_string().contains("not base64!"));
        }
    }
}

//! Proof that a request comes from who knows the secret: an HMAC over the raw bytes, or the secret itself.
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
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use trunkline_sdk::Fault;
use unicode_normalization::UnicodeNormalization;

use crate::scheme::{Encoding, Hash, Key, Proof};

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
        mac::<Hmac<Sha256>>(secret.as_bytes(), &[body])
            .finalize()
            .into_bytes(),
    )
}

/// The keys of one system.
pub(crate) struct Keyring(Vec<Vec<u8>>);

impl Keyring {
    /// The keys that are made of these secrets. Fault: `Stop` for one that cannot be a key; `word` is the scheme's.
    pub(crate) fn new(word: &str, key: Key, secrets: &[&str]) -> Result<Self, Fault> {
        let keys = secrets.iter().enumerate().map(|(at, secret)| {
            let told = format!("secret {} of `verify: {word}`", at + 1);
            match bytes(key, secret) {
                Ok(bytes) if bytes.is_empty() => Err(Fault::stop(format!("{told} is empty"))),
                Ok(bytes) => Ok(bytes),
                Err(what) => Err(Fault::stop(format!("{told} {what}"))
                    .hint("copy it again from the sender's settings, whole")),
            }
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// How many secrets there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the signatures in `header` is one of these parts under one of the secrets.
    pub(crate) fn proves(&self, proof: &Proof, header: &str, signed: &[&[u8]]) -> bool {
        let candidates: Vec<Vec<u8>> = signatures(proof, header).collect();
        self.0.iter().any(|key| match proof.hash {
            Hash::Sha1 => is_one::<Hmac<Sha1>>(key, signed, &candidates),
            Hash::Sha256 => is_one::<Hmac<Sha256>>(key, signed, &candidates),
            Hash::Sha384 => is_one::<Hmac<Sha384>>(key, signed, &candidates),
            Hash::Sha512 => is_one::<Hmac<Sha512>>(key, signed, &candidates),
            // Equal MACs under a key that only we know say so of what they are of, and take the same time to compare.
            Hash::Secret => {
                let theirs = candidates
                    .iter()
                    .map(|theirs| mac::<Hmac<Sha256>>(key, &[theirs]));
                let theirs: Vec<_> = theirs.map(|mac| mac.finalize().into_bytes().to_vec()).collect();
                is_one::<Hmac<Sha256>>(key, &[key], &theirs)
            }
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.0.len())
    }
}

/// The part of a signature's header that stands behind this.
pub(crate) fn behind<'h>(header: &'h str, separator: Option<char>, tag: &str) -> Option<&'h str> {
    fields(header, separator).find_map(|field| stripped(field, tag))
}

/// The key of a secret, or what is wrong with it.
fn bytes(key: Key, secret: &str) -> Result<Vec<u8>, &'static str> {
    match key {
        Key::Text => Ok(secret.as_bytes().to_vec()),
        Key::Nfkd => Ok(secret.nfkd().collect::<String>().into_bytes()),
        Key::Whsec => match secret.strip_prefix("whsec_") {
            None => Ok(secret.as_bytes().to_vec()),
            Some(encoded) => match SECRET_BASE64.decode(encoded) {
                Ok(key) if !key.is_empty() => Ok(key),
                _ => Err("starts with `whsec_`, but no base64 follows"),
            },
        },
        Key::Base64 => SECRET_BASE64.decode(secret).map_err(|_| "is no base64"),
        Key::Hex => hex(secret).ok_or("is not written in pairs of hex digits"),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], signed: &[&[u8]]) -> M {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    signed.iter().fold(mac, M::chain_update)
}

fn is_one<M: Mac + KeyInit + Clone>(key: &[u8], signed: &[&[u8]], candidates: &[Vec<u8>]) -> bool {
    let mac = mac::<M>(key, signed);
    candidates
        .iter()
        .any(|candidate| mac.clone().verify_slice(candidate).is_ok())
}

fn fields(header: &str, separator: Option<char>) -> impl Iterator<Item = &str> {
    header.split(move |c| Some(c) == separator).map(str::trim)
}

/// What is behind the tag. The names of authentication schemes are the same in capitals.
fn stripped<'h>(field: &'h str, tag: &str) -> Option<&'h str> {
    let (start, rest) = field.split_at_checked(tag.len())?;
    start.eq_ignore_ascii_case(tag).then_some(rest)
}

/// The signatures in a header; what cannot be one is passed over.
fn signatures(proof: &Proof, header: &str) -> impl Iterator<Item = Vec<u8>> {
    fields(header, proof.separator)
        .filter_map(|field| stripped(field, &proof.tag))
        .filter_map(|text| match proof.encoding {
            Encoding::Base64 => BASE64.decode(text).ok(),
            Encoding::Hex => hex(text),
            Encoding::Plain => Some(text.as_bytes().to_vec()),
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
    use crate::scheme::{ROWS, Scheme};

    fn proves(word: &str, secrets: &[&str], header: &str, signed: &[&[u8]]) -> bool {
        let row = ROWS.iter().find(|row| row.word == word).expect("a row");
        let key = row.proof.expect("these schemes sign").key;
        let scheme = Scheme::of(row).expect("a scheme");
        let proof = scheme.spellings[0].proof.as_ref().expect("as above");
        Keyring::new(word, key, secrets)
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
        assert!(proves("standard", &[WHSEC], SIGNATURE, SIGNED));
    }

    #[test]
    fn any_of_several_secrets_and_any_of_several_signatures_may_match() {
        // given: an old and a new secret, and a sender that signs with both and in a form we do not know
        let secrets = ["raw secret", WHSEC];
        let header = format!("v1a,AAAA v1,AAAA v1,not-base64 {SIGNATURE}");
        // then
        assert!(proves("standard", &secrets, &header, SIGNED));
        assert!(!proves("standard", &secrets[..1], &header, SIGNED));
    }

    #[test]
    fn one_bit_in_secret_signature_or_body_is_too_many() {
        let header = shopify("hush", b"body");
        assert!(proves("shopify", &["hush"], &header, &[b"body"]));
        assert!(!proves("shopify", &["husi"], &header, &[b"body"]));
        assert!(!proves("shopify", &["hush"], &header, &[b"bodx"]));
        for at in 0..header.len() {
            for bit in 0..7 {
                let mut bytes = header.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let flipped = String::from_utf8(bytes).expect("seven bits are ASCII");
                // White space around a header's value is no part of it.
                if flipped.trim() != header.trim() {
                    assert!(!proves("shopify", &["hush"], &flipped, &[b"body"]), "{at} {bit}");
                }
            }
        }
    }

    #[test]
    fn a_token_is_the_secret_to_the_last_character() {
        let secrets = ["an old one", "a-token"];
        assert!(proves("bearer", &secrets, "Bearer a-token", &[]));
        assert!(proves("bearer", &secrets, "BEARER an old one", &[]));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a-toke",
            "Bearer a-token2",
            "a-token",
            "Basic a-token",
        ] {
            assert!(!proves("bearer", &secrets, wrong, &[]), "{wrong}");
        }
        assert!(!proves("basic", &["user:a"], "Basic user:a", &[]));
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
            "v1",
            "\u{e9}v1,é",
            "v\u{e9},",
            &"v1,AAAA ".repeat(10_000),
        ] {
            assert!(!proves("standard", &[WHSEC], header, SIGNED));
        }
        assert_eq!(hex("0"), None);
        assert_eq!(hex("zz"), None);
        assert_eq!(hex("\u{e9}"), None);
        assert_eq!(hex("0fF0"), Some(vec![0x0f, 0xf0]));
    }

    #[test]
    fn a_secret_that_is_no_key_stops_and_is_not_quoted() {
        for (key, secret) in [
            (Key::Whsec, "whsec_"),
            (Key::Whsec, "whsec_not base64!"),
            (Key::Text, ""),
            (Key::Base64, "not base64!"),
            (Key::Hex, "not base64!"),
        ] {
            let fault = Keyring::new("standard", key, &[secret]).expect_err("this is no key");
            assert_eq!(fault.remedy, trunkline_sdk::Remedy::Stop);
            assert!(!fault.to_string().contains("not base64!"));
        }
    }
}

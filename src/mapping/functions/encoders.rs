//! `base64`: bytes as text and back.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Function, Gives, Takes, strings::text, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    value::{Blob, Val},
};

/// Pads what it writes, and reads it with or without.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "base64.encode",
        method: false,
        takes: &[Takes::Bytes],
        gives: Gives::Text,
        doc: "the text of base64 of bytes, with padding",
        run: encode,
    },
    Function {
        name: "base64.decode",
        method: false,
        takes: &[Takes::Text],
        gives: Gives::Bytes,
        doc: "the bytes of a text of base64, with or without padding",
        run: decode,
    },
];

/// The text of base64, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

fn encode<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    match &args[0] {
        Val::Bytes(bytes) => {
            budget.bytes(bytes.as_slice().len().saturating_mul(2))?;
            Ok(Val::text(base64(bytes.as_slice())))
        }
        other => Err(unfit("bytes", other).hint("bytes(..) makes bytes of a text")),
    }
}

fn decode<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let encoded = text(&args[0])?.as_str();
    budget.bytes(encoded.len())?;
    let bytes = ENGINE
        .decode(encoded)
        .map_err(|_| Failure::new(format!("{} is no base64", args[0].kind())))?;
    Ok(Val::Bytes(Blob::Shared(bytes.into())))
}

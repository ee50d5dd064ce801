//! x
/// x
pub mod json { /// x
pub fn write(_: &trunkline_sdk::Value<'_>) -> Vec<u8> { Vec::new() } }

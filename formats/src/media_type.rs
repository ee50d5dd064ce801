//! The media types (RFC 6838) of the formats read here, as they stand in a record's content type.

/// One JSON text, RFC 8259.
pub const JSON: &str = "application/json";
/// One row of comma separated values, RFC 4180; its columns are named elsewhere.
pub const CSV: &str = "text/csv";
/// One XML element, RFC 7303.
pub const XML: &str = "application/xml";
/// Text, of which its columns tell what it is: a record of fixed width.
pub const TEXT: &str = "text/plain";
/// Bytes of which no more is known, or too many to be what they claim.
pub const BYTES: &str = "application/octet-stream";

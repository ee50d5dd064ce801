//! Encoded protobuf, read and written without a schema: tags, varints, lengths.
//!
//! Promised: whatever the bytes, reading ends, allocates nothing and never panics; groups deeper than
//! [`MAX_DEPTH`] are refused. Not promised: that the fields mean anything; who reads knows the descriptor.

use std::fmt;

/// How deep messages and groups may nest, as in the other implementations of protobuf.
pub const MAX_DEPTH: u8 = 100;

/// Why bytes are no protobuf message. Says the shape, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The bytes end in the middle of a field.
    Truncated,
    /// A varint has more than ten bytes.
    Varint,
    /// A tag with the field number 0, beyond 2^29, or of an unknown wire type.
    Tag,
    /// Groups nest too deep, or do not match.
    Group,
    /// A text is not UTF-8.
    Utf8,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the message ends in the middle of a field",
            Self::Varint => "the message holds a varint of more than ten bytes",
            Self::Tag => "the message holds an impossible tag",
            Self::Group => "the message holds groups that do not match or nest too deep",
            Self::Utf8 => "the message holds a text that is not utf-8",
        })
    }
}

impl std::error::Error for Broken {}

/// The value of one field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wire<'a> {
    /// int32, int64, uint32, uint64, sint32, sint64, bool, enum.
    Varint(u64),
    /// fixed64, sfixed64, double.
    Fixed64(u64),
    /// Text, bytes, message, packed list.
    Bytes(&'a [u8]),
    /// fixed32, sfixed32, float.
    Fixed32(u32),
    /// What stood between the tags of a group.
    Group(&'a [u8]),
}

/// Reads one field after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether all was read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next field's number and value; `None` at the end.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        self.value(number, wire_type).map(|wire| Some((number, wire)))
    }

    /// The value of the next field with this number, what stands before it skipped; `None`: there is none any more.
    /// `other` hears of each number that is skipped.
    #[inline]
    pub fn seek(&mut self, wanted: u32, mut other: impl FnMut(u32)) -> Result<Option<Wire<'a>>, Broken> {
        while !self.bytes.is_empty() {
            let (number, wire_type) = self.tag()?;
            if number == wanted {
                return self.value(number, wire_type).map(Some);
            }
            self.skip(number, wire_type)?;
            other(number);
        }
        Ok(None)
    }

    /// Passes over the value behind a tag.
    #[inline]
    pub(super) fn skip(&mut self, number: u32, wire_type: u8) -> Result<(), Broken> {
        match wire_type {
            2 => drop(self.chunk()?),
            0 => drop(self.varint()?),
            _ => drop(self.value(number, wire_type)?),
        }
        Ok(())
    }

    /// The value behind a tag.
    #[inline]
    pub(super) fn value(&mut self, number: u32, wire_type: u8) -> Result<Wire<'a>, Broken> {
        Ok(match wire_type {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.fixed64()?),
            2 => Wire::Bytes(self.chunk()?),
            5 => Wire::Fixed32(self.fixed32()?),
            3 => {
                let start = self.bytes;
                let length = self.group(number)?;
                Wire::Group(&start[..length])
            }
            _ => return Err(Broken::Tag),
        })
    }

    /// The next tag: number and wire type.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<(u32, u8), Broken> {
        let tag = match self.bytes.first() {
            Some(byte) if *byte < 0x80 => {
                self.bytes = &self.bytes[1..];
                u32::from(*byte)
            }
            _ => u32::try_from(self.varint()?).map_err(|_| Broken::Tag)?,
        };
        if tag < 8 {
            return Err(Broken::Tag);
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    /// A varint: at most ten bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Broken> {
        match self.bytes {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for (at, byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.bytes = &self.bytes[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.bytes.len() < 10 {
            Broken::Truncated
        } else {
            Broken::Varint
        })
    }

    /// Four bytes, little-endian.
    #[inline]
    pub fn fixed32(&mut self) -> Result<u32, Broken> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Broken::Truncated)?;
        self.bytes = rest;
        Ok(u32::from_le_bytes(*head))
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, Broken> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Broken::Truncated)?;
        self.bytes = rest;
        Ok(u64::from_le_bytes(*head))
    }

    /// What stands behind a length.
    #[inline]
    pub(super) fn chunk(&mut self) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(self.varint()?).map_err(|_| Broken::Truncated)?;
        if length > self.bytes.len() {
            return Err(Broken::Truncated);
        }
        let (head, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(head)
    }

    /// Skips to behind the end tag of group `number`; the length of what stands before that tag.
    fn group(&mut self, number: u32) -> Result<usize, Broken> {
        let whole = self.bytes.len();
        let mut open = [0; MAX_DEPTH as usize];
        open[0] = number;
        let mut depth = 1;
        loop {
            let inner = whole - self.bytes.len();
            let (number, wire_type) = self.tag()?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.chunk()?),
                5 => drop(self.fixed32()?),
                3 => {
                    *open.get_mut(depth).ok_or(Broken::Group)? = number;
                    depth += 1;
                }
                4 if open[depth - 1] == number => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(inner);
                    }
                }
                4 => return Err(Broken::Group),
                _ => return Err(Broken::Tag),
            }
        }
    }
}

/// A text on the wire.
#[inline]
pub fn text(bytes: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(bytes).map_err(|_| Broken::Utf8)
}

/// The zigzag form of sint32 and sint64, undone.
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// The zigzag form of sint32 and sint64.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Writes a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a tag.
#[inline]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Writes a field of text, bytes or message.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    if number < 16 && bytes.len() < 0x80 {
        // Most are so short: their head is two bytes.
        out.reserve(bytes.len() + 2);
        out.extend_from_slice(&[(number << 3 | 2) as u8, bytes.len() as u8]);
    } else {
        put_tag(out, number, 2);
        put_varint(out, bytes.len() as u64);
    }
    out.extend_from_slice(bytes);
}

/// Begins a length-delimited field whose length is not known yet; [`finish`] completes it.
#[inline]
pub fn begin(out: &mut Vec<u8>, number: u32) -> usize {
    put_tag(out, number, 2);
    out.push(0);
    out.len()
}

/// Completes what [`begin`] began at `start`: puts the length in.
#[inline]
pub fn finish(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    // Room for the further bytes of the length, and what was written moves behind them.
    let further = (length.ilog2() / 7) as usize;
    out.resize(out.len() + further, 0);
    out.copy_within(start..start + length, start + further);
    let mut left = length;
    for byte in &mut out[start - 1..start + further] {
        *byte = (left & 0x7f) as u8 | 0x80;
        left >>= 7;
    }
    out[start + further - 1] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cut_anywhere_is_refused_and_never_read_beyond() {
        // given
        let mut bytes = Vec::new();
        put_tag(&mut bytes, 1, 0);
        put_varint(&mut bytes, u64::MAX);
        put_bytes(&mut bytes, 2000, b"text");
        let start = begin(&mut bytes, 3);
        bytes.extend(std::iter::repeat_n(7, 300));
        finish(&mut bytes, start);
        // when
        let mut whole = Reader::new(&bytes);
        // then
        assert_eq!(whole.field(), Ok(Some((1, Wire::Varint(u64::MAX)))));
        assert_eq!(whole.field(), Ok(Some((2000, Wire::Bytes(b"text")))));
        assert!(matches!(whole.field(), Ok(Some((3, Wire::Bytes(bytes)))) if bytes.len() == 300));
        assert_eq!(whole.field(), Ok(None));
        let boundaries = [0, 11, 18];
        for cut in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..cut]);
            let last = loop {
                match reader.field() {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            assert_eq!(last.is_ok(), boundaries.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_length_takes_as_many_bytes_as_it_needs() {
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_152] {
            // given
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut wanted = vec![9];
            put_tag(&mut wanted, 3, 2);
            put_varint(&mut wanted, length as u64);
            wanted.extend_from_slice(&content);
            // when
            let (mut begun, mut put) = (vec![9], vec![9]);
            let start = begin(&mut begun, 3);
            begun.extend_from_slice(&content);
            finish(&mut begun, start);
            put_bytes(&mut put, 3, &content);
            // then
            assert!(begun == wanted && put == wanted, "{length}");
        }
    }

    #[test]
    fn groups_are_skipped_whole_and_only_so_deep() {
        let nested = |depth: usize| {
            let mut bytes = vec![0x0b; depth];
            bytes.extend(vec![0x0c; depth]);
            bytes
        };
        assert!(matches!(
            Reader::new(&nested(100)).field(),
            Ok(Some((1, Wire::Group(_))))
        ));
        assert_eq!(Reader::new(&nested(101)).field(), Err(Broken::Group));
        assert_eq!(Reader::new(&[0x0b, 0x14]).field(), Err(Broken::Group));
        assert_eq!(Reader::new(&[0x00, 0x00]).field(), Err(Broken::Tag));
        assert_eq!(Reader::new(&[0xff; 11]).field(), Err(Broken::Varint));
    }

    #[test]
    fn zigzag_goes_there_and_back() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}

//! Buckets and partitions: how the messages of a channel are shared out so that those of one key stay together.
//!
//! A public interface, described in the README: whoever publishes computes the same bucket. How many partitions
//! there are is known to the reader alone, so that a publisher need not know it.

use std::fmt;

use sha2::{Digest, Sha256};

/// A part of all keys: `00` to `63`.
///
/// SHA-256, because every language has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(u8);

impl Bucket {
    /// How many there are.
    pub const COUNT: u8 = 64;

    /// The bucket of a key: the first byte of its SHA-256 hash, modulo 64.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key)[0] % Self::COUNT)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }
}

/// Two digits, as in a routing key.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// One of the partitions of a channel that keeps order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Which one it is, from 0.
    pub index: u8,
    /// How many there are: 1 to 64.
    pub of: u8,
}

impl Partition {
    /// All partitions of a channel that has so many.
    pub fn all(of: u8) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// The partition of a bucket: its number modulo their number.
    pub fn of_bucket(bucket: Bucket, of: u8) -> Self {
        let index = bucket.0 % of;
        Self { index, of }
    }

    /// Whether the messages of this key belong to it.
    pub fn holds(self, key: &str) -> bool {
        Self::of_bucket(Bucket::of(key), self.of) == self
    }

    /// The buckets that belong to it.
    pub fn buckets(self) -> impl Iterator<Item = Bucket> {
        Bucket::all().filter(move |bucket| Self::of_bucket(*bucket, self.of) == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_always_has_the_same_bucket() {
        // A change of this value would send a key's messages to another partition while old ones wait.
        assert_eq!(Bucket::of("1001").to_string(), "62");
        assert_eq!(Bucket::of("1001"), Bucket::of("1001"));
    }

    #[test]
    fn every_bucket_belongs_to_one_partition_and_every_partition_has_one() {
        for of in 1..=Bucket::COUNT {
            let mut buckets: Vec<_> = Partition::all(of).flat_map(Partition::buckets).collect();
            buckets.sort();
            assert_eq!(buckets, Bucket::all().collect::<Vec<_>>(), "{of} partitions");
            assert!(Partition::all(of).all(|partition| partition.buckets().next().is_some()));
        }
    }
}

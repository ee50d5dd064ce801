//! trunkline-proto

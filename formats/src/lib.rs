//! trunkline-formats

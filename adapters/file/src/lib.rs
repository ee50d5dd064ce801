//! trunkline-file

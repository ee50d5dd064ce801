//! trunkline-sdk

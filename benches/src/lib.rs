//! trunkline-bench

//! The sentences a source must make true.

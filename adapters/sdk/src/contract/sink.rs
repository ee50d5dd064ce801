//! The sentences a sink must make true.

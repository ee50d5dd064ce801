//! What the tests of this crate share. Each test file takes a part: `mod support;`.

pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod services;
pub(crate) mod shop;

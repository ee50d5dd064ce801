//! trunkline-webhook

//! How a flow stands.

/// How a flow stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has not begun yet.
    #[default]
    Starting,
    /// It takes what comes.
    AtWork,
    /// It cannot work now, and tries again; why.
    Waits(String),
    /// Its source came to its end, or it was told to stop.
    Ended,
}

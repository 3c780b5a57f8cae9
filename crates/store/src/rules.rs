//! How a store is set up, as far as it tells: what protects a repository there, and what endangers it.

/// How good a rule is for what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As it should be.
    Good,
    /// It was not told, or the store has no such thing.
    Unknown,
    /// It could be better.
    Weak,
    /// It endangers what lies there.
    Bad,
}

/// One rule of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which, in a word: `versioning`.
    pub what: &'static str,
    /// How good it is.
    pub standing: Standing,
    /// What it is.
    pub text: String,
    /// What to do about it; empty if nothing.
    pub advice: String,
}

impl Rule {
    /// A rule about which there is nothing to do.
    pub fn told(what: &'static str, standing: Standing, text: impl Into<String>) -> Self {
        Self { what, standing, text: text.into(), advice: String::new() }
    }

    /// With what to do about it.
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

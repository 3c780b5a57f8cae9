//! The local SQLite database: what we believe.

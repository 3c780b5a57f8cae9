//! Readable packs to files.

//! Library to chunks to packs to store.

//! Jobs, runs, events, policies: the API boundary.

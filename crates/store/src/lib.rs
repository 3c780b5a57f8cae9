//! The Store trait, outcomes, contract suite and doubles.

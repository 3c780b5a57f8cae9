//! Audit and scrub: catalog against inventory, bytes against names.

//! Statements that take several rows at once, which spares most of what a statement costs by itself.

/// Rows of one that takes several.
pub(crate) const ROWS: usize = 16;

/// `insert` with the values of so many rows of so many columns.
pub(crate) fn statement(insert: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{insert} {}", vec![row; rows].join(","))
}

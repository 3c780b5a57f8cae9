//! `demo`: the whole way on a small made-up library.
mod fixtures;
/// Placeholder body while the rest is wired.
pub fn run(_keep: bool) -> anyhow::Result<crate::output::Exit> {
    Ok(crate::output::Exit::Ok)
}

//! Runs of zeros in what is copied: holes stay holes.

/// Granularity of holes: what file systems allocate in.
const GRAIN: usize = 4096;

/// A run of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run<'b> {
    /// To be written.
    Data(&'b [u8]),
    /// So many zeros.
    Hole(u64),
}

/// Cuts a buffer into data and holes.
pub(crate) fn runs(bytes: &[u8]) -> Vec<Run<'_>> {
    let mut out = Vec::new();
    let mut from = 0;
    while from < bytes.len() {
        let hole = is_hole(bytes, from);
        let mut to = from;
        while to < bytes.len() && is_hole(bytes, to) == hole {
            to = (to + GRAIN).min(bytes.len());
        }
        out.push(if hole { Run::Hole((to - from) as u64) } else { Run::Data(&bytes[from..to]) });
        from = to;
    }
    out
}

fn is_hole(bytes: &[u8], from: usize) -> bool {
    let grain = &bytes[from..bytes.len().min(from + GRAIN)];
    grain.len() == GRAIN && grain.iter().all(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_whole_grains_of_zeros() {
        let mut bytes = vec![0u8; GRAIN * 4 + 10];
        bytes[GRAIN + 5] = 1;
        let cut = runs(&bytes);
        assert_eq!(cut[0], Run::Hole(GRAIN as u64));
        assert_eq!(cut[1], Run::Data(&bytes[GRAIN..GRAIN * 2]));
        assert_eq!(cut[2], Run::Hole(GRAIN as u64 * 2));
        assert_eq!(cut[3], Run::Data(&bytes[GRAIN * 4..]));
        assert_eq!(runs(&[]), []);
    }
}

//! Fujifilm's RAF: a header that says where the JPEG is, and the JPEG that says the rest.

use crate::facts::{Facts, Preview};
use crate::jpeg;
use crate::source::Reading;

/// The facts of a RAF file. Source of the layout: the header as ExifTool documents it.
pub(crate) fn facts(reading: &Reading<'_>) -> Option<Facts> {
    let head = reading.bytes(0, 92)?;
    if !head.starts_with(b"FUJIFILMCCD-RAW") {
        return None;
    }
    let word = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes).map(u64::from);
    let (offset, len) = (word(84)?, word(88)?);
    let mut facts = jpeg::facts(reading, offset, len).unwrap_or_default();
    facts.previews.clear();
    if offset.checked_add(len)? <= reading.len()
        && let Some((width, height)) = jpeg::size(reading, offset, len)
    {
        facts.preview(Preview { offset, len, width, height });
    }
    Some(facts)
}

//! What a fuzzer calls: every format on any bytes. It shows that nothing panics, and that what is
//! found makes sense.

use crate::kind::Format;
use crate::{clip_facts, facts, sidecar_facts, thumbnail};

const FORMATS: [Format; 8] =
    [Format::Jpeg, Format::Heif, Format::Web, Format::Tiff, Format::Cr3, Format::Raf, Format::Video, Format::Other];

/// The facts of the bytes in every format, and their thumbnails.
///
/// # Panics
/// Where a fact makes no sense.
pub fn photo(bytes: &[u8]) {
    for format in FORMATS {
        let found = facts(&bytes, format);
        for preview in &found.previews {
            let end = preview.offset.checked_add(preview.len);
            assert!(end.is_some_and(|end| end <= bytes.len() as u64), "{format:?}: a preview outside the file");
        }
        assert!(found.gps.is_none_or(|gps| gps.latitude.abs() <= 90.0 && gps.longitude.abs() <= 180.0));
        assert!(found.orientation.is_none_or(|o| (1..=8).contains(&o)));
        if let Ok(jpeg) = thumbnail(&bytes, format, &found) {
            assert!(jpeg.starts_with(&[0xff, 0xd8]), "{format:?}: a thumbnail that is no JPEG");
        }
    }
    let _ = (sidecar_facts(&bytes), clip_facts(&bytes));
}

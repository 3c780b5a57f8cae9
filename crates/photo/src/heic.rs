//! HEIC's pixels: coded as a video is, so that a library decodes them.

use crate::facts::Facts;
use crate::kind::Format;
use crate::source::{ReadAt, Reading};
use crate::thumbnail::{JPEG_MAX, NoThumbnail, Pixels, THUMBNAIL_EDGE};

/// Pixels of a picture that is decoded: four bytes each, and what the decoder needs beside them.
const DECODED_MAX: u64 = 64_000_000;

/// The pixels of a HEIC file, upright: its small picture where that suffices, else the whole one, else
/// whatever small picture there is. Nothing for what is no HEIC or carries a JPEG.
pub(crate) fn pixels(source: &dyn ReadAt, format: Format, facts: &Facts) -> Result<Option<Pixels>, NoThumbnail> {
    if format != Format::Heif || !facts.previews.is_empty() {
        return Ok(None);
    }
    if source.len() > JPEG_MAX {
        return Err(NoThumbnail::TooLarge);
    }
    let reading = Reading::new(source, JPEG_MAX);
    // A phone's HEIC may be a JPEG by now.
    if reading.up_to(0, 2).is_some_and(|head| head == [0xff, 0xd8]) {
        return Ok(None);
    }
    let bytes = reading.bytes(0, source.len()).ok_or_else(|| NoThumbnail::Damaged("it ends too early".into()))?;
    let small = heifer::decode_thumbnail(&bytes).ok().flatten();
    if let Some(small) = small.as_ref().filter(|small| small.width.max(small.height) >= THUMBNAIL_EDGE) {
        return Ok(Some(rgb(&small.to_rgba8(), small.width, small.height)));
    }
    let options = heifer::Options { max_threads: 1, max_pixels: DECODED_MAX };
    // A colour space that cannot be converted is shown as it is coded.
    let whole = heifer::decode_srgb_rgba8(&bytes, &options).or_else(|_| heifer::decode_rgba8(&bytes, &options));
    match (whole, small) {
        (Ok(whole), _) => Ok(Some(rgb(&whole.data, whole.width, whole.height))),
        (Err(_), Some(small)) => Ok(Some(rgb(&small.to_rgba8(), small.width, small.height))),
        (Err(error), None) => Err(NoThumbnail::Damaged(error.to_string())),
    }
}

fn rgb(rgba: &[u8], width: u32, height: u32) -> Pixels {
    let data = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    Pixels { data, width, height, profile: None }
}

//! Thumbnails: long edge 512, upright, sRGB, JPEG.

use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};
use moxcms::{ColorProfile, Layout, TransformOptions};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::facts::{Facts, Preview};
use crate::kind::Format;
use crate::source::{ReadAt, Reading};

/// Pixels of the long edge.
pub const THUMBNAIL_EDGE: u32 = 512;
const QUALITY: u8 = 80;
/// Pixels of a picture that is decoded for a thumbnail: 3 bytes each.
pub(crate) const PIXELS_MAX: u64 = 120_000_000;
/// Pixels of one side.
const SIDE_MAX: usize = 30_000;
/// Bytes of a JPEG that is decoded.
pub(crate) const JPEG_MAX: u64 = 80 << 20;

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
pub enum NoThumbnail {
    /// Nothing in the file can be shown.
    #[error("it holds no preview that can be shown")]
    NoPreview,
    /// The preview is larger than anything that is worth it.
    #[error("its preview is too large")]
    TooLarge,
    /// The preview is damaged.
    #[error("its preview cannot be decoded: {0}")]
    Damaged(String),
}

/// A thumbnail as JPEG.
pub fn thumbnail(source: &dyn ReadAt, format: Format, facts: &Facts) -> Result<Vec<u8>, NoThumbnail> {
    #[cfg(feature = "heic")]
    if let Some(pixels) = crate::heic::pixels(source, format, facts)? {
        // Turned as its boxes say; what EXIF says is the same once more.
        return finish(pixels, facts.adobe_rgb, 1);
    }
    let jpeg = picture(source, format, facts)?;
    finish(decode(&jpeg)?, facts.adobe_rgb, facts.orientation.unwrap_or(1))
}

/// Small, in sRGB, upright, as JPEG.
fn finish(mut pixels: Pixels, adobe_rgb: bool, orientation: u8) -> Result<Vec<u8>, NoThumbnail> {
    let (width, height) = fitted(pixels.width, pixels.height);
    if (width, height) != (pixels.width, pixels.height) {
        pixels = resize(pixels, width, height)?;
    }
    to_srgb(&mut pixels, adobe_rgb);
    encode(&upright(pixels, orientation))
}

/// The smallest embedded JPEG that suffices, else the largest; the file itself where it is one.
fn picture(source: &dyn ReadAt, format: Format, facts: &Facts) -> Result<Vec<u8>, NoThumbnail> {
    let large = |p: &&Preview| p.width.max(p.height) >= THUMBNAIL_EDGE;
    let preview = facts.previews.iter().find(large).or(facts.previews.last());
    let (offset, len) = match (preview, format) {
        (Some(preview), _) => (preview.offset, preview.len),
        (None, Format::Jpeg) => (0, source.len()),
        (None, _) => return Err(NoThumbnail::NoPreview),
    };
    if len > JPEG_MAX {
        return Err(NoThumbnail::TooLarge);
    }
    Reading::new(source, JPEG_MAX).bytes(offset, len).ok_or_else(|| NoThumbnail::Damaged("it ends too early".into()))
}

/// RGB, 3 bytes a pixel.
pub(crate) struct Pixels {
    pub(crate) data: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) profile: Option<Vec<u8>>,
}

fn decode(jpeg: &[u8]) -> Result<Pixels, NoThumbnail> {
    let damaged = |error: zune_jpeg::errors::DecodeErrors| NoThumbnail::Damaged(error.to_string());
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .jpeg_set_max_scans(64)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or(NoThumbnail::NoPreview)?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(NoThumbnail::TooLarge);
    }
    let profile = decoder.icc_profile();
    let data = decoder.decode().map_err(damaged)?;
    if data.len() != width as usize * height as usize * 3 || data.is_empty() {
        return Err(NoThumbnail::Damaged("its size is not what it says".into()));
    }
    Ok(Pixels { data, width, height, profile })
}

/// The size of the thumbnail; never larger than the picture.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let long = width.max(height);
    if long <= THUMBNAIL_EDGE {
        return (width, height);
    }
    let side = |n: u32| {
        let scaled = (u64::from(n) * u64::from(THUMBNAIL_EDGE) + u64::from(long) / 2) / u64::from(long);
        (scaled as u32).max(1)
    };
    (side(width), side(height))
}

fn resize(pixels: Pixels, width: u32, height: u32) -> Result<Pixels, NoThumbnail> {
    let failed = |error: String| NoThumbnail::Damaged(error);
    let source = Image::from_vec_u8(pixels.width, pixels.height, pixels.data, PixelType::U8x3)
        .map_err(|error| failed(error.to_string()))?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(fast_image_resize::FilterType::CatmullRom));
    Resizer::new().resize(&source, &mut target, &how).map_err(|error| failed(error.to_string()))?;
    Ok(Pixels { data: target.into_vec(), width, height, profile: pixels.profile })
}

/// By the embedded profile, or by what EXIF says; a profile that cannot be read is taken for sRGB.
fn to_srgb(pixels: &mut Pixels, adobe_rgb: bool) {
    let profile = match &pixels.profile {
        Some(bytes) => ColorProfile::new_from_slice(bytes).ok(),
        None => adobe_rgb.then(ColorProfile::new_adobe_rgb),
    };
    let Some(profile) = profile else { return };
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default());
    let mut out = vec![0; pixels.data.len()];
    if transform.is_ok_and(|transform| transform.transform(&pixels.data, &mut out).is_ok()) {
        pixels.data = out;
    }
}

/// EXIF's eight orientations: 1 is upright, 3 upside down, 6 to be turned right, 8 left; the even
/// ones between are mirrored.
fn upright(pixels: Pixels, orientation: u8) -> Pixels {
    if !(2..=8).contains(&orientation) {
        return pixels;
    }
    let (w, h) = (pixels.width as usize, pixels.height as usize);
    let turned = orientation >= 5;
    let (width, height) = if turned { (h, w) } else { (w, h) };
    let mut data = vec![0; pixels.data.len()];
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = match orientation {
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, h - 1 - x),
                7 => (w - 1 - y, h - 1 - x),
                _ => (w - 1 - y, x),
            };
            let (to, from) = ((y * width + x) * 3, (from_y * w + from_x) * 3);
            data[to..to + 3].copy_from_slice(&pixels.data[from..from + 3]);
        }
    }
    Pixels { data, width: width as u32, height: height as u32, profile: None }
}

fn encode(pixels: &Pixels) -> Result<Vec<u8>, NoThumbnail> {
    let mut out = Vec::new();
    let side = |n: u32| u16::try_from(n).map_err(|_| NoThumbnail::TooLarge);
    jpeg_encoder::Encoder::new(&mut out, QUALITY)
        .encode(&pixels.data, side(pixels.width)?, side(pixels.height)?, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| NoThumbnail::Damaged(error.to_string()))?;
    Ok(out)
}

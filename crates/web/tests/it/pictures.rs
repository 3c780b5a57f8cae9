//! Small pictures with a date and a camera, made up.

use jpeg_encoder::{ColorType, Encoder};

const WIDE: u16 = 240;
const TALL: u16 = 160;

/// EXIF that tells a camera and when it was taken.
fn exif(camera: &str, taken: &str) -> Vec<u8> {
    let camera = format!("{camera}\0");
    let (model_at, exif_at) = (8 + 2 + 2 * 12 + 4, 8 + 2 + 2 * 12 + 4 + camera.len());
    let taken_at = exif_at + 2 + 12 + 4;
    let mut out = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
    let entry = |out: &mut Vec<u8>, tag: u16, kind: u16, count: usize, value: usize| {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend((count as u32).to_le_bytes());
        out.extend((value as u32).to_le_bytes());
    };
    out.extend(2u16.to_le_bytes());
    entry(&mut out, 0x0110, 2, camera.len(), model_at);
    entry(&mut out, 0x8769, 4, 1, exif_at);
    out.extend([0; 4]);
    out.extend(camera.as_bytes());
    out.extend(1u16.to_le_bytes());
    entry(&mut out, 0x9003, 2, 20, taken_at);
    out.extend([0; 4]);
    out.extend(format!("{taken}\0").as_bytes());
    out
}

/// A sky over a hill, each with its own colours.
pub fn picture(n: usize, camera: &str, taken: &str) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(usize::from(WIDE) * usize::from(TALL) * 3);
    let (hue, hill) = ((n * 37 % 120) as u16, 70 + (n * 13 % 50) as u16);
    for y in 0..TALL {
        for x in 0..WIDE {
            let ridge = hill + x * (20 + (n % 7) as u16 * 6) / WIDE;
            let sun = i32::from(x).abs_diff(30 + (n as i32 * 53) % 180).pow(2) + i32::from(y).abs_diff(40).pow(2) < 240;
            let [red, green, blue] = match (y > ridge, sun) {
                (true, _) => [30 + hue / 3, 60 + hue / 2, 40],
                (false, true) => [250, 225, 160],
                (false, false) => [70 + y / 2 + hue, 110 + y / 3, 230 - hue],
            };
            pixels.extend([red, green, blue].map(|value| value.min(255) as u8));
        }
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 70);
    encoder.add_app_segment(1, exif(camera, taken)).unwrap();
    encoder.encode(&pixels, WIDE, TALL, ColorType::Rgb).unwrap();
    out
}

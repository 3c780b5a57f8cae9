//! Small pictures with a date and a camera, made up.

use jpeg_encoder::{ColorType, Encoder};

const WIDE: u16 = 240;
const TALL: u16 = 160;

/// Where pictures are taken: degrees north and east.
const PLACES: [(f64, f64); 7] = [
    (48.2082, 16.3738),
    (64.1466, -21.9426),
    (-33.9249, 18.4241),
    (35.0116, 135.7681),
    (-13.1631, -72.5450),
    (47.0707, 15.4395),
    (78.2232, 15.6267),
];

/// Where a picture of a shoot is taken, a short walk from the others; nowhere for each eighth shoot.
pub fn place(shoot: usize, n: usize) -> Option<(f64, f64)> {
    let (north, east) = PLACES.get(shoot % (PLACES.len() + 1))?;
    Some((north + (n % 10) as f64 * 0.0013, east + (n / 10 % 10) as f64 * 0.0017))
}

fn short(out: &mut Vec<u8>, value: usize) {
    out.extend((value as u16).to_le_bytes());
}

fn long(out: &mut Vec<u8>, value: usize) {
    out.extend((value as u32).to_le_bytes());
}

fn entry(out: &mut Vec<u8>, tag: u16, kind: usize, count: usize, value: usize) {
    out.extend(tag.to_le_bytes());
    short(out, kind);
    long(out, count);
    long(out, value);
}

/// Degrees, minutes, seconds, each as a fraction.
fn fractions(out: &mut Vec<u8>, degrees: f64) {
    let degrees = degrees.abs();
    let (whole, minutes) = (degrees.trunc(), degrees.fract() * 60.0);
    for (number, of) in [(whole, 1), (minutes.trunc(), 1), (minutes.fract() * 60_000.0, 1000)] {
        long(out, number.round() as usize);
        long(out, of);
    }
}

/// EXIF that tells a camera, when it was taken, and where.
fn exif(camera: &str, taken: &str, place: Option<(f64, f64)>) -> Vec<u8> {
    let camera = format!("{camera}\0");
    let entries = if place.is_some() { 3 } else { 2 };
    let model_at = 8 + 2 + entries * 12 + 4;
    let exif_at = model_at + camera.len();
    let taken_at = exif_at + 2 + 12 + 4;
    let gps_at = taken_at + 20;
    let mut out = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
    short(&mut out, entries);
    entry(&mut out, 0x0110, 2, camera.len(), model_at);
    entry(&mut out, 0x8769, 4, 1, exif_at);
    if place.is_some() {
        entry(&mut out, 0x8825, 4, 1, gps_at);
    }
    out.extend([0; 4]);
    out.extend(camera.as_bytes());
    short(&mut out, 1);
    entry(&mut out, 0x9003, 2, 20, taken_at);
    out.extend([0; 4]);
    out.extend(format!("{taken}\0").as_bytes());
    if let Some((north, east)) = place {
        let degrees_at = gps_at + 2 + 4 * 12 + 4;
        let letter = |value: f64, plus: u8, minus: u8| usize::from(if value < 0.0 { minus } else { plus });
        short(&mut out, 4);
        entry(&mut out, 1, 2, 2, letter(north, b'N', b'S'));
        entry(&mut out, 2, 5, 3, degrees_at);
        entry(&mut out, 3, 2, 2, letter(east, b'E', b'W'));
        entry(&mut out, 4, 5, 3, degrees_at + 24);
        out.extend([0; 4]);
        fractions(&mut out, north);
        fractions(&mut out, east);
    }
    out
}

/// A sky over a hill, each with its own colours.
pub fn picture(n: usize, camera: &str, taken: &str, place: Option<(f64, f64)>) -> Vec<u8> {
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
    encoder.add_app_segment(1, exif(camera, taken, place)).unwrap();
    encoder.encode(&pixels, WIDE, TALL, ColorType::Rgb).unwrap();
    out
}

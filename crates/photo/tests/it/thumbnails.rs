//! Thumbnails: small, upright, in sRGB.

use darkslide_photo::{Facts, Format, NoThumbnail, THUMBNAIL_EDGE, facts, thumbnail};
use zune_core::bytestream::ZCursor;

use crate::build::{self, jpeg};

struct Picture {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

fn decode(jpeg: &[u8]) -> Picture {
    let mut decoder = zune_jpeg::JpegDecoder::new(ZCursor::new(jpeg));
    let data = decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    Picture { data, width: info.width.into(), height: info.height.into() }
}

impl Picture {
    /// Red, green or blue at a place given in hundredths.
    fn colour(&self, x: usize, y: usize) -> char {
        let at = ((self.height - 1) * y / 100 * self.width + (self.width - 1) * x / 100) * 3;
        let pixel = &self.data[at..at + 3];
        let brightest = (0..3).max_by_key(|n| pixel[*n]).unwrap();
        ['r', 'g', 'b'][brightest]
    }
}

#[test]
fn the_smallest_preview_that_suffices_is_used() {
    let file = build::cr3(1, &jpeg(1620, 1080));
    let found = facts(&&file[..], Format::Cr3);
    let small = decode(&thumbnail(&&file[..], Format::Cr3, &found).unwrap());
    assert_eq!((small.width, small.height), (512, 341));
    assert_eq!(small.width as u32, THUMBNAIL_EDGE);
    // Without the large one the small one has to do, and is not blown up.
    let only_small = Facts { previews: found.previews[..1].to_vec(), ..found };
    let tiny = decode(&thumbnail(&&file[..], Format::Cr3, &only_small).unwrap());
    assert_eq!((tiny.width, tiny.height), (160, 120));
}

#[test]
fn every_orientation_comes_out_upright() {
    // As stored: green above, red below left, blue below right. Where green is once it is turned.
    let green = [(50, 5), (50, 5), (50, 95), (50, 95), (5, 50), (95, 50), (95, 50), (5, 50)];
    let red = [(20, 70), (80, 70), (80, 30), (20, 30), (70, 20), (30, 20), (30, 80), (70, 80)];
    for orientation in 1..=8u16 {
        let file = build::jpeg_with_exif(orientation);
        let found = facts(&&file[..], Format::Jpeg);
        let upright = decode(&thumbnail(&&file[..], Format::Jpeg, &found).unwrap());
        assert_eq!(upright.width > upright.height, orientation < 5, "{orientation}");
        let at = usize::from(orientation) - 1;
        assert_eq!(upright.colour(green[at].0, green[at].1), 'g', "{orientation}");
        assert_eq!(upright.colour(red[at].0, red[at].1), 'r', "{orientation}");
    }
}

#[test]
fn colours_of_other_spaces_become_srgb() {
    let file = jpeg(64, 48);
    let plain = decode(&thumbnail(&&file[..], Format::Jpeg, &Facts::default()).unwrap());
    let adobe = Facts { adobe_rgb: true, ..Facts::default() };
    let wide = decode(&thumbnail(&&file[..], Format::Jpeg, &adobe).unwrap());
    // Adobe's red is redder: in sRGB it needs more of it.
    let red = |p: &Picture| p.data[(p.height / 2 * p.width + 8) * 3];
    assert!(red(&wide) > red(&plain) + 10, "{} {}", red(&wide), red(&plain));
}

#[cfg(feature = "heic")]
#[test]
fn heic_is_decoded_whole() {
    let (width, height) = (800u32, 600u32);
    let colour = |n: u32| if n % width < width / 2 { [200, 20, 20] } else { [20, 20, 200] };
    let rgb: Vec<u8> = (0..width * height).flat_map(colour).collect();
    let file = heifer::encode_rgb8(width, height, &rgb, &heifer::EncodeOptions::default()).unwrap();
    let found = facts(&&file[..], Format::Heif);
    let small = decode(&thumbnail(&&file[..], Format::Heif, &found).unwrap());
    assert_eq!((small.width, small.height), (512, 384));
    assert_eq!((small.colour(20, 50), small.colour(80, 50)), ('r', 'b'));
    let cut = thumbnail(&&file[..file.len() / 2], Format::Heif, &found);
    assert!(cut.is_err() || cut.is_ok_and(|jpeg| !jpeg.is_empty()), "cut off, it is damaged or partly there");
    assert!(matches!(thumbnail(&&b"no heic at all"[..], Format::Heif, &found), Err(NoThumbnail::Damaged(_))));
}

#[test]
fn without_a_preview_there_is_none_and_it_says_why() {
    let none = thumbnail(&&b"nothing"[..], Format::Tiff, &Facts::default());
    assert!(matches!(none, Err(NoThumbnail::NoPreview)));
    let mut file = jpeg(640, 480);
    file.truncate(200);
    assert!(matches!(thumbnail(&&file[..], Format::Jpeg, &Facts::default()), Err(NoThumbnail::Damaged(_))));
    let mut huge = jpeg(64, 48);
    let sof = huge.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    huge[sof + 5..sof + 9].copy_from_slice(&[0x75, 0, 0x75, 0]);
    assert!(matches!(thumbnail(&&huge[..], Format::Jpeg, &Facts::default()), Err(NoThumbnail::TooLarge)));
}

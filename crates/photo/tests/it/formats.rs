//! Each format gives the same facts.

use darkslide_photo::{DateSource, Facts, Format, facts};

use crate::build::{self, Order, jpeg};

const ISO: &str = "2026-10-18T16:45:12.37+02:00";

fn read(bytes: &[u8], format: Format) -> Facts {
    facts(&bytes, format)
}

fn check(what: &str, found: &Facts, preview: Option<&[u8]>, file: &[u8]) {
    let taken = found.taken.unwrap_or_else(|| panic!("{what}: no date"));
    assert_eq!((taken.to_string().as_str(), taken.source), (ISO, DateSource::Original), "{what}");
    assert_eq!(found.make.as_deref(), Some("Canon"), "{what}");
    assert_eq!(found.model.as_deref(), Some("Canon EOS R6"), "{what}");
    assert_eq!(found.serial.as_deref(), Some("012345678"), "{what}");
    assert_eq!(found.lens.as_deref(), Some("RF24-105mm F4 L IS USM"), "{what}");
    assert_eq!(found.rating, Some(4), "{what}");
    let shot = (found.exposure.as_deref(), found.aperture, found.iso, found.focal);
    assert_eq!(shot, (Some("1/250"), Some(2.8), Some(400), Some(35.0)), "{what}");
    if let Some(wanted) = preview {
        let last = found.previews.last().unwrap_or_else(|| panic!("{what}: no preview"));
        let range = last.offset as usize..(last.offset + last.len) as usize;
        assert!(&file[range] == wanted, "{what}: the preview, byte for byte");
        assert_eq!((last.width, last.height), (800, 600), "{what}");
    }
}

#[test]
fn every_format_tells_the_same_photograph() {
    let picture = jpeg(800, 600);
    let cases: Vec<(&str, Vec<u8>, Format, bool)> = vec![
        ("DNG", build::sub_ifd(Order::Little, &picture), Format::Tiff, true),
        ("NEF, big-endian", build::sub_ifd(Order::Big, &picture), Format::Tiff, true),
        ("CR2, ARW", build::strip(&picture), Format::Tiff, true),
        ("RW2", build::rw2(&picture), Format::Tiff, true),
        ("ORF", build::orf(&picture), Format::Tiff, true),
        ("CR3", build::cr3(6, &picture), Format::Cr3, true),
        ("JPEG", build::jpeg_with_exif(1), Format::Jpeg, false),
        ("RAF", build::raf(), Format::Raf, false),
    ];
    for (what, file, format, has_preview) in &cases {
        check(what, &read(file, *format), has_preview.then_some(&picture[..]), file);
        // A name that lies.
        assert_eq!(read(file, Format::Other).taken, read(file, *format).taken, "{what} by its first bytes");
    }
}

#[test]
fn sizes_orientation_and_place() {
    let picture = jpeg(800, 600);
    let dng = read(&build::sub_ifd(Order::Big, &picture), Format::Tiff);
    assert_eq!((dng.size, dng.orientation), (Some((6000, 4000)), Some(6)));
    let gps = dng.gps.unwrap();
    assert!((gps.latitude - 48.858_333).abs() < 1e-4 && (gps.longitude + 2.295).abs() < 1e-4, "{gps:?}");
    assert_eq!(gps.altitude, Some(35.2));
    assert_eq!(read(&build::rw2(&picture), Format::Tiff).size, Some((5184, 3888)));
    let cr3 = read(&build::cr3(8, &picture), Format::Cr3);
    assert_eq!((cr3.orientation, cr3.previews.len()), (Some(8), 2));
    let raf = read(&build::raf(), Format::Raf);
    assert_eq!((raf.size, raf.previews.len()), (Some((800, 600)), 1));
}

#[test]
fn videos_have_dates_and_a_zone_where_one_is_written() {
    // 2026-10-18 14:45:12 UTC, counted from 1904.
    let mp4 = read(&build::mp4(1_792_334_712u32 + 2_082_844_800), Format::Video);
    let taken = mp4.taken.unwrap();
    assert_eq!((taken.to_string().as_str(), taken.source), ("2026-10-18T14:45:12+00:00", DateSource::Video));
    assert_eq!(read(&build::mp4(0), Format::Video).taken, None, "a camera without a clock");
}

#[test]
fn a_videos_keys_say_the_wall_clock_and_the_camera() {
    let keys = [
        ("com.apple.quicktime.make", "Apple"),
        ("com.apple.quicktime.model", "iPhone 15 Pro"),
        ("com.apple.quicktime.creationdate", "2026-10-18T16:45:12+0200"),
        ("com.apple.quicktime.location.ISO6709", "+48.8577+002.2950+035.200/"),
    ];
    for full in [false, true] {
        let found = read(&build::mov_with_keys(1_792_334_712 + 2_082_844_800, &keys, full), Format::Video);
        assert_eq!(found.taken.unwrap().to_string(), "2026-10-18T16:45:12+02:00", "{full}");
        assert_eq!((found.make.as_deref(), found.model.as_deref()), (Some("Apple"), Some("iPhone 15 Pro")), "{full}");
        assert_eq!(found.gps.unwrap().altitude, Some(35.2), "{full}");
    }
}

#[test]
fn xmp_in_a_jpeg_gives_the_rating() {
    let packet = b"http://ns.adobe.com/xap/1.0/\0<rdf:Description xmp:Rating='5'/>";
    let rated = build::with_segment(&jpeg(64, 48), 0xe1, packet);
    assert_eq!(read(&rated, Format::Jpeg).rating, Some(5));
}

#[test]
fn what_is_no_photograph_has_no_facts() {
    for format in [Format::Jpeg, Format::Heif, Format::Tiff, Format::Cr3, Format::Raf, Format::Video, Format::Other] {
        assert_eq!(read(b"not a photograph at all", format), Facts::default());
        assert_eq!(read(b"", format), Facts::default());
    }
}

#[test]
fn a_frame_in_a_video_is_its_poster() {
    let picture = jpeg(800, 600);
    for by_camera in [true, false] {
        let file = build::mp4_with_poster(&picture, by_camera);
        let found = read(&file, Format::Video);
        assert_eq!(found.previews.len(), 1, "by the camera: {by_camera}");
        let thumbnail = darkslide_photo::thumbnail(&&file[..], Format::Video, &found).unwrap();
        assert!(thumbnail.starts_with(&[0xff, 0xd8]));
        for cut in [40, file.len() / 2, file.len() - 50] {
            let cut = &file[..cut];
            let _ = darkslide_photo::thumbnail(&cut, Format::Video, &read(cut, Format::Video));
        }
    }
}

//! Builds files of each format, as far as their facts go: containers and directories as cameras
//! write them, and a real JPEG inside.

/// Byte order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

/// The value of a tag.
pub enum Value {
    Text(&'static str),
    Short(u16),
    Long(u32),
    /// Fractions.
    Parts(Vec<(u32, u32)>),
    Bytes(u16, Vec<u8>),
    /// A directory further on.
    Ifd(Vec<(u16, Value)>),
    /// Where the picture lies.
    PictureAt,
    PictureLen,
}

pub const TAKEN: &str = "2026:10:18 16:45:12";

pub struct Tiff {
    pub order: Order,
    pub magic: u16,
    /// Where the structure begins in the file it becomes part of.
    pub picture: Vec<u8>,
}

impl Tiff {
    pub fn new(order: Order, picture: &[u8]) -> Self {
        Self { order, magic: 42, picture: picture.to_vec() }
    }

    fn u16(&self, n: u16) -> [u8; 2] {
        if self.order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    fn u32(&self, n: u32) -> [u8; 4] {
        if self.order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    /// A chain of directories, and the picture behind them.
    pub fn build(&self, chain: &[Vec<(u16, Value)>]) -> Vec<u8> {
        // The picture stands first, so that its place is known.
        let mut out = vec![0; 8];
        out.extend(&self.picture);
        out.resize(out.len().next_multiple_of(2), 0);
        let mut link = 4;
        for ifd in chain {
            let (at, next) = self.ifd(&mut out, ifd);
            out[link..link + 4].copy_from_slice(&self.u32(at));
            link = next;
        }
        out[..2].copy_from_slice(if self.order == Order::Little { b"II" } else { b"MM" });
        out[2..4].copy_from_slice(&self.u16(self.magic));
        out
    }

    /// Writes a directory; where it is, and where the next one's place is to be written.
    fn ifd(&self, out: &mut Vec<u8>, entries: &[(u16, Value)]) -> (u32, usize) {
        let mut rows = Vec::new();
        for (tag, value) in entries {
            let (kind, count, bytes): (u16, u32, Vec<u8>) = match value {
                Value::Text(text) => (2, text.len() as u32 + 1, [text.as_bytes(), &[0]].concat()),
                Value::Short(n) => (3, 1, [&self.u16(*n)[..], &[0, 0]].concat()),
                Value::Long(n) => (4, 1, self.u32(*n).to_vec()),
                Value::Parts(parts) => {
                    let bytes = parts.iter().flat_map(|(n, d)| [self.u32(*n), self.u32(*d)].concat()).collect();
                    (5, parts.len() as u32, bytes)
                }
                Value::Bytes(kind, bytes) => (*kind, bytes.len() as u32, bytes.clone()),
                Value::Ifd(inner) => (4, 1, self.u32(self.ifd(out, inner).0).to_vec()),
                Value::PictureAt => (4, 1, self.u32(8).to_vec()),
                Value::PictureLen => (4, 1, self.u32(self.picture.len() as u32).to_vec()),
            };
            let inline = if bytes.len() > 4 {
                let at = out.len() as u32;
                out.extend(&bytes);
                out.resize(out.len().next_multiple_of(2), 0);
                self.u32(at)
            } else {
                let mut inline = [0; 4];
                inline[..bytes.len()].copy_from_slice(&bytes);
                inline
            };
            rows.push([&self.u16(*tag)[..], &self.u16(kind), &self.u32(count), &inline].concat());
        }
        let at = out.len();
        out.extend(self.u16(rows.len() as u16));
        out.extend(rows.concat());
        out.extend([0; 4]);
        (at as u32, out.len() - 4)
    }
}

/// What a camera writes of itself.
pub fn camera(orientation: u16) -> Vec<(u16, Value)> {
    vec![
        (0x010f, Value::Text("Canon")),
        (0x0110, Value::Text("Canon EOS R6")),
        (0x0112, Value::Short(orientation)),
        (0x0132, Value::Text("2026:10:19 08:00:00")),
        (0x4746, Value::Short(4)),
    ]
}

pub fn exif() -> Vec<(u16, Value)> {
    vec![
        (0x829a, Value::Parts(vec![(10, 2500)])),
        (0x829d, Value::Parts(vec![(28, 10)])),
        (0x8827, Value::Short(400)),
        (0x9003, Value::Text(TAKEN)),
        (0x9291, Value::Text("37")),
        (0x9011, Value::Text("+02:00")),
        (0x920a, Value::Parts(vec![(35, 1)])),
        (0xa431, Value::Text("012345678")),
        (0xa434, Value::Text("RF24-105mm F4 L IS USM")),
    ]
}

pub fn gps() -> Vec<(u16, Value)> {
    vec![
        (1, Value::Text("N")),
        (2, Value::Parts(vec![(48, 1), (51, 1), (30, 1)])),
        (3, Value::Text("W")),
        (4, Value::Parts(vec![(2, 1), (17, 1), (42, 1)])),
        (5, Value::Bytes(1, vec![0])),
        (6, Value::Parts(vec![(352, 10)])),
    ]
}

/// A JPEG whose left half is red and whose right half is blue, with a green first row of blocks.
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend(match (x < width / 2, y < height / 4) {
                (_, true) => [20, 200, 20],
                (true, _) => [200, 20, 20],
                (false, _) => [20, 20, 200],
            });
        }
    }
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 90).encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    out
}

/// A JPEG with a segment put behind its first marker.
pub fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8, 0xff, marker];
    out.extend((body.len() as u16 + 2).to_be_bytes());
    out.extend(body);
    out.extend(&jpeg[2..]);
    out
}

pub fn jpeg_with_exif(orientation: u16) -> Vec<u8> {
    let mut main = camera(orientation);
    main.push((0x8769, Value::Ifd(exif())));
    main.push((0x8825, Value::Ifd(gps())));
    let tiff = Tiff::new(Order::Big, &[]).build(&[main]);
    with_segment(&jpeg(800, 600), 0xe1, &[b"Exif\0\0", &tiff[..]].concat())
}

/// DNG and NEF: a preview in a SubIFD.
pub fn sub_ifd(order: Order, picture: &[u8]) -> Vec<u8> {
    let mut main = camera(6);
    main.push((
        0x014a,
        Value::Ifd(vec![
            (0x0100, Value::Long(6000)),
            (0x0101, Value::Long(4000)),
            (0x0103, Value::Short(6)),
            (0x0201, Value::PictureAt),
            (0x0202, Value::PictureLen),
        ]),
    ));
    main.push((0x8769, Value::Ifd(exif())));
    main.push((0x8825, Value::Ifd(gps())));
    Tiff::new(order, picture).build(&[main])
}

/// CR2 and ARW: a picture in the first directory's strip, another directory behind it.
pub fn strip(picture: &[u8]) -> Vec<u8> {
    let mut main = camera(1);
    main.extend([(0x0103, Value::Short(6)), (0x0111, Value::PictureAt), (0x0117, Value::PictureLen)]);
    main.push((0x8769, Value::Ifd(exif())));
    Tiff::new(Order::Little, picture).build(&[main, vec![(0x0100, Value::Long(5472)), (0x0101, Value::Long(3648))]])
}

/// RW2: its own magic, and the JPEG as the value of a tag.
pub fn rw2(picture: &[u8]) -> Vec<u8> {
    let mut main = vec![
        (0x0001, Value::Bytes(7, b"0300".to_vec())),
        (0x0004, Value::Short(8)),
        (0x0005, Value::Short(16)),
        (0x0006, Value::Short(3896)),
        (0x0007, Value::Short(5200)),
        (0x002e, Value::Bytes(7, picture.to_vec())),
    ];
    main.extend(camera(1));
    main.push((0x8769, Value::Ifd(exif())));
    Tiff { magic: 0x55, ..Tiff::new(Order::Little, &[]) }.build(&[main])
}

/// ORF: Olympus' directory in the maker note, whose offsets count from the note.
pub fn orf(picture: &[u8]) -> Vec<u8> {
    // The note: header, one directory, one more, the picture, all relative to its start.
    let mut note = b"OLYMPUS\0II\x03\0".to_vec();
    let settings_at = 12 + 2 + 12 + 4;
    note.extend(1u16.to_le_bytes());
    note.extend([&0x2020u16.to_le_bytes()[..], &13u16.to_le_bytes(), &1u32.to_le_bytes()].concat());
    note.extend((settings_at as u32).to_le_bytes());
    note.extend([0; 4]);
    let picture_at = settings_at + 2 + 24 + 4;
    note.extend(2u16.to_le_bytes());
    for (tag, value) in [(0x0101u16, picture_at as u32), (0x0102, picture.len() as u32)] {
        note.extend([&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    note.extend([0; 4]);
    note.extend(picture);
    let mut main = camera(1);
    let mut exif = exif();
    exif.push((0x927c, Value::Bytes(7, note)));
    main.push((0x8769, Value::Ifd(exif)));
    Tiff { magic: 0x4f52, ..Tiff::new(Order::Little, &[]) }.build(&[main])
}

/// RAF: a header, and a JPEG that says everything.
pub fn raf() -> Vec<u8> {
    let jpeg = jpeg_with_exif(1);
    let mut out = b"FUJIFILMCCD-RAW 0201FF383501X-T3".to_vec();
    out.resize(148, 0);
    out[84..88].copy_from_slice(&148u32.to_be_bytes());
    out[88..92].copy_from_slice(&(jpeg.len() as u32).to_be_bytes());
    out.extend(jpeg);
    out
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// CR3: boxes with four TIFF structures, a thumbnail, a preview.
pub fn cr3(orientation: u16, picture: &[u8]) -> Vec<u8> {
    let tiff = |ifd| Tiff::new(Order::Little, &[]).build(&[ifd]);
    let canon = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
    let preview = b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";
    let mut inner = canon.to_vec();
    inner.extend(boxed(b"CMT1", &tiff(camera(orientation))));
    inner.extend(boxed(b"CMT2", &tiff(exif())));
    inner.extend(boxed(b"CMT4", &tiff(gps())));
    let small = jpeg(160, 120);
    let thumb = [&[0; 8][..], &(small.len() as u32).to_be_bytes(), &[0, 1, 0, 0], &small].concat();
    inner.extend(boxed(b"THMB", &thumb));
    let prvw = [&[0; 12][..], &(picture.len() as u32).to_be_bytes(), picture].concat();
    let uuid = [&preview[..], &[0; 4], &1u32.to_be_bytes(), &boxed(b"PRVW", &prvw)].concat();
    [
        boxed(b"ftyp", b"crx \0\0\0\x01crx isom"),
        boxed(b"moov", &boxed(b"uuid", &inner)),
        boxed(b"uuid", &uuid),
        boxed(b"mdat", &[0; 64]),
    ]
    .concat()
}

/// MP4: a header with a date.
pub fn mp4(seconds_since_1904: u32) -> Vec<u8> {
    let mut mvhd = vec![0; 100];
    mvhd[4..8].copy_from_slice(&seconds_since_1904.to_be_bytes());
    mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
    mvhd[16..20].copy_from_slice(&5000u32.to_be_bytes());
    [boxed(b"ftyp", b"isom\0\0\x02\0isomiso2mp41"), boxed(b"moov", &boxed(b"mvhd", &mvhd)), boxed(b"mdat", &[0; 32])]
        .concat()
}

/// The same with QuickTime's metadata keys; `full` as MP4 writes the box around them, else as MOV.
pub fn mov_with_keys(seconds_since_1904: u32, keys: &[(&str, &str)], full: bool) -> Vec<u8> {
    let mut mvhd = vec![0; 100];
    mvhd[4..8].copy_from_slice(&seconds_since_1904.to_be_bytes());
    mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
    let (mut names, mut values) = ([vec![0; 4], (keys.len() as u32).to_be_bytes().to_vec()].concat(), Vec::new());
    for (n, (key, value)) in keys.iter().enumerate() {
        names.extend([&(8 + key.len() as u32).to_be_bytes()[..], b"mdta", key.as_bytes()].concat());
        let data = boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], value.as_bytes()].concat());
        values.extend(boxed(&(n as u32 + 1).to_be_bytes(), &data));
    }
    let mut meta = if full { vec![0; 4] } else { Vec::new() };
    meta.extend(boxed(b"hdlr", b"\0\0\0\0\0\0\0\0mdta\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    meta.extend(boxed(b"keys", &names));
    meta.extend(boxed(b"ilst", &values));
    let moov = [boxed(b"mvhd", &mvhd), boxed(b"meta", &meta)].concat();
    [boxed(b"ftyp", b"qt  \0\0\x02\0qt  "), boxed(b"moov", &moov), boxed(b"mdat", &[0; 32])].concat()
}

/// MP4 with a frame in it: as Canon's cameras keep it, or as programs do.
pub fn mp4_with_poster(picture: &[u8], by_camera: bool) -> Vec<u8> {
    let user = if by_camera {
        boxed(b"CNTH", &boxed(b"CNDA", picture))
    } else {
        let data = boxed(b"data", &[&[0, 0, 0, 13, 0, 0, 0, 0], picture].concat());
        let hdlr = boxed(b"hdlr", b"\0\0\0\0\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0");
        boxed(b"meta", &[&[0; 4], &hdlr[..], &boxed(b"ilst", &boxed(b"covr", &data))].concat())
    };
    let moov = [boxed(b"mvhd", &[0; 100]), boxed(b"udta", &user)].concat();
    [boxed(b"ftyp", b"isom\0\0\x02\0isomiso2mp41"), boxed(b"moov", &moov), boxed(b"mdat", &[0; 32])].concat()
}

//! What a file is, by its name.

use darkslide_words::Name;
use serde::Serialize;

/// How a file's bytes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// HEIC, HEIF, AVIF: pictures in boxes.
    Heif,
    /// PNG or WebP.
    Web,
    /// TIFF, and the RAW files that are TIFF inside: DNG, CR2, NEF, ARW, ORF, RW2, PEF, SRW and others.
    Tiff,
    /// Canon's RAW in boxes.
    Cr3,
    /// Fujifilm's RAW.
    Raf,
    /// MOV, MP4.
    Video,
    /// Whatever else.
    Other,
}

/// What a file is to a photographer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the sensor saw.
    Raw,
    /// A developed picture.
    Picture,
    /// A clip.
    Video,
    /// Edits and ratings: XMP and its like.
    Sidecar,
    /// A voice memo.
    Sound,
    /// A thumbnail, a low-resolution clip, a log: made by the camera, and not by itself.
    Companion,
    /// Not a photograph.
    Other,
}

const RAW_TIFF: &[&str] = &[
    "dng", "cr2", "nef", "nrw", "arw", "srf", "sr2", "orf", "rw2", "rwl", "raw", "pef", "srw", "erf", "3fr", "fff",
    "iiq", "mos", "dcr", "kdc", "gpr", "mef",
];
/// RAW of which we know the name alone.
const RAW_OTHER: &[&str] = &["crw", "x3f", "mrw", "braw", "r3d", "ari"];
const VIDEO: &[&str] = &["mov", "mp4", "m4v", "3gp", "qt", "insv", "crm"];
const VIDEO_OTHER: &[&str] = &["avi", "mts", "m2ts", "m2t", "mpg", "mod", "tod", "mxf", "mkv", "nev"];

/// What the end of a file's name says.
pub(crate) fn of(extension: &str) -> (Kind, Format) {
    match extension {
        "jpg" | "jpeg" | "jpe" | "jfif" => (Kind::Picture, Format::Jpeg),
        "heic" | "heif" | "hif" | "avif" => (Kind::Picture, Format::Heif),
        "png" | "webp" => (Kind::Picture, Format::Web),
        "tif" | "tiff" => (Kind::Picture, Format::Tiff),
        "psd" | "psb" | "gif" | "bmp" | "jxl" | "jp2" | "exr" => (Kind::Picture, Format::Other),
        "cr3" => (Kind::Raw, Format::Cr3),
        "raf" => (Kind::Raw, Format::Raf),
        e if RAW_TIFF.contains(&e) => (Kind::Raw, Format::Tiff),
        e if RAW_OTHER.contains(&e) => (Kind::Raw, Format::Other),
        e if VIDEO.contains(&e) => (Kind::Video, Format::Video),
        e if VIDEO_OTHER.contains(&e) => (Kind::Video, Format::Other),
        "xmp" | "dop" | "pp3" | "cos" | "cop" | "on1" => (Kind::Sidecar, Format::Other),
        "wav" | "mp3" | "aif" | "aiff" => (Kind::Sound, Format::Other),
        "thm" => (Kind::Companion, Format::Jpeg),
        "lrv" => (Kind::Companion, Format::Video),
        "log" | "srt" | "gpx" => (Kind::Companion, Format::Other),
        _ => (Kind::Other, Format::Other),
    }
}

impl Kind {
    /// By a file's name.
    pub fn of(name: &Name) -> Self {
        of(&name.extension().unwrap_or_default()).0
    }

    /// True for what a photographer calls a photograph or a clip: what has a date of its own.
    pub fn is_original(self) -> bool {
        matches!(self, Kind::Raw | Kind::Picture | Kind::Video)
    }
}

impl Format {
    /// By a file's name.
    pub fn of(name: &Name) -> Self {
        of(&name.extension().unwrap_or_default()).1
    }
}

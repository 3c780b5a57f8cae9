//! What a photograph tells of itself.

use serde::Serialize;

use crate::Taken;

/// Previews that are kept of a file: no camera embeds more.
const PREVIEWS_MAX: usize = 32;

/// Where it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gps {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Metres above the sea.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// An embedded JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Facts, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
    /// Camera's maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    /// Camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// EXIF's orientation, 1 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orientation: Option<u8>,
    /// Pixels of the picture as stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// Seconds that the shutter was open, as a fraction: `1/250`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<String>,
    /// F-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aperture: Option<f64>,
    /// Sensitivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso: Option<u32>,
    /// Focal length, in millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal: Option<f64>,
    /// Milliseconds of a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
    /// Stars, 0 to 5; -1 is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<i8>,
    /// True where pixels are in Adobe RGB and no profile says so.
    #[serde(skip)]
    pub adobe_rgb: bool,
    /// Embedded JPEGs, smallest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<Preview>,
}

impl Facts {
    /// Adds a preview, once.
    pub(crate) fn preview(&mut self, preview: Preview) {
        let known = self.previews.iter().any(|p| p.offset == preview.offset);
        if !known && self.previews.len() < PREVIEWS_MAX {
            self.previews.push(preview);
            self.previews.sort_by_key(|p| (u64::from(p.width) * u64::from(p.height), p.offset));
        }
    }

    /// A date of a better source takes the place of one of a lesser.
    pub(crate) fn dated(&mut self, taken: Option<Taken>) {
        if let Some(taken) = taken
            && self.taken.is_none_or(|old| taken.source < old.source)
        {
            self.taken = Some(taken);
        }
    }

    /// Takes what the other knows and this one does not.
    pub(crate) fn fill(&mut self, other: Facts) {
        self.dated(other.taken);
        self.make = self.make.take().or(other.make);
        self.model = self.model.take().or(other.model);
        self.serial = self.serial.take().or(other.serial);
        self.lens = self.lens.take().or(other.lens);
        self.orientation = self.orientation.or(other.orientation);
        self.size = self.size.or(other.size);
        self.exposure = self.exposure.take().or(other.exposure);
        self.aperture = self.aperture.or(other.aperture);
        self.iso = self.iso.or(other.iso);
        self.focal = self.focal.or(other.focal);
        self.duration = self.duration.or(other.duration);
        self.gps = self.gps.or(other.gps);
        self.rating = self.rating.or(other.rating);
        self.adobe_rgb |= other.adobe_rgb;
    }
}

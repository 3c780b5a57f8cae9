//! Packs of previews: thumbnails and what photographs tell of themselves, by content hash
//! (`docs/format.md`, section 7a). Sealed like everything else, always hot, and never needed to get a
//! photograph back.
//!
//! Whatever is read here may be hostile: lengths are checked before they are believed.

use darkslide_words::{Bytes, ContentHash, ObjectId, ObjectName, RepositoryId, Time, WriterId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{PREVIEW_TABLE_MAX, PREVIEW_TEXT_MAX, PREVIEWS_MAX, THUMBNAIL_MAX};
use crate::names::{self, Kind};
use crate::seal::{self, Recipients};
use crate::signed::{self, DocType, SecretKey};
use crate::space::Space;
use crate::stream::SealBuffer;
use crate::tarball::{self, BLOCK, TarFacts};
use crate::trust::Trust;
use crate::{FORMAT, FormatError, canon, object_id};

/// An *int*: a decimal string in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Int(pub i64);

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        darkslide_words::parsed(d, |text| {
            let number = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
            number.map(Int).ok_or("a decimal number in a string is wanted")
        })
    }
}

/// What a photograph, or its sidecar, tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewFacts {
    /// Centimetres above the sea.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude: Option<Int>,
    /// F-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aperture: Option<String>,
    /// Where the date comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// Milliseconds of a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Int>,
    /// Seconds, as a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<String>,
    /// Millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal: Option<String>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<Int>,
    /// Sensitivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso: Option<Int>,
    /// `raw`, `picture`, `video` or `sidecar`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Ten millionths of a degree north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<Int>,
    /// Lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// Ten millionths of a degree east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<Int>,
    /// Camera's maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    /// Camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Seconds east of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Int>,
    /// EXIF's orientation, 1 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orientation: Option<Int>,
    /// Stars; -1 is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<Int>,
    /// The camera's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// When it was taken, on the wall clock there: `2026-10-18T16:45:12.37`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<Int>,
}

/// Where a thumbnail lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThumbnailRow {
    /// BLAKE3 of the JPEG.
    pub hash: ContentHash,
    /// Its bytes.
    pub len: Bytes,
    /// Where it begins in the plain tar.
    pub off: Bytes,
}

/// One preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRow {
    /// What the content tells.
    pub facts: PreviewFacts,
    /// The content that it is of.
    pub hash: ContentHash,
    /// Why it is not what it could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its thumbnail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<ThumbnailRow>,
}

/// The table of a pack of previews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewTable {
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// The previews.
    pub previews: Vec<PreviewRow>,
    /// Repository.
    pub repository: RepositoryId,
    /// Start of the run.
    pub time: Time,
    /// Who wrote it.
    pub writer: WriterId,
}

/// A finished pack of previews.
#[derive(Debug)]
pub struct SealedPreviews {
    /// Its name.
    pub name: ObjectName,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// CRC64NVME of them.
    pub crc64: u64,
    /// What is in it.
    pub rows: Vec<PreviewRow>,
}

/// A pack of previews that is being filled.
pub struct PreviewWriter {
    buffer: SealBuffer,
    rows: Vec<PreviewRow>,
}

/// About what a row of the table costs.
const ROW_ESTIMATE: usize = 700;

/// A text within the format's limit, cut where it has to be.
pub fn short(text: &str) -> String {
    let mut end = text.len().min(PREVIEW_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

impl PreviewWriter {
    /// Starts a pack.
    pub fn new(recipients: &Recipients) -> Result<Self, FormatError> {
        let (head, key) = seal::begin(recipients)?;
        Ok(Self { buffer: SealBuffer::new(&head, key, Space::default()), rows: Vec::new() })
    }

    /// About how many bytes it will have.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.rows.len() * ROW_ESTIMATE
    }

    /// True while nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn entry(&mut self, path: &str, content: &[u8]) -> Bytes {
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        self.buffer.append(&tarball::header(path.as_bytes(), content.len() as u64, facts));
        let at = Bytes(self.buffer.len() as u64);
        self.buffer.append(content);
        self.buffer.append(&vec![0; tarball::padding(content.len() as u64)]);
        at
    }

    /// Adds a preview. A thumbnail over the limit is left out.
    pub fn add(&mut self, hash: ContentHash, facts: PreviewFacts, thumbnail: Option<&[u8]>, problem: Option<String>) {
        let row = thumbnail.filter(|jpeg| !jpeg.is_empty() && jpeg.len() <= THUMBNAIL_MAX).map(|jpeg| {
            let off = self.entry(&format!("{hash}.jpg"), jpeg);
            ThumbnailRow { hash: ContentHash::new(*blake3::hash(jpeg).as_bytes()), len: Bytes(jpeg.len() as u64), off }
        });
        let problem = problem.map(|text| short(&text));
        self.rows.push(PreviewRow { facts, hash, problem, thumbnail: row });
    }

    /// Adds the table, signs and seals.
    pub fn finish(
        mut self,
        repository: RepositoryId,
        writer: WriterId,
        time: Time,
        random: [u8; 16],
        key: &SecretKey,
    ) -> Result<SealedPreviews, FormatError> {
        let previews = std::mem::take(&mut self.rows);
        let table = PreviewTable { features: Vec::new(), format: FORMAT, previews, repository, time, writer };
        let document = signed::sign(DocType::Previews, &table, key)?;
        FormatError::limit("the table of previews", document.len() as u64, PREVIEW_TABLE_MAX as u64)?;
        self.entry(&format!(".darkslide/{}.json", hex::encode(random)), &document);
        self.buffer.append(&[0; 2 * BLOCK]);
        let sealed = self.buffer.finish()?;
        FormatError::limit("a pack of previews", sealed.bytes.len() as u64, PREVIEWS_MAX as u64)?;
        let name = names::object(Kind::Previews, sealed.id);
        Ok(SealedPreviews { name, bytes: sealed.bytes.into_vec(), crc64: sealed.crc64, rows: table.previews })
    }
}

/// A pack of previews, opened and verified.
pub struct OpenPreviews {
    plain: Vec<u8>,
    /// Its table.
    pub table: PreviewTable,
}

impl OpenPreviews {
    /// Opens the sealed bytes of the object that is called `name`: they have to hash to it, and a trusted
    /// writer has to have signed the table.
    pub fn open(
        name: ObjectId,
        sealed: &[u8],
        identities: &[&dyn age::Identity],
        trust: &Trust,
    ) -> Result<Self, FormatError> {
        if object_id(sealed) != name {
            return Err(FormatError::WrongObject);
        }
        let plain = seal::open(sealed, identities, PREVIEWS_MAX)?;
        let document = last_entry(&plain)?;
        let table: PreviewTable = trust.trusted(DocType::Previews, &plain[document])?;
        table.check(plain.len())?;
        Ok(Self { plain, table })
    }

    /// The JPEG of a row; checked against its hash.
    pub fn thumbnail(&self, row: &PreviewRow) -> Option<&[u8]> {
        let place = row.thumbnail?;
        let from = usize::try_from(place.off.0).ok()?;
        let jpeg = self.plain.get(from..from.checked_add(usize::try_from(place.len.0).ok()?)?)?;
        (blake3::hash(jpeg).as_bytes() == place.hash.as_bytes()).then_some(jpeg)
    }
}

/// The content of the last entry of a tar, which has to be the table.
fn last_entry(plain: &[u8]) -> Result<std::ops::Range<usize>, FormatError> {
    let broken = |detail: &str| FormatError::malformed("a pack of previews", detail);
    let mut found = None;
    let mut archive = tar::Archive::new(plain);
    let entries = archive.entries().map_err(|e| broken(&e.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|e| broken(&e.to_string()))?;
        let is_table = entry.path_bytes().starts_with(b".darkslide/") && entry.path_bytes().ends_with(b".json");
        let from = usize::try_from(entry.raw_file_position()).map_err(|_| broken("an entry is too far"))?;
        let len = usize::try_from(entry.size()).map_err(|_| broken("an entry is too long"))?;
        found = is_table.then_some(from..from.saturating_add(len));
    }
    let range = found.filter(|range| range.end <= plain.len()).ok_or_else(|| broken("it has no table"))?;
    FormatError::limit("the table of previews", range.len() as u64, PREVIEW_TABLE_MAX as u64)?;
    Ok(range)
}

/// For fuzzing: finds and parses a table, whoever signed it.
pub(crate) fn walk(plain: &[u8]) {
    let Ok(range) = last_entry(plain) else { return };
    let document = &plain[range];
    let payload = signed::verify(DocType::Previews, document).map_or(document, |verified| verified.payload);
    let Ok(table) = canon::from_bytes::<PreviewTable>("previews", payload) else { return };
    let opened = OpenPreviews { plain: plain.to_vec(), table };
    if opened.table.check(plain.len()).is_ok() {
        opened.table.previews.iter().for_each(|row| {
            let _ = opened.thumbnail(row);
        });
    }
}

impl PreviewTable {
    fn check(&self, plain: usize) -> Result<(), FormatError> {
        for row in &self.previews {
            row.facts.check()?;
            FormatError::limit("a text", row.problem.as_ref().map_or(0, String::len) as u64, PREVIEW_TEXT_MAX as u64)?;
            let Some(place) = row.thumbnail else { continue };
            FormatError::limit("a thumbnail", place.len.0, THUMBNAIL_MAX as u64)?;
            FormatError::limit("a thumbnail's end", place.off.0.saturating_add(place.len.0), plain as u64)?;
        }
        Ok(())
    }
}

impl PreviewFacts {
    /// Parses facts that were kept by themselves.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let facts: Self = canon::from_bytes("a preview's facts", bytes)?;
        facts.check()?;
        Ok(facts)
    }

    fn check(&self) -> Result<(), FormatError> {
        let texts = [
            &self.aperture,
            &self.dated,
            &self.exposure,
            &self.focal,
            &self.kind,
            &self.lens,
            &self.make,
            &self.model,
            &self.serial,
            &self.taken,
        ];
        let longest = texts.into_iter().flatten().map(String::len).max().unwrap_or(0);
        FormatError::limit("a text", longest as u64, PREVIEW_TEXT_MAX as u64)
    }
}

#[cfg(test)]
mod tests;

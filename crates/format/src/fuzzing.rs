//! What the fuzzer runs: one function for each parser, fed with any bytes.
//!
//! The targets in `fuzz/` call these; an ordinary test replays the corpus, so
//! that a finding stays found without a fuzzer. Keys, repository and limits are
//! fixed, so that seeds can be valid. **Invariant:** no bytes may make a target
//! panic, hang or allocate more than zstd's largest window (128 MiB), and what was
//! read and written again reads the same.

use darkslide_words::{Bytes, ChunkId, Name, ObjectName, RepositoryId, Time};
use serde::Serialize;

use crate::config::Header;
use crate::frame::{self, Unframer};
use crate::identity::IdentityFile;
use crate::index::Segment;
use crate::keys::KeyPair;
use crate::limits::{HEADER_MAX, PAGE_NESTING_MAX};
use crate::manifest::{ChunkRow, Manifest};
use crate::names::{self as object_names, Kind};
use crate::pages::{self, Descend, Page, PageSource};
use crate::signed::SecretKey;
use crate::snapshot::{Condemned, Refs, Snapshot};
use crate::tree::{Entry, EntryKind};
use crate::trust::Trust;
use crate::unpack::{self, OpenPack};
use crate::{FormatError, IdKey, canon, paper, seal};

/// A target: reads hostile bytes.
pub type Target = fn(&[u8]);

/// All targets by name; `fuzz/corpus/` has a folder for each.
pub const TARGETS: &[(&str, Target)] = &[
    ("age_open", age_open),
    ("condemned", condemned),
    ("previews", previews),
    ("header", header),
    ("identity_file", identity_file),
    ("index", index),
    ("manifest", manifest),
    ("names", names),
    ("object_name", object_name),
    ("pack", pack),
    ("page", page),
    ("paper", paper),
    ("refs", refs),
    ("signed_config", signed_config),
    ("snapshot", snapshot),
    ("time", time),
    ("undelta", undelta),
    ("unframe", unframe),
    ("unpack_json", unpack_json),
    ("writer", writer),
];

/// The repository that seeds belong to.
const REPOSITORY: RepositoryId = RepositoryId::new([7; 16]);
/// Seed of the owner's key that signed them.
const OWNER: [u8; 32] = [1; 32];
/// The identity that they are sealed to; it protects nothing.
const IDENTITY: &str = "AGE-SECRET-KEY-1QGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQ0N3JDM";
/// Longest plaintext that a target lets a decoder make.
const PLAIN_MAX: usize = 1 << 20;
/// Limit of `unpack_json`.
const JSON_MAX: usize = 1 << 16;
/// The age crate parses a header anew for each of its lines, so that many short
/// ones take seconds; the target leaves that to it.
const HEADER_LINES_MAX: usize = 512;
/// Pages that a walk through nested folders may read.
const FOLDER_READS_MAX: usize = 64;

/// Writes what was read, and reads it again.
fn again<T: Serialize + PartialEq>(read: Result<T, FormatError>, parse: impl Fn(&[u8]) -> Result<T, FormatError>) {
    if let Ok(value) = read {
        let back = canon::to_bytes(&value).and_then(|bytes| parse(&bytes));
        assert!(back.is_ok_and(|back| back == value), "what was written reads differently");
    }
}

fn trust() -> Option<Trust> {
    let owner = SecretKey::from_seed(&OWNER).public();
    Trust::new(Header::new(REPOSITORY, &owner, Time(0))).ok()
}

/// `names::parse`.
pub fn names(data: &[u8]) {
    let Some(name) = std::str::from_utf8(data).ok().and_then(|text| ObjectName::new(text).ok()) else {
        return;
    };
    let Some(parsed) = object_names::parse(&name) else {
        return;
    };
    let back = match (parsed.kind, parsed.id, parsed.time, parsed.number) {
        (Kind::Config, _, _, Some(number)) => object_names::config(number),
        (Kind::Snapshots, Some(id), Some(time), _) => object_names::snapshot(time, id),
        (kind, Some(id), ..) => object_names::object(kind, id),
        _ => return,
    };
    assert_eq!(back, name, "a name that is not the one of its facts");
}

/// `ObjectName`: from text and from JSON.
pub fn object_name(data: &[u8]) {
    if let Ok(name) = std::str::from_utf8(data).map_err(drop).and_then(|text| ObjectName::new(text).map_err(drop)) {
        let climbs = name.as_str().split('/').any(|part| matches!(part, "" | "." | ".."));
        assert!(!climbs, "an object name that is no path below a store");
        again(Ok(name), |bytes| canon::from_bytes("a name", bytes));
    }
    again(canon::from_bytes::<ObjectName>("a name", data), |bytes| canon::from_bytes("a name", bytes));
    again(canon::from_bytes::<Name>("a name", data), |bytes| canon::from_bytes("a name", bytes));
}

/// `Time::from_compact`.
pub fn time(data: &[u8]) {
    if let Some((text, time)) =
        std::str::from_utf8(data).ok().and_then(|text| Some((text, Time::from_compact(text).ok()?)))
    {
        assert_eq!(time.compact(), text, "a time that is written differently");
    }
}

/// `Header::parse`.
pub fn header(data: &[u8]) {
    again(Header::parse(data), Header::parse);
}

/// `Trust::add_config`.
pub fn signed_config(data: &[u8]) {
    if let Some(mut trust) = trust() {
        let taken = trust.add_config(1, data);
        assert_eq!(taken.is_ok(), trust.config().is_some());
        let usable =
            trust.config().is_none_or(|config| config.key_recipients().is_ok() && config.chunking.check().is_ok());
        assert!(usable, "a config that nothing can be sealed with");
    }
}

/// `Trust::add_writer`.
pub fn writer(data: &[u8]) {
    if let Some(mut trust) = trust() {
        let taken = trust.add_writer(crate::object_id(data), data);
        assert_eq!(taken.is_ok(), !trust.writers().is_empty());
    }
}

/// `Manifest::parse`.
pub fn manifest(data: &[u8]) {
    again(Manifest::parse(data, Some(REPOSITORY)), |bytes| Manifest::parse(bytes, None));
}

/// `Segment::parse`.
pub fn index(data: &[u8]) {
    again(Segment::parse(data, REPOSITORY), |bytes| Segment::parse(bytes, REPOSITORY));
}

/// `Snapshot::parse`.
pub fn snapshot(data: &[u8]) {
    again(Snapshot::parse(data, REPOSITORY), |bytes| Snapshot::parse(bytes, REPOSITORY));
}

/// `Refs::parse`.
pub fn refs(data: &[u8]) {
    again(Refs::parse(data, REPOSITORY), |bytes| Refs::parse(bytes, REPOSITORY));
}

/// The plain tar of a pack of previews, as it is walked once age has opened it.
pub fn previews(data: &[u8]) {
    crate::previews::walk(data);
}

/// `Condemned::parse`.
pub fn condemned(data: &[u8]) {
    again(Condemned::parse(data, REPOSITORY), |bytes| Condemned::parse(bytes, REPOSITORY));
}

/// Gives the same page for any id, so that every page lies in itself.
struct SamePage<'d> {
    bytes: &'d [u8],
    left: usize,
}

impl PageSource for SamePage<'_> {
    type Error = FormatError;

    fn page(&mut self, _id: ChunkId) -> Result<Vec<u8>, FormatError> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| FormatError::malformed("a page", "read too often"))?;
        Ok(self.bytes.to_vec())
    }
}

/// `Page::parse`, and the walks through a page that lies in itself.
pub fn page(data: &[u8]) {
    if Page::parse(data).is_err() {
        return;
    }
    let top = ChunkId::new([0; 32]);
    // One page for each depth, and one that shows that no more were wanted.
    let source = || SamePage { bytes: data, left: PAGE_NESTING_MAX + 2 };
    let done = |source: &SamePage<'_>| assert!(source.left > 0, "pages nest deeper than they may");
    let mut entries = source();
    let _ = pages::for_each_entry(&mut entries, top, &mut |_, _| Ok(()));
    done(&entries);
    let mut file = Entry::bare(EntryKind::File, Name::from("a"), 0);
    file.list = Some(top);
    let mut lists = source();
    let _ = pages::chunks_of(&mut lists, &file);
    done(&lists);
    let mut folders = SamePage { bytes: data, left: FOLDER_READS_MAX };
    let _ = pages::for_each_below(&mut folders, top, &mut |_, _, _| Ok(Descend::Into));
}

/// `seal::open`.
pub fn age_open(data: &[u8]) {
    let lines = data.iter().take(HEADER_MAX).filter(|byte| **byte == b'\n').count();
    let Ok(pair) = KeyPair::parse(IDENTITY) else {
        return;
    };
    if lines > HEADER_LINES_MAX {
        return;
    }
    let opened = seal::open(data, &[pair.identity()], PLAIN_MAX);
    if let (Ok(plain), Ok(opener)) = (opened, seal::open_head(data, &[pair.identity()])) {
        let (len, sealed) = (plain.len() as u64, data.len() as u64);
        assert_eq!(opener.covering(0, len, sealed).is_some(), len > 0);
        assert!(opener.covering(len, 1, sealed).is_none());
    }
}

/// The frames of a stream, as far as they are whole.
fn frames(stream: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut all) = (0, Vec::new());
    while let Some(Ok(len)) = stream.get(at..).filter(|rest| !rest.is_empty()).map(frame::frame_len) {
        all.push(at..at + len);
        at += len;
    }
    all
}

fn decode_row(pack: &OpenPack, row: &ChunkRow, unframer: &mut Unframer) {
    let Ok(bytes) = pack.frame(row) else {
        return;
    };
    let mut out = Vec::new();
    let small = row.plain.0 <= PLAIN_MAX as u64;
    if small && unpack::decode(row, bytes, unframer, &mut out).is_ok() {
        let _ = unpack::check(row.id, &out, &IdKey::new([9; 32]));
        if row.base.is_some() {
            let _ = frame::undelta(&out, b"a base", row.plain.0 as usize);
        }
    }
}

/// `OpenPack`: its manifest, and each frame as a chunk and as a delta.
pub fn pack(data: &[u8]) {
    let Ok(mut unframer) = Unframer::new() else {
        return;
    };
    let pack = OpenPack { stream: data.to_vec() };
    let frames = frames(data);
    for range in frames.iter().take(64) {
        let (id, len, off) = (ChunkId::new([0; 32]), range.len(), range.start);
        for (base, plain) in [(None, len.saturating_sub(frame::raw_len(0))), (None, PLAIN_MAX), (Some(id), len)] {
            let [len, off, plain] = [len, off, plain].map(|n| Bytes(n as u64));
            decode_row(&pack, &ChunkRow { base, id, len, off, plain }, &mut unframer);
        }
    }
    // The format allows a manifest of 512 MiB, which a few bytes can promise.
    let candidate = frames.iter().nth_back(1).and_then(|range| data.get(range.clone()));
    let unpacked = candidate.map(|bytes| frame::unpack_json("manifest", bytes, PLAIN_MAX));
    let small = !matches!(unpacked, Some(Err(FormatError::OverLimit { .. })));
    if let Some(Ok(signed)) = small.then(|| pack.manifest(None)) {
        for row in signed.manifest.chunks.iter().take(64) {
            decode_row(&pack, row, &mut unframer);
        }
    }
}

/// `Unframer::decode`: four bytes of plain length, then the frame.
pub fn unframe(data: &[u8]) {
    let (Some((len, bytes)), Ok(mut unframer)) = (data.split_first_chunk::<4>(), Unframer::new()) else {
        return;
    };
    let len = u32::from_le_bytes(*len) as usize % (PLAIN_MAX + 1);
    let mut first = Vec::new();
    let decoded = unframer.decode(bytes, len, &mut first);
    let mut second = vec![b'x'];
    let appended = unframer.decode(bytes, len, &mut second);
    assert_eq!(decoded.is_ok(), appended.is_ok(), "where a chunk is decoded to makes a difference");
    if decoded.is_ok() {
        assert!(first.len() == len && second.get(1..) == Some(first.as_slice()), "a chunk of another length");
    }
}

/// `undelta`: two bytes of base length, four of plain length, the base, the frame.
pub fn undelta(data: &[u8]) {
    let Some((base_len, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Some((plain_len, rest)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let Some((base, bytes)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*base_len))) else {
        return;
    };
    let len = u32::from_le_bytes(*plain_len) as usize % (PLAIN_MAX + 1);
    if let Ok(plain) = frame::undelta(bytes, base, len) {
        assert_eq!(plain.len(), len, "a delta of another length");
    }
}

/// `unpack_json` with a small limit.
pub fn unpack_json(data: &[u8]) {
    if let Ok(plain) = frame::unpack_json("an object", data, JSON_MAX) {
        assert!(plain.len() <= JSON_MAX, "more than the limit");
    }
}

/// `IdentityFile::parse`.
pub fn identity_file(data: &[u8]) {
    let _ = IdentityFile::is_encrypted(data);
    if let Ok(file) = IdentityFile::parse(data) {
        same_secrets(&file, IdentityFile::parse(file.text("today").as_bytes()));
    }
}

/// `paper::read`.
pub fn paper(data: &[u8]) {
    if let Some(Ok(file)) = std::str::from_utf8(data).ok().map(paper::read) {
        same_secrets(&file, paper::read(&paper::rows(&file)));
        same_secrets(&file, paper::read(&paper::qr_text(&file)));
    }
}

fn same_secrets(file: &IdentityFile, back: Result<IdentityFile, FormatError>) {
    let owner = |file: &IdentityFile| file.owner().map(SecretKey::public);
    let same = back.is_ok_and(|back| back.recipients() == file.recipients() && owner(&back) == owner(file));
    assert!(same, "an identity that does not come back");
}

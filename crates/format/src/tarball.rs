//! tar headers: ustar, with PAX extended headers where a name needs them.

use std::borrow::Cow;

use darkslide_words::Name;
use tar::{EntryType, Header};

/// Bytes of a tar block.
pub const BLOCK: usize = 512;

/// What a tar entry shows besides its name and size.
#[derive(Debug, Clone, Copy, Default)]
pub struct TarFacts {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Whole seconds; before 1970 counts as 1970.
    pub mtime: i64,
}

fn put_block(out: &mut Vec<u8>, kind: EntryType, name: &[u8], size: u64, facts: TarFacts) {
    static EMPTY: std::sync::LazyLock<Header> = std::sync::LazyLock::new(Header::new_ustar);
    let mut header = EMPTY.clone();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    octal(&mut header.as_old_mut().mode, u64::from(facts.mode & 0o7777));
    // What has too many digits is the library's to write in another way.
    let mtime = u64::try_from(facts.mtime).unwrap_or(0);
    if !octal(&mut header.as_old_mut().mtime, mtime) {
        header.set_mtime(mtime);
    }
    if !octal(&mut header.as_old_mut().uid, u64::from(facts.uid)) {
        header.set_uid(u64::from(facts.uid));
    }
    if !octal(&mut header.as_old_mut().gid, u64::from(facts.gid)) {
        header.set_gid(u64::from(facts.gid));
    }
    if !octal(&mut header.as_old_mut().size, size) {
        header.set_size(size);
    }
    // The sum of all bytes, with spaces where it goes.
    header.as_old_mut().cksum = [b' '; 8];
    let sum: u32 = header.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
    octal(&mut header.as_old_mut().cksum, sum.into());
    out.extend_from_slice(header.as_bytes());
}

/// Writes a number as octal digits that fill a field up to its NUL, if they fit: as the
/// tar crate does, without text in between for each of six fields of each file.
fn octal(field: &mut [u8], mut n: u64) -> bool {
    let Some((end, digits)) = field.split_last_mut() else { return false };
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (n & 7) as u8;
        n >>= 3;
    }
    n == 0
}

/// One PAX record: its own length, key and value.
fn record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The header blocks of a file entry; the last block carries the size.
pub fn header(path: &[u8], size: u64, facts: TarFacts) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, path, size, facts);
    out
}

/// The same, appended to `out`.
pub fn put_header(out: &mut Vec<u8>, path: &[u8], size: u64, facts: TarFacts) {
    if path.len() <= 100 && path.is_ascii() {
        put_block(out, EntryType::Regular, path, size, facts);
        return;
    }
    let mut records = Vec::new();
    if std::str::from_utf8(path).is_err() {
        record("hdrcharset", b"BINARY", &mut records);
    }
    record("path", path, &mut records);
    let plain = TarFacts { mode: 0o644, ..TarFacts::default() };
    put_block(out, EntryType::XHeader, b"PaxHeaders/darkslide", records.len() as u64, plain);
    out.extend_from_slice(&records);
    out.resize(out.len() + padding(records.len() as u64), 0);
    // Readers that do not know PAX see a shortened, harmless name.
    let short: Vec<u8> =
        path.iter().rev().take(60).rev().map(|b| if b.is_ascii_graphic() && *b != b'/' { *b } else { b'_' }).collect();
    put_block(out, EntryType::Regular, &short, size, facts);
}

/// Writes another size into the last block of header blocks.
pub fn set_size(header: &mut [u8], size: u64) {
    let at = header.len() - BLOCK;
    let mut last = Header::new_ustar();
    last.as_mut_bytes().copy_from_slice(&header[at..]);
    last.set_size(size);
    last.set_cksum();
    header[at..].copy_from_slice(last.as_bytes());
}

/// Zero bytes after content of this length.
pub fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// The path under which a library file stands in the tar, kept apart from our
/// own entries.
pub fn escape(path: &Name) -> Cow<'_, [u8]> {
    const MARK: &[u8] = b".darkslide-escaped";
    fn strip(mut part: &[u8]) -> &[u8] {
        while let Some(rest) = part.strip_suffix(MARK) {
            part = rest;
        }
        part
    }
    let bytes = path.as_bytes();
    let first_end = bytes.iter().position(|b| *b == b'/').unwrap_or(bytes.len());
    let (first, rest) = bytes.split_at(first_end);
    let ours = strip(first) == b".darkslide";
    let bare = strip(bytes);
    let digits = bare.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let part = digits > 0 && bare[..bare.len() - digits].ends_with(b".darkslide-part-");
    if !ours && !part {
        return bytes.into();
    }
    let mark = |marked: bool| if marked { MARK } else { b"" };
    [first, mark(ours), rest, mark(part)].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        // The tar crate cuts a PAX value at a newline; GNU tar does not, and the
        // recovery tests cover such names with it.
        fn any_path_reads_back(path in proptest::collection::vec(1u8..=255, 1..400)) {
            let path: Vec<u8> = path.into_iter().filter(|b| *b != b'\\' && *b != b'\n').collect();
            prop_assume!(!path.is_empty() && !path.ends_with(b"/") && !path.starts_with(b"/"));
            let mut tar = header(&path, 3, TarFacts { mode: 0o600, uid: 5, gid: 6, mtime: 77 });
            set_size(&mut tar, 5);
            tar.extend_from_slice(b"hello");
            tar.resize(tar.len() + padding(5) + 1024, 0);
            let mut archive = tar::Archive::new(&tar[..]);
            let mut entries = archive.entries().unwrap();
            let entry = entries.next().unwrap().unwrap();
            prop_assert_eq!(entry.path_bytes().to_vec(), path);
            prop_assert_eq!(entry.size(), 5);
            prop_assert_eq!(entry.header().mtime().unwrap(), 77);
        }
    }

    #[test]
    fn numbers_are_those_of_the_tar_crate() {
        for n in [0u32, 1, 7, 8, 0o644, 1000, 0o7_777_777, 0o10_000_000, u32::MAX] {
            for size in
                [0, 511, u64::from(n), 0o77_777_777_777, 0o100_000_000_000, 1 << 50, (i64::MAX / 1_000_000_000) as u64]
            {
                let facts = TarFacts { mode: n, uid: n, gid: n / 3, mtime: size as i64 };
                let mut wanted = Header::new_ustar();
                wanted.as_old_mut().name[..3].copy_from_slice(b"a/b");
                wanted.set_entry_type(EntryType::Regular);
                wanted.set_mode(n & 0o7777);
                wanted.set_uid(n.into());
                wanted.set_gid((n / 3).into());
                wanted.set_mtime(size);
                wanted.set_size(size);
                wanted.set_cksum();
                assert_eq!(header(b"a/b", size, facts), wanted.as_bytes(), "{n} {size}");
            }
        }
        let before = TarFacts { mtime: -1, ..TarFacts::default() };
        assert_eq!(header(b"a", 0, before), header(b"a", 0, TarFacts::default()), "before 1970 counts as 1970");
    }

    #[test]
    fn our_own_names_are_kept_apart() {
        let e = |p: &str| String::from_utf8(escape(&Name::from(p)).into_owned()).unwrap();
        assert_eq!(e("a/b.CR3"), "a/b.CR3");
        assert_eq!(e(".darkslide/chunks/x"), ".darkslide.darkslide-escaped/chunks/x");
        assert_eq!(e(".darkslide.darkslide-escaped/x"), ".darkslide.darkslide-escaped.darkslide-escaped/x");
        assert_eq!(e("a/.darkslide/x"), "a/.darkslide/x");
        assert_eq!(e("m.mov.darkslide-part-0001"), "m.mov.darkslide-part-0001.darkslide-escaped");
        assert_eq!(e(".darkslide"), ".darkslide.darkslide-escaped");
    }
}

//! The hashes that manifests use.

use std::fmt;

use sha1::Digest as _;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SumKind {
    /// SHA-512 in base 58.
    C4,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// XXH3, 128 bits.
    Xxh128,
    /// XXH3, 64 bits.
    Xxh3,
    /// XXH64.
    Xxh64,
}

impl SumKind {
    /// By the name of its element, in ASC MHL and in its predecessor (MHL 1.x).
    pub fn from_element(name: &str) -> Option<Self> {
        Some(match name {
            "c4" => Self::C4,
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "xxh128" => Self::Xxh128,
            "xxh3" => Self::Xxh3,
            "xxh64" | "xxhash64be" | "xxhash64" => Self::Xxh64,
            _ => return None,
        })
    }
}

/// A hash's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sum {
    /// As a manifest writes it, of any kind.
    Text(SumKind, String),
    /// XXH3, 128 bits, as a number.
    Xxh128(u128),
}

impl Sum {
    /// Which hash.
    pub fn kind(&self) -> SumKind {
        match self {
            Self::Text(kind, _) => *kind,
            Self::Xxh128(_) => SumKind::Xxh128,
        }
    }

    /// True if both say the same; hexadecimal digits in any case.
    pub fn agrees(&self, other: &Sum) -> bool {
        let (a, b) = (self.to_string(), other.to_string());
        self.kind() == other.kind() && if self.kind() == SumKind::C4 { a == b } else { a.eq_ignore_ascii_case(&b) }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_, text) => f.write_str(text),
            Self::Xxh128(value) => write!(f, "{value:032x}"),
        }
    }
}

/// One hash while bytes come in.
pub(crate) enum Hasher {
    C4(Box<sha2::Sha512>),
    Md5(Box<md5::Md5>),
    Sha1(Box<sha1::Sha1>),
    Xxh128(Box<twox_hash::XxHash3_128>),
    Xxh3(Box<twox_hash::XxHash3_64>),
    Xxh64(Box<twox_hash::XxHash64>),
}

impl Hasher {
    pub(crate) fn new(kind: SumKind) -> Self {
        match kind {
            SumKind::C4 => Self::C4(Box::default()),
            SumKind::Md5 => Self::Md5(Box::default()),
            SumKind::Sha1 => Self::Sha1(Box::default()),
            SumKind::Xxh128 => Self::Xxh128(Box::new(twox_hash::XxHash3_128::new())),
            SumKind::Xxh3 => Self::Xxh3(Box::new(twox_hash::XxHash3_64::new())),
            SumKind::Xxh64 => Self::Xxh64(Box::new(twox_hash::XxHash64::with_seed(0))),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        use std::hash::Hasher as _;
        match self {
            Self::C4(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Xxh128(hasher) => hasher.write(bytes),
            Self::Xxh3(hasher) => hasher.write(bytes),
            Self::Xxh64(hasher) => hasher.write(bytes),
        }
    }

    pub(crate) fn finish(self) -> Sum {
        use std::hash::Hasher as _;
        match self {
            Self::C4(hasher) => Sum::Text(SumKind::C4, c4(&hasher.finalize())),
            Self::Md5(hasher) => Sum::Text(SumKind::Md5, hex::encode(hasher.finalize())),
            Self::Sha1(hasher) => Sum::Text(SumKind::Sha1, hex::encode(hasher.finalize())),
            Self::Xxh128(hasher) => Sum::Xxh128(hasher.finish_128()),
            Self::Xxh3(hasher) => Sum::Text(SumKind::Xxh3, format!("{:016x}", hasher.finish())),
            Self::Xxh64(hasher) => Sum::Text(SumKind::Xxh64, format!("{:016x}", hasher.finish())),
        }
    }
}

/// A C4 id of a SHA-512: `c4` and 88 digits to the base of 58.
fn c4(hash: &[u8]) -> String {
    // A leading zero byte is a digit to bs58, and nothing to a number.
    let significant = &hash[hash.iter().position(|b| *b != 0).unwrap_or(hash.len())..];
    format!("c4{:1>88}", bs58::encode(significant).into_string())
}

/// The C4 id of bytes.
pub(crate) fn c4_of(bytes: &[u8]) -> String {
    c4(&sha2::Sha512::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: SumKind, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(kind);
        hasher.update(bytes);
        hasher.finish().to_string()
    }

    #[test]
    fn known_values() {
        // Of no bytes: the published values of each function; C4's from its specification.
        assert_eq!(of(SumKind::Md5, b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(of(SumKind::Sha1, b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(of(SumKind::Xxh64, b""), "ef46db3751d8e999");
        assert_eq!(of(SumKind::Xxh3, b""), "2d06800538d394c2");
        assert_eq!(of(SumKind::Xxh128, b""), "99aa06d3014798d86001c324468d497f");
        let empty = "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT";
        assert_eq!(of(SumKind::C4, b""), empty);
    }
}

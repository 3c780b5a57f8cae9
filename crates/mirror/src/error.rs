//! Why a mirror could not be brought up, or was stopped.

use std::io;
use std::path::PathBuf;

use darkslide_catalog::CatalogError;
use darkslide_words::{Count, Name};
use serde::Serialize;

/// What stops a run before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "brake", rename_all = "kebab-case")]
pub enum Brake {
    /// The library is empty, and was not.
    #[error(
        "the library is empty, and held files before: is its disk mounted? If it is meant to be empty: --allow empty"
    )]
    Empty,
    /// The mirror is empty, and was not.
    #[error("the mirror is empty, and held files before: is its disk mounted? To fill it anew: --allow empty")]
    Absent,
    /// The file that marks the library is not there.
    #[error("the library's sentinel {sentinel} is not there: is its disk mounted?")]
    Sentinel {
        /// Its name.
        sentinel: String,
    },
    /// Too much would go.
    #[error(
        "{files} of {of} files would go to the trash, more than the {most} that are allowed; to let them: --allow deletions"
    )]
    Deletions {
        /// Files that would go.
        files: Count,
        /// Files on the mirror.
        of: Count,
        /// Files that may.
        most: Count,
    },
    /// Too much changed.
    #[error(
        "{files} of {of} files changed, more than the {most} that are allowed: encrypted by somebody else? To let them: --allow changes"
    )]
    Changes {
        /// Files that changed.
        files: Count,
        /// Files on the mirror.
        of: Count,
        /// Files that may.
        most: Count,
    },
    /// Content changed, and size and time did not.
    #[error("{} changed though size and time did not: rot? Look at it, then `mirror --verify`; to take it as it is: --allow rot", named(.paths))]
    Rot {
        /// Which.
        paths: Vec<Name>,
    },
}

fn named(paths: &[Name]) -> String {
    let first = paths.first().map(ToString::to_string).unwrap_or_default();
    if paths.len() > 1 { format!("{first} and {} more", paths.len() - 1) } else { first }
}

/// What happened to a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The library cannot be read at all.
    #[error("the library {path} cannot be read: {source}")]
    NoSource {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The mirror cannot be used.
    #[error("the mirror {path} cannot be used: {source}")]
    NoTarget {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One lies within the other.
    #[error("{source_path} and {target} lie within each other")]
    Overlap {
        /// The library.
        source_path: PathBuf,
        /// The mirror.
        target: PathBuf,
    },
    /// Stopped before anything was touched.
    #[error("nothing was touched: {}", .brakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Braked {
        /// By what.
        brakes: Vec<Brake>,
    },
    /// Cancelled.
    #[error("cancelled; what was copied is verified and stays")]
    Cancelled,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What Windows' file systems, and shares of them, take in no name. Source: Microsoft, "Naming Files,
/// Paths, and Namespaces".
const NOT_IN_NAMES: &[u8] = b"\\:*?\"<>|";

/// An error of the mirror in words: whose fault it is where the name is one that many file systems refuse.
pub(crate) fn told(path: &darkslide_words::Name, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let odd = path.as_bytes().split(|b| *b == b'/').any(|part| {
        part.ends_with(b".")
            || part.ends_with(b" ")
            || part.iter().any(|b| b.is_ascii_control() || NOT_IN_NAMES.contains(b))
            || std::str::from_utf8(part).is_err()
    });
    let refused = matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::InvalidFilename | ErrorKind::InvalidData
    );
    match odd && refused {
        true => format!("the mirror's file system takes no such name ({error}): rename it in the library"),
        false => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn names_that_a_file_system_refuses_are_named_as_the_cause() {
        let refused = std::io::Error::from_raw_os_error(22);
        assert!(told(&"a/b:c.jpg".into(), &refused).contains("no such name"));
        assert!(told(&"a./b.jpg".into(), &refused).contains("no such name"));
        assert!(!told(&"a/b.jpg".into(), &refused).contains("no such name"));
        let full = std::io::Error::from_raw_os_error(28);
        assert!(!told(&"a/b:c.jpg".into(), &full).contains("no such name"));
    }
}

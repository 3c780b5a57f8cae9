//! Reading manifests and chains, of any tool.

use std::io::{self, Read as _};
use std::path::Path;

use darkslide_disk::Disk;
use darkslide_words::Name;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::sums::{Sum, SumKind};

/// Bytes of a manifest: a million files and more.
const MANIFEST_MAX: u64 = 512 << 20;

/// A manifest or chain, whole.
pub(crate) fn read_small(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let mut text = String::new();
    disk.open(path)?.take(MANIFEST_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: Name,
    pub(crate) previous: Option<Name>,
    pub(crate) size: Option<u64>,
    /// Hashes that hold: those of a check that failed do not.
    pub(crate) sums: Vec<Sum>,
}

/// A manifest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) files: Vec<Listed>,
    pub(crate) ignored: Vec<String>,
}

/// The list of generations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Number, manifest, its C4 id.
    pub(crate) generations: Vec<(u64, String, String)>,
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.attributes().with_checks(false).flatten().find(|a| a.key.as_ref() == name.as_bytes())?;
    let raw = String::from_utf8_lossy(&found.value).into_owned();
    Some(quick_xml::escape::unescape(&raw).map(|text| text.into_owned()).unwrap_or(raw))
}

fn local(element: &[u8]) -> String {
    let name = element.rsplit(|b| *b == b':').next().unwrap_or(element);
    String::from_utf8_lossy(name).into_owned()
}

/// Walks through the elements: what is open, and the text of each when it ends.
fn elements(
    text: &str,
    mut start: impl FnMut(&[String], &BytesStart<'_>),
    mut end: impl FnMut(&[String], String),
) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut content = String::new();
    loop {
        let at = reader.buffer_position();
        let wrong = |error: String| format!("at byte {at}: {error}");
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(element) => {
                open.push(local(element.name().as_ref()));
                content.clear();
                start(&open, &element);
            }
            Event::Empty(element) => {
                open.push(local(element.name().as_ref()));
                start(&open, &element);
                end(&open, String::new());
                open.pop();
            }
            Event::End(_) => {
                end(&open, std::mem::take(&mut content).trim().to_string());
                open.pop();
            }
            Event::Text(part) => {
                let part = part.decode().map_err(|error| wrong(error.to_string()))?;
                content.push_str(&part);
            }
            Event::CData(part) => content.push_str(&String::from_utf8_lossy(&part)),
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| wrong(error.to_string()))?;
                let text = format!("&{name};");
                content.push_str(&quick_xml::escape::unescape(&text).map_err(|error| wrong(error.to_string()))?);
            }
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err(wrong(format!("it ends within <{}>", open.join("/")))),
            _ => {}
        }
    }
}

impl Manifest {
    /// Reads a manifest of ASC MHL, or of its predecessor (version 1.x).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut manifest = Self::default();
        let mut root = None;
        let file =
            std::cell::RefCell::new(Listed { path: Name::default(), previous: None, size: None, sums: Vec::new() });
        let failed = std::cell::Cell::new(false);
        let finished = std::cell::RefCell::new(Vec::new());
        elements(
            text,
            |open, element| {
                let names: Vec<&str> = open.iter().map(String::as_str).collect();
                match names[..] {
                    [name] => root = Some(name.to_string()),
                    ["hashlist", .., "hash"] => {
                        *file.borrow_mut() = Listed { path: Name::default(), previous: None, size: None, sums: vec![] };
                    }
                    [.., "hash", "path"] => {
                        file.borrow_mut().size = attribute(element, "size").and_then(|size| size.parse().ok());
                    }
                    _ => failed.set(attribute(element, "action").as_deref() == Some("failed")),
                }
            },
            |open, content| {
                let names: Vec<&str> = open.iter().map(String::as_str).collect();
                let mut file = file.borrow_mut();
                match names[..] {
                    // Version 1 calls the path `file`.
                    [.., "hash", "path" | "file"] => file.path = Name::new(content.replace('\\', "/")),
                    [.., "hash", "previousPath"] => file.previous = Some(Name::new(content)),
                    [.., "hash", "size"] => file.size = content.parse().ok(),
                    [.., "ignore", "pattern"] => manifest.ignored.push(content),
                    [.., "hash", name] => {
                        if let Some(sum) = sum(name, &content).filter(|_| !failed.get()) {
                            file.sums.push(sum);
                        }
                    }
                    ["hashlist", .., "hash"] => finished.borrow_mut().push(file.clone()),
                    _ => {}
                }
            },
        )?;
        manifest.files = finished.into_inner();
        match root.as_deref() {
            Some("hashlist") => Ok(manifest),
            Some(other) => Err(format!("it is a <{other}>, not a <hashlist>")),
            None => Err("it is empty".into()),
        }
    }
}

fn sum(element: &str, content: &str) -> Option<Sum> {
    // Version 1 also has a 32-bit hash, in decimal: it tells too little to be worth a check.
    let kind = SumKind::from_element(element)?;
    Some(Sum::Text(kind, content.to_string()))
}

impl Chain {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut chain = Self::default();
        let row = std::cell::RefCell::new((0, String::new(), String::new()));
        elements(
            text,
            |open, element| {
                if open.last().is_some_and(|name| name == "hashlist") {
                    let number = attribute(element, "sequencenr").and_then(|n| n.parse().ok()).unwrap_or(0);
                    *row.borrow_mut() = (number, String::new(), String::new());
                }
            },
            |open, content| match open.last().map(String::as_str) {
                Some("path") => row.borrow_mut().1 = content,
                Some("c4") => row.borrow_mut().2 = content,
                Some("hashlist") => chain.generations.push(row.borrow().clone()),
                _ => {}
            },
        )?;
        Ok(chain)
    }

    pub(crate) fn last(&self) -> u64 {
        self.generations.iter().map(|(number, ..)| *number).max().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, number: u64, name: &str, c4: &str) {
        self.generations.push((number, name.to_string(), c4.to_string()));
    }

    pub(crate) fn text(&self) -> String {
        let row = |(number, name, c4): &(u64, String, String)| {
            let name = quick_xml::escape::escape(name);
            format!("  <hashlist sequencenr=\"{number}\">\n    <path>{name}</path>\n    <c4>{c4}</c4>\n  </hashlist>\n")
        };
        let rows: String = self.generations.iter().map(row).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ascmhldirectory xmlns=\"urn:ASC:MHL:DIRECTORY:v2.0\">\n{rows}</ascmhldirectory>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let old = "<?xml version=\"1.0\"?><hashlist version=\"1.1\"><creatorinfo/><hash>
            <file>Clips\\A &amp; B.mov</file><size>5</size><md5>D41D8CD98F00B204E9800998ECF8427E</md5></hash></hashlist>";
        let manifest = Manifest::parse(old).unwrap();
        assert_eq!((manifest.files[0].path.to_string().as_str(), manifest.files[0].size), ("Clips/A & B.mov", Some(5)));
        assert_eq!(manifest.files[0].sums.len(), 1);
        let new = "<hashlist version=\"2.0\"><processinfo><ignore><pattern>*.tmp</pattern></ignore></processinfo>
            <hashes><hash><path size=\"1\">a</path><xxh64 action=\"failed\">00</xxh64><md5 action=\"verified\">11</md5>
            </hash><directoryhash><path>d</path><content><xxh64>22</xxh64></content></directoryhash></hashes></hashlist>";
        let manifest = Manifest::parse(new).unwrap();
        assert_eq!(manifest.files.len(), 1);
        assert_eq!(manifest.files[0].sums, [Sum::Text(SumKind::Md5, "11".into())]);
        assert_eq!(manifest.ignored, ["*.tmp"]);
    }

    #[test]
    fn what_is_no_manifest_is_said() {
        for bad in ["", "<hashlist><hash>", "<html></html>", "<hashlist></hash></hashlist>"] {
            assert!(Manifest::parse(bad).is_err(), "{bad}");
        }
    }
}

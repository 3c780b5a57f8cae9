//! Just enough XML: a tree of elements in, escaped text out.
//!
//! **Invariant:** bounded: no entities but the five of XML and character
//! references, and no nesting beyond [`DEPTH_MAX`].

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

const DEPTH_MAX: usize = 32;

/// An element without its attributes and prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The root of a document.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_string())?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| format!("the body is no XML: {error}"))?;
            let closed = match event {
                Event::Start(start) => {
                    if open.len() == DEPTH_MAX {
                        return Err("the XML is nested too deeply".to_string());
                    }
                    open.push(Self::named(&start)?);
                    None
                }
                Event::Empty(start) => Some(Self::named(&start)?),
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    let text = text.decode().map_err(|error| error.to_string())?;
                    if let Some(parent) = open.last_mut() {
                        parent.text.push_str(&text);
                    }
                    None
                }
                Event::CData(text) => {
                    let text = text.decode().map_err(|error| error.to_string())?;
                    if let Some(parent) = open.last_mut() {
                        parent.text.push_str(&text);
                    }
                    None
                }
                Event::GeneralRef(reference) => {
                    let character = resolve(&reference)?;
                    if let Some(parent) = open.last_mut() {
                        parent.text.push(character);
                    }
                    None
                }
                Event::DocType(_) => return Err("a document type is not allowed".to_string()),
                Event::Eof => return Err("the XML ends early".to_string()),
                _ => None,
            };
            if let Some(element) = closed {
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
        }
    }

    fn named(start: &BytesStart<'_>) -> Result<Self, String> {
        let name = start.local_name();
        let name = std::str::from_utf8(name.as_ref()).map_err(|_| "an element's name is not UTF-8".to_string())?;
        Ok(Self { name: name.to_string(), ..Self::default() })
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name, if there is any.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Its own text, without space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character);
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    match name.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        other => Err(format!("the entity &{other}; is not known")),
    }
}

/// `<name>text</name>` with the text escaped; nothing for no text.
pub(super) fn leaf(name: &str, text: Option<&str>) -> String {
    let Some(text) = text else {
        return String::new();
    };
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => escaped.push_str(&format!("&#{};", u32::from(c))),
            c => escaped.push(c),
        }
    }
    format!("<{name}>{escaped}</{name}>")
}

/// `<name>` around XML.
pub(super) fn node(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

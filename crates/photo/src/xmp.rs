//! XMP, in packets and in sidecars: rating and dates. And what a camera writes beside its clips.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::facts::Facts;
use crate::taken::{DateSource, Taken};

/// Elements that are looked at in one packet.
const ELEMENTS_MAX: usize = 20_000;

/// The facts of an XMP packet. What is not XML any more ends it; what came before counts.
pub(crate) fn facts(packet: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let mut reader = Reader::from_reader(packet);
    // Programs pad packets, and cut them.
    reader.config_mut().check_end_names = false;
    let mut open: Option<Vec<u8>> = None;
    for _ in 0..ELEMENTS_MAX {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                attributes(&element, &mut facts);
                open = Some(local(element.name().as_ref()).to_vec());
            }
            Ok(Event::Empty(element)) => attributes(&element, &mut facts),
            Ok(Event::Text(text)) => {
                if let (Some(name), Ok(text)) = (&open, text.decode()) {
                    property(name, &text, &mut facts);
                }
            }
            Ok(Event::End(_)) => open = None,
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    facts
}

/// The facts of a clip's own XML, as Sony's cameras write it: `C0001M01.XML` beside `C0001.MP4`.
/// It alone says the zone of the camera's clock.
pub(crate) fn clip(xml: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().check_end_names = false;
    for _ in 0..ELEMENTS_MAX {
        let (Ok(Event::Start(element)) | Ok(Event::Empty(element))) = (match reader.read_event() {
            Ok(Event::Eof) | Err(_) => break,
            other => other,
        }) else {
            continue;
        };
        let value = |wanted: &[u8]| {
            let attribute = element.attributes().with_checks(false).flatten().find(|a| a.key.as_ref() == wanted)?;
            Some(String::from_utf8_lossy(&attribute.value).trim().to_string()).filter(|value| !value.is_empty())
        };
        match local(element.name().as_ref()) {
            b"CreationDate" => {
                facts.dated(value(b"value").and_then(|v| Taken::from_iso(&v, DateSource::Original)));
            }
            b"Device" => {
                facts.make = value(b"manufacturer");
                facts.model = value(b"modelName");
                facts.serial = value(b"serialNo");
            }
            b"Lens" => facts.lens = value(b"modelName"),
            _ => {}
        }
    }
    facts
}

fn attributes(element: &BytesStart<'_>, facts: &mut Facts) {
    for attribute in element.attributes().with_checks(false).flatten() {
        let value = String::from_utf8_lossy(&attribute.value);
        property(local(attribute.key.as_ref()), &value, facts);
    }
}

/// A name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|b| *b == b':').next().unwrap_or(name)
}

fn property(name: &[u8], value: &str, facts: &mut Facts) {
    match name {
        b"Rating" => {
            let stars = value.trim().parse::<f64>().ok().filter(|stars| (-1.0..=5.0).contains(stars));
            facts.rating = facts.rating.or(stars.map(|stars| stars as i8));
        }
        b"Orientation" => {
            let value = value.trim().parse().ok().filter(|value| (1..=8).contains(value));
            facts.orientation = facts.orientation.or(value);
        }
        b"DateTimeOriginal" | b"DateCreated" => facts.dated(Taken::from_iso(value, DateSource::Xmp)),
        b"Model" if facts.model.is_none() => facts.model = Some(value.trim().to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clips_own_xml_says_the_zone() {
        let found = clip(
            br#"<?xml version="1.0"?><NonRealTimeMeta xmlns="urn:schemas-professionalDisc:nonRealTimeMeta:ver.2.20">
                <CreationDate value="2026-10-18T16:45:12+02:00"/><Device manufacturer="Sony" modelName="ILCE-7M4"
                serialNo="0001234"/><Lens modelName="FE 24-70mm F2.8 GM II"/></NonRealTimeMeta>"#,
        );
        assert_eq!(found.taken.unwrap().to_string(), "2026-10-18T16:45:12+02:00");
        assert_eq!((found.model.as_deref(), found.serial.as_deref()), (Some("ILCE-7M4"), Some("0001234")));
        assert_eq!(clip(b"<a><<"), Facts::default());
    }

    #[test]
    fn attributes_and_elements_count_alike() {
        let attributes = facts(
            br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmp:Rating="4"
                exif:DateTimeOriginal="2020-08-01T21:30:00.50+02:00"/></rdf:RDF></x:xmpmeta>"#,
        );
        assert_eq!(attributes.rating, Some(4));
        assert_eq!(attributes.taken.unwrap().to_string(), "2020-08-01T21:30:00.5+02:00");
        let elements = facts(
            b"<rdf:Description><xmp:Rating>-1</xmp:Rating>
              <photoshop:DateCreated>2020-08-01</photoshop:DateCreated></rdf:Description>",
        );
        assert_eq!((elements.rating, elements.taken.is_some()), (Some(-1), true));
        assert_eq!(facts(b"<a xmp:Rating='9'><<<"), Facts::default());
        assert_eq!(facts(b"\xff\xfe\0\0"), Facts::default());
    }
}

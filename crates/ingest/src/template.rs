//! Where a photograph goes and what it is called: `{date:%Y}/{date:%Y-%m-%d}_{job}/{name}`.

use std::fmt;

use darkslide_words::Name;
use jiff::civil;

/// Bytes that a file system takes for a name.
const NAME_MAX: usize = 255;

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template `{template}`: {why}")]
pub struct TemplateError {
    template: String,
    why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Date(String),
    Name,
    Stem,
    Extension,
    Camera,
    Make,
    Serial,
    Counter(usize),
    Job,
    Card,
}

/// A template, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    /// Parts of each folder, and of the name.
    components: Vec<Vec<Part>>,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill<'f> {
    /// When it was taken.
    pub(crate) taken: civil::DateTime,
    /// The day that it counts to: a wedding goes on after midnight.
    pub(crate) day: civil::DateTime,
    /// Its name on the card.
    pub(crate) name: &'f Name,
    pub(crate) camera: &'f str,
    pub(crate) make: &'f str,
    pub(crate) serial: &'f str,
    pub(crate) counter: u64,
    pub(crate) job: &'f str,
    pub(crate) card: &'f str,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let bad = |why: &str| TemplateError { template: text.to_string(), why: why.to_string() };
        if text.starts_with('/') || text.is_empty() {
            return Err(bad("it has to be a path within the library, not beginning with /"));
        }
        let mut components = Vec::new();
        for component in split(text) {
            if matches!(component, "" | "." | "..") {
                return Err(bad("a folder's name is empty, `.` or `..`"));
            }
            components.push(parts(component).map_err(|why| bad(&why))?);
        }
        let last = components.last().map_or(&[][..], Vec::as_slice);
        if !last.iter().any(|part| matches!(part, Part::Name | Part::Stem | Part::Counter(_))) {
            return Err(bad("its last part needs {name}, {stem} or {counter}, or all photographs get one name"));
        }
        Ok(Self { text: text.to_string(), components })
    }

    /// True if names stay as the camera gave them.
    pub(crate) fn keeps_names(&self) -> bool {
        self.components.last().is_some_and(|last| *last == [Part::Name])
    }

    /// True if it counts.
    pub(crate) fn counts(&self) -> bool {
        self.components.iter().flatten().any(|part| matches!(part, Part::Counter(_)))
    }

    /// The folder of a photograph.
    pub(crate) fn folder(&self, fill: &Fill<'_>) -> Name {
        let folders = &self.components[..self.components.len().saturating_sub(1)];
        folders.iter().fold(Name::default(), |path, parts| path.join(&component(parts, fill, fill.day)))
    }

    /// The name of a photograph; the camera's extension is added where the template has none.
    pub(crate) fn name(&self, fill: &Fill<'_>) -> Name {
        let Some(parts) = self.components.last() else { return fill.name.clone() };
        let name = component(parts, fill, fill.taken);
        let has_extension = parts.iter().any(|part| matches!(part, Part::Name | Part::Extension));
        match split_name(fill.name).1 {
            extension if !has_extension && !extension.is_empty() => {
                Name::new([name.as_bytes(), b".", extension].concat())
            }
            _ => name,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// At slashes outside braces.
fn split(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        inside = (inside || c == '{') && c != '}';
        c == '/' && !inside
    })
    .collect()
}

fn parts(component: &str) -> Result<Vec<Part>, String> {
    let mut out = Vec::new();
    let mut rest = component;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            out.push(Part::Text(rest[..open].to_string()));
        }
        let close = rest[open..].find('}').ok_or("a { without its }")? + open;
        out.push(token(&rest[open + 1..close])?);
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        out.push(Part::Text(rest.to_string()));
    }
    Ok(out)
}

fn token(text: &str) -> Result<Part, String> {
    let (word, argument) = text.split_once(':').map_or((text, None), |(word, argument)| (word, Some(argument)));
    Ok(match (word, argument) {
        ("date", argument) => {
            let format = argument.unwrap_or("%Y-%m-%d");
            let sample = civil::date(2026, 10, 18).at(16, 45, 12, 370_000_000);
            let shown = jiff::fmt::strtime::format(format, sample)
                .map_err(|error| format!("{{date:{format}}} is no date: {error}"))?;
            if shown.contains('/') {
                return Err(format!("{{date:{format}}} has a / in it; write {{date:%Y}}/{{date:%m}}"));
            }
            Part::Date(format.to_string())
        }
        ("counter", argument) => {
            let width = argument.unwrap_or("4").parse().ok().filter(|n| (1..=12).contains(n));
            Part::Counter(width.ok_or("{counter:N}: N is its number of digits, 1 to 12")?)
        }
        ("name", None) => Part::Name,
        ("stem", None) => Part::Stem,
        ("ext", None) => Part::Extension,
        ("camera", None) => Part::Camera,
        ("make", None) => Part::Make,
        ("serial", None) => Part::Serial,
        ("job", None) => Part::Job,
        ("card", None) => Part::Card,
        _ => {
            let known = "date, name, stem, ext, camera, make, serial, counter, job, card";
            return Err(format!("{{{text}}} is not known: {known} are"));
        }
    })
}

/// Stem and extension of a name, without the dot.
pub(crate) fn split_name(name: &Name) -> (&[u8], &[u8]) {
    let bytes = name.file_name();
    match bytes.iter().rposition(|b| *b == b'.').filter(|at| *at > 0) {
        Some(dot) => (&bytes[..dot], &bytes[dot + 1..]),
        None => (bytes, b""),
    }
}

fn component(parts: &[Part], fill: &Fill<'_>, date: civil::DateTime) -> Name {
    let mut out: Vec<u8> = Vec::new();
    // What is empty takes the separator before it along.
    let mut skip = false;
    for part in parts {
        let value: Vec<u8> = match part {
            Part::Text(text) => text.as_bytes().to_vec(),
            Part::Date(format) => jiff::fmt::strtime::format(format, date).unwrap_or_default().into_bytes(),
            Part::Name => fill.name.file_name().to_vec(),
            Part::Stem => split_name(fill.name).0.to_vec(),
            Part::Extension => split_name(fill.name).1.to_vec(),
            Part::Camera => tame(fill.camera),
            Part::Make => tame(fill.make),
            Part::Serial => tame(fill.serial),
            Part::Counter(width) => format!("{:0width$}", fill.counter, width = *width).into_bytes(),
            Part::Job => tame(fill.job),
            Part::Card => tame(fill.card),
        };
        let is_text = matches!(part, Part::Text(_));
        if value.is_empty() && !is_text {
            while out.last().is_some_and(|b| b"_- ".contains(b)) {
                out.pop();
            }
            skip = out.is_empty();
            continue;
        }
        let value = match (is_text && skip, value) {
            (true, value) => value.into_iter().skip_while(|b| b"_- ".contains(b)).collect(),
            (false, value) => value,
        };
        skip = false;
        out.extend(value);
    }
    safe(out)
}

/// A camera's or person's words as part of a name.
fn tame(text: &str) -> Vec<u8> {
    let tame = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
    text.trim().chars().map(tame).collect::<String>().into_bytes()
}

/// A name that a file system takes and that does not lead elsewhere.
fn safe(mut bytes: Vec<u8>) -> Name {
    bytes.retain(|b| !matches!(b, b'/' | 0));
    if bytes.len() > NAME_MAX {
        // The end tells names apart and holds the extension.
        let tail = bytes.split_off(bytes.len() - 60);
        bytes.truncate(NAME_MAX - tail.len());
        bytes.extend(tail);
    }
    if matches!(bytes.as_slice(), b"" | b"." | b"..") {
        bytes = b"unnamed".to_vec();
    }
    Name::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, name: &str, job: &str) -> String {
        let template = Template::parse(template).unwrap();
        let name = Name::from(name);
        let fill = Fill {
            taken: civil::date(2026, 10, 19).at(1, 45, 12, 0),
            day: civil::date(2026, 10, 18).at(22, 45, 12, 0),
            name: &name,
            camera: "Canon EOS R6",
            make: "Canon",
            serial: "../../etc",
            counter: 7,
            job,
            card: "EOS_DIGITAL",
        };
        template.folder(&fill).join(&template.name(&fill)).to_string()
    }

    #[test]
    fn tokens_are_filled() {
        let shown = filled("raw_photos/{date:%Y}/{date:%Y-%m-%d}_{job}/{name}", "DCIM/100CANON/IMG_1.CR3", "wedding");
        assert_eq!(shown, "raw_photos/2026/2026-10-18_wedding/IMG_1.CR3");
        assert_eq!(
            filled("{make}/{date:%Y%m%d-%H%M%S}_{counter:5}.{ext}", "IMG_1.CR3", ""),
            "Canon/20261019-014512_00007.CR3"
        );
        assert_eq!(filled("{camera}/{stem}-{counter}", "IMG_1.CR3", ""), "Canon EOS R6/IMG_1-0007.CR3");
    }

    #[test]
    fn what_is_empty_takes_its_separator_along() {
        assert_eq!(filled("{date:%Y-%m-%d}_{job}/{name}", "a.jpg", ""), "2026-10-18/a.jpg");
        assert_eq!(filled("{job}_{date:%Y}/{name}", "a.jpg", ""), "2026/a.jpg");
        assert_eq!(filled("{job}/{name}", "a.jpg", ""), "unnamed/a.jpg");
    }

    #[test]
    fn nothing_leads_out_of_the_library() {
        assert_eq!(filled("{serial}/{job}/{name}", "a.jpg", ".."), ".._.._etc/unnamed/a.jpg");
        for bad in ["/abs/{name}", "../{name}", "{name}/..", "", "{date:%Y}", "a//{name}", "{nonsense}/{name}", "{name"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse("{date:%Y/%m}/{name}").is_err() && Template::parse("{counter:99}").is_err());
        let long = "x".repeat(300);
        let shown = filled("{stem}_{job}.{ext}", "IMG_1.CR3", &long);
        assert!(shown.len() == 255 && shown.ends_with(".CR3"), "{shown}");
    }
}

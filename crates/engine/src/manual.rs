//! What each key of `darkslide.toml` means, and which one somebody may have meant.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// With the tables that it stands in: `store.class`.
    pub name: String,
    /// What counts where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it means.
    pub text: String,
    /// As it would stand in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

#[derive(Deserialize)]
struct Manual {
    key: Vec<Key>,
}

/// All keys, table by table.
pub fn keys() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        // invariant: the file is part of the program, and a test reads it.
        toml::from_str::<Manual>(include_str!("../data/keys.toml")).expect("the manual is TOML").key
    })
}

/// What is said of a key, or of a table and all that is in it. Brackets and spaces do not matter.
pub fn explain(wanted: &str) -> Result<Vec<&'static Key>, Option<&'static str>> {
    let wanted = wanted.trim_matches(|c| c == '[' || c == ']' || c == ' ').to_lowercase();
    let all = keys();
    let below = format!("{wanted}.");
    let found: Vec<&Key> = all.iter().filter(|key| key.name == wanted || key.name.starts_with(&below)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    // The key alone, without its table.
    let last = |key: &Key| key.name.rsplit('.').next() == Some(&wanted);
    let found: Vec<&Key> = all.iter().filter(|key| last(key)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names = all.iter().flat_map(|key| [key.name.as_str(), key.name.rsplit('.').next().unwrap_or_default()]);
    Err(nearest(&wanted, names))
}

/// The name that is nearest to what was written, if it is near enough to have been meant.
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(written, name);
    let near = names.into_iter().map(|name| (distance(name), name)).min()?;
    let most = (written.chars().count() / 3).max(2);
    (near.0 <= most && near.0 > 0).then_some(near.1)
}

/// What to do about a message of the TOML reader: for a key that is not known, the nearest one.
pub(crate) fn hint(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (written, known) = quoted.split_first()?;
    if message.contains("unknown field") || message.contains("unknown variant") {
        let near = nearest(written, known.iter().copied());
        let elsewhere = || explain(written).ok().and_then(|keys| keys.first().map(|key| key.name.as_str()));
        return match (near, elsewhere()) {
            (Some(near), _) => {
                Some(format!("did you mean `{near}`? `darkslide config explain {near}` says what it is"))
            }
            (None, Some(name)) => Some(format!("`{name}` is a key: does it stand in the wrong table?")),
            (None, None) => Some("`darkslide config explain` lists all keys".into()),
        };
    }
    if message.contains("missing field") {
        return Some(format!("`darkslide config explain {written}` says what it is"));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Settings;

    /// Tables, each with what makes it one that can be read.
    const BASE: &str = "state = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n";

    /// The keys that the program accepts in a table, by its own word.
    fn accepted(table: &str) -> Vec<String> {
        let text = match table {
            "" => format!("no_such_key = 1\n{BASE}"),
            "repository" => BASE.replace("owner", "no_such_key = 1\nowner"),
            "store" => format!("{BASE}no_such_key = 1\n"),
            "store.batch" => format!("{BASE}[store.batch]\nno_such_key = 1\n"),
            "backup.keep" => {
                format!("{BASE}[[backup]]\nname = \"a\"\nlibrary = \"b\"\n[backup.keep]\nno_such_key = 1\n")
            }
            table => match toml::from_str::<Settings>(&format!("{BASE}[[{table}]]\nno_such_key = 1\n")) {
                Err(error) if error.message().contains("unknown field") => {
                    format!("{BASE}[[{table}]]\nno_such_key = 1\n")
                }
                _ => format!("{BASE}[{table}]\nno_such_key = 1\n"),
            },
        };
        let error = toml::from_str::<Settings>(&text).unwrap_err();
        let message = error.message();
        assert!(message.contains("unknown field `no_such_key`"), "{table}: {message}");
        message.split('`').skip(3).step_by(2).map(str::to_string).collect()
    }

    #[test]
    fn every_key_is_explained_and_nothing_else_is() {
        let known: BTreeSet<&str> = keys().iter().map(|key| key.name.as_str()).collect();
        assert_eq!(known.len(), keys().len(), "a key stands twice");
        let mut found = BTreeSet::new();
        for name in accepted("") {
            let plain = ["state"].contains(&name.as_str());
            if !plain {
                found.extend(accepted(&name).into_iter().map(|key| format!("{name}.{key}")));
            }
            found.insert(name);
        }
        found.extend(accepted("store.batch").into_iter().map(|key| format!("store.batch.{key}")));
        found.extend(accepted("backup.keep").into_iter().map(|key| format!("backup.keep.{key}")));
        let known: BTreeSet<String> = known.into_iter().map(str::to_string).collect();
        let (missing, extra): (Vec<_>, Vec<_>) =
            (found.difference(&known).collect(), known.difference(&found).collect());
        assert!(missing.is_empty() && extra.is_empty(), "without a word: {missing:?}; no keys: {extra:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        assert_eq!(nearest("clas", ["path", "class", "url"]), Some("class"));
        assert_eq!(nearest("limit-upload", ["limit_upload"]), Some("limit_upload"));
        assert_eq!(nearest("zebra", ["path", "class"]), None);
        assert_eq!(explain("[[store]]").unwrap().first().map(|key| key.name.as_str()), Some("store"));
        assert!(explain("class").unwrap().iter().any(|key| key.name == "store.class"));
        assert_eq!(explain("stroe.clas").unwrap_err(), Some("store.class"));
        let message = "unknown field `pth`, expected one of `path`, `url`, `class`";
        assert!(hint(message).unwrap().contains("did you mean `path`"), "{:?}", hint(message));
        let message = "unknown field `per_run`, expected one of `path`, `url`";
        assert!(hint(message).unwrap().contains("budget.per_run"), "{:?}", hint(message));
    }
}

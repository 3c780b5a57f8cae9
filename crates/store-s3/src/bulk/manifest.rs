//! A job's manifest: one line an object, bucket and key, the key percent-encoded.

use darkslide_words::ObjectName;

use crate::percent::encode;

/// The manifest of these objects.
pub(super) fn write(bucket: &str, prefix: &str, names: &[ObjectName]) -> String {
    let mut csv = String::new();
    for name in names {
        csv.push_str(&line(bucket, &format!("{prefix}{name}")));
    }
    csv
}

/// Any key fits: encoded, it has no comma, quote or line end left.
fn line(bucket: &str, key: &str) -> String {
    format!("{bucket},{}\n", encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::report::fields;
    use crate::percent::{Plus, decode};

    #[test]
    fn odd_keys_come_back_from_the_manifest() {
        for key in ["packs/ab/cd.tar.zst.age", "a,b", "a\"b\"", "a\nb", "a b+c%d", "ü"] {
            let line = line("photos", key);
            let rows = fields(&line).unwrap();
            assert_eq!(rows.len(), 1, "{key}");
            assert_eq!(rows[0][0], "photos");
            assert_eq!(decode(&rows[0][1], Plus::Plus).as_deref(), Some(key));
        }
    }

    #[test]
    fn one_line_an_object_with_the_prefix() {
        let names = ["packs/ab/one", "packs/cd/two"].map(|n| ObjectName::new(n).unwrap());
        assert_eq!(write("photos", "nas/", &names), "photos,nas/packs/ab/one\nphotos,nas/packs/cd/two\n");
    }
}

//! The rules on documents, on small samples.

use super::*;
use crate::tests::house_of;

fn lines(offences: &[(usize, String)]) -> Vec<usize> {
    offences.iter().map(|(line, _)| *line).collect()
}

#[test]
fn a_promise_without_an_existing_test_is_caught() {
    let tests = BTreeSet::from(["kept_promise".to_owned()]);
    let kept = "# Promises\n\n**S1** A `put` is atomic.\nSee `store::it::kept_promise`.\n";
    assert_eq!(unkept_promises(kept, &tests), []);
    let unkept = format!("{kept}\n### S2 Nothing\n`put` and `gone`.\n\n## Notes\n`kept_promise`\n");
    assert_eq!(lines(&unkept_promises(&unkept, &tests)), [6]);
    assert_eq!(unkept_promises("No promise.\n", &tests).len(), 1);
}

#[test]
fn every_name_after_tests_must_exist() {
    let tests = BTreeSet::from(["kept_promise".to_owned()]);
    let text = "**S1** `put`.\nTests: `kept_promise`,\n`renamed_since`\n";
    let caught = unkept_promises(text, &tests);
    assert_eq!(caught.len(), 1);
    assert!(caught[0].1.contains("`renamed_since`"));
}

#[test]
fn test_names_come_from_test_code_and_python_tools() {
    let house = house_of(&[
        ("crates/a/src/lib.rs", "fn put() {}\n#[cfg(test)]\nmod tests {\n    fn puts() {}\n}\n"),
        ("crates/store/src/contract.rs", "pub fn rejects_overwrite() {}\n"),
        ("tools/check.py", "def main():\n    pass\n\ndef test_reads_format():\n    pass\n"),
    ]);
    let names: Vec<String> = test_names(&house).into_iter().collect();
    assert_eq!(names, ["puts", "rejects_overwrite", "test_reads_format"]);
}

#[test]
fn a_frozen_repository_must_be_named_in_a_test() {
    let caught = frozen(&house_of(&[
        ("testdata/frozen/v1-plain/config", ""),
        ("testdata/frozen/v1/config", ""),
        ("crates/a/src/lib.rs", "// v1\n"),
        ("tidy/src/docs/tests.rs", "const F: &str = \"v1\";\n"),
        ("crates/a/tests/it/main.rs", "const F: &str = \"v1-plain\";\n"),
    ]));
    assert_eq!(caught.len(), 1);
    assert_eq!(caught[0].file, "testdata/frozen/v1");
}

#[test]
fn adrs_have_numbers_and_weigh_doing_nothing() {
    assert_eq!(adr_number("0012-two-words.md"), Some("0012"));
    for name in ["12-a.md", "0012.md", "0012-Title.md", "0012-.md", "README.md"] {
        assert_eq!(adr_number(name), None, "{name}");
    }
    let good = "# 1\n\n## Status\n\n## Decision\n\n## Alternatives\n\n**Do nothing.** Costly.\n";
    assert_eq!(adr_faults(good), [""; 0]);
    let elsewhere = "Do nothing\n## Status\n## Alternatives\n## Consequences\nDo nothing\n";
    assert_eq!(adr_faults(elsewhere).len(), 2);
}

#[test]
fn changelog_files_follow_the_template() {
    let template = "# Bugfix: a\n\n## Before\n\nb\n\n## Now\n\nc\n";
    assert_eq!(entry_faults(template, template), [""; 0]);
    assert_eq!(entry_faults("# Fix: a\n## Before\nb\n## Now\nc\n", template).len(), 1);
    assert_eq!(entry_faults("# Change: a\n## Now\nc\n## Before\nb\n", template).len(), 1);
    assert_eq!(entry_faults("# Change: a\n## Before\n\n## Now\nc\n", template).len(), 1);
}

#[test]
fn the_map_has_a_section_with_an_invariant_for_every_crate() {
    let text = "# Map\n## `crates/words`\n**Invariant** No I/O.\n### `store-dir`, `store-s3`\n**Invariant** One.\n";
    assert_eq!(map_faults(text, &["words", "store-dir", "store-s3"]), []);
    assert_eq!(lines(&map_faults(text, &["store"])), [1]);
    assert_eq!(lines(&map_faults("## `words`\n## Notes\n**Invariant** x\n", &["words"])), [1]);
    assert_eq!(lines(&map_faults(&"\n".repeat(401), &[])), [401]);
}

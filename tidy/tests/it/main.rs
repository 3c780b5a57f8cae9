//! The house rules, applied to the house. Each failure lists every offender.

use tidy::source::Source;
use tidy::{House, Offence, arrows, assert_clean, docs, source, words};

/// Applies a rule on one Rust file to all of them.
fn check_sources(rule: &str, check: fn(&Source) -> Vec<Offence>) {
    let sources = House::load().sources();
    assert!(!sources.is_empty(), "no Rust file found");
    let offences: Vec<Offence> = sources.iter().flat_map(check).collect();
    assert_clean(rule, &offences);
}

#[test]
fn arrows_between_crates_point_down() {
    let house = House::load();
    let mut offences = arrows::arrows(&arrows::read_metadata(&house));
    arrows::locate(&house, &mut offences);
    assert_clean("arrows between crates", &offences);
}

#[test]
fn files_open_with_module_docs() {
    check_sources("module docs", source::module_docs);
}

#[test]
fn files_and_functions_are_short() {
    check_sources("file and function length", source::sizes);
}

#[test]
fn banned_words_are_absent() {
    check_sources("banned words", words::banned_words);
}

#[test]
fn modules_are_nouns_of_the_glossary() {
    check_sources("module names", words::module_names);
}

#[test]
fn promises_name_their_tests() {
    assert_clean("promises", &docs::promises(&House::load()));
}

#[test]
fn frozen_repositories_are_named_in_tests() {
    assert_clean("frozen repositories", &docs::frozen(&House::load()));
}

#[test]
fn adrs_are_complete() {
    assert_clean("ADRs", &docs::adrs(&House::load()));
}

#[test]
fn changelog_files_follow_the_template() {
    assert_clean("changelog", &docs::changelog(&House::load()));
}

#[test]
fn the_map_knows_every_crate() {
    assert_clean("ARCHITECTURE.md", &docs::map(&House::load()));
}

#[test]
fn prose_is_free_of_the_machine_at_hand() {
    let house = House::load();
    let offences: Vec<Offence> = house.files.iter().flat_map(words::traces).collect();
    assert_clean("traces", &offences);
}

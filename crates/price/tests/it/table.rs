//! The file of prices: the one that comes along, and those that users give.

use std::time::Duration;

use darkslide_price::{PriceError, PriceTable};
use darkslide_words::{Bytes, Count, StorageClass, Time};

use crate::{GIB, usd};

const BUILTIN: &str = include_str!("../../data/aws.toml");

/// The error of a built-in table with one text replaced.
fn broken(from: &str, to: &str) -> (usize, String, String) {
    assert!(BUILTIN.contains(from), "{from}");
    match PriceTable::parse(&BUILTIN.replacen(from, to, 1)) {
        Err(PriceError::Table { line, key, problem }) => (line, key, problem),
        other => panic!("{from} → {to}: {other:?}"),
    }
}

/// The line, counted from 1, on which a text stands first.
fn line_of(text: &str) -> usize {
    1 + BUILTIN.lines().position(|line| line.starts_with(text)).unwrap()
}

#[test]
fn the_builtin_table_reads_the_same_as_a_file() {
    let table = PriceTable::parse(BUILTIN).unwrap();
    assert_eq!(table, PriceTable::builtin());
    assert_eq!(table.regions().collect::<Vec<_>>(), ["eu-central-1", "eu-west-1", "us-east-1"]);
    for region in table.regions() {
        let prices = table.region(region).unwrap();
        for class in StorageClass::KNOWN {
            assert!(prices.class(&class).unwrap().storage.usd() > 0.0, "{region} {class}");
        }
    }
}

#[test]
fn the_age_counts_from_the_day_of_the_table() {
    let table = PriceTable::builtin();
    assert_eq!(table.as_of().to_string(), "2026-11-22T00:00:00Z");
    let later = table.as_of().plus(Duration::from_secs(86_400 * 30));
    assert_eq!(table.age(later), Duration::from_secs(86_400 * 30));
    assert_eq!(table.age(Time(0)), Duration::ZERO);
}

/// Every figure has a source, by a name that is explained; what none confirms is listed.
#[test]
fn every_figure_names_its_source() {
    let document: toml::Table = BUILTIN.parse().unwrap();
    let sources = document["sources"].as_table().unwrap();
    let table = PriceTable::builtin();
    let (mut section, mut figures) = (String::new(), 0);
    for line in BUILTIN.lines() {
        if let Some(header) = line.strip_prefix("[regions.") {
            section = header.trim_end_matches(']').to_string();
        }
        let Some((key, rest)) = line.split_once(" = ").filter(|_| !section.is_empty()) else { continue };
        if key == "name" || key == "unconfirmed" {
            continue;
        }
        figures += 1;
        let (_, names) = rest.split_once(" # ").unwrap_or_else(|| panic!("no source: {section}: {line}"));
        let first = names.split([',', ':', ' ']).next().unwrap();
        let explanation = sources.get(first).unwrap_or_else(|| panic!("{first} is not in [sources]")).as_str().unwrap();
        let (region, below) = section.split_once('.').unwrap();
        let full = format!("{below}.{key}");
        let listed = table.region(region).unwrap().unconfirmed().iter().any(|name| full.starts_with(name.as_str()));
        if explanation.starts_with("no source") || first == "share" {
            assert!(listed, "{region}: {full} is not listed as unconfirmed");
        }
    }
    assert!(figures > 150, "{figures}");
}

#[test]
fn an_unknown_region_names_the_known_ones() {
    let error = PriceTable::builtin().region("mars-north-1").unwrap_err().to_string();
    assert!(error.contains("`mars-north-1`") && error.contains("eu-central-1, eu-west-1, us-east-1"), "{error}");
    assert!(error.contains("`prices` of [budget]"), "{error}");
}

#[test]
fn an_unknown_class_has_no_price_until_one_is_given() {
    let class = StorageClass::from_name("EXPRESS_ONEZONE");
    let error = crate::virginia().storage(&class, None, Count(1), Bytes(GIB)).unwrap_err().to_string();
    assert!(error.contains("`EXPRESS_ONEZONE`") && error.contains("`prices` of [budget]"), "{error}");
    assert!(crate::virginia().put(&class, Count(0)).is_err(), "not even for nothing");
    let file = "version = 1\nas_of = 2026-12-01\n[regions.us-east-1]\nlike = \"us-east-1\"\n\
                [regions.us-east-1.classes.EXPRESS_ONEZONE]\nstorage = 0.11\nput = 0.00113\nget = 0.00003\nread = 0.0006\n";
    let prices = PriceTable::parse(file).unwrap().region("us-east-1").unwrap();
    assert_eq!(usd(&prices.storage(&class, None, Count(1), Bytes(10 * GIB)).unwrap()), 1.1);
    assert_eq!(usd(&prices.read(&class, Bytes(1000 * GIB)).unwrap()), 0.6);
    assert_eq!(prices.as_of().to_string(), "2026-12-01T00:00:00Z");
    // The rest, and what is known of its sources, is that of the model.
    let model = crate::virginia();
    assert_eq!(prices.class(&StorageClass::Glacier).unwrap(), model.class(&StorageClass::Glacier).unwrap());
    assert_eq!(prices.unconfirmed(), model.unconfirmed());
}

#[test]
fn a_price_given_by_the_user_is_no_longer_unconfirmed() {
    let file = "version = 1\nas_of = 2026-12-01\n[regions.mine]\nlike = \"eu-central-1\"\n\
                [regions.mine.classes.DEEP_ARCHIVE]\nstorage = 0.0018\nput = 0.06\nget = 0.00043\ntransition = 0.06\n\
                restore = { standard = 0.12, bulk = 0.03 }\nretrieve = { standard = 0.024, bulk = 0.005 }\n";
    let prices = PriceTable::parse(file).unwrap().region("mine").unwrap();
    let marked = |class| prices.put(&class, Count(1)).unwrap()[0].unconfirmed;
    assert!(!marked(StorageClass::DeepArchive) && marked(StorageClass::Glacier));
    assert!(!prices.unconfirmed().iter().any(|key| key.contains("DEEP_ARCHIVE")));
}

#[test]
fn errors_name_line_and_key() {
    let (line, key, problem) = broken("storage = 0.00099", "storage = -0.00099");
    assert_eq!((line, &key[..]), (line_of("storage = 0.00099"), "regions.us-east-1.classes.DEEP_ARCHIVE.storage"));
    assert!(problem.contains("-0.00099 is no price"), "{problem}");
    let (line, key, _) = broken("usd = 0.085", "usd = nan");
    assert_eq!((line, &key[..]), (line_of("steps = [{"), "regions.us-east-1.transfer.steps.usd"));
    let (line, key, problem) = broken("monitoring = 0.0025", "monitorring = 0.0025");
    assert_eq!((line, &key[..]), (line_of("monitoring"), "regions.us-east-1.intelligent_tiering.monitorring"));
    assert!(problem.contains("monitoring"), "{problem}");
    let (line, key, problem) = broken("per_million = 1.00", "per_million = \"one\"");
    assert_eq!((line, &key[..]), (line_of("per_million"), "regions.us-east-1.batch.per_million"));
    assert!(problem.contains("string"), "{problem}");
    let (line, key, problem) = broken("job = 0.25", "");
    assert_eq!((line, &key[..]), (line_of("[regions.us-east-1.batch]"), "regions.us-east-1.batch"));
    assert!(problem.contains("job"), "{problem}");
    let (line, _, _) = broken("upload = 0.03", "upload 0.03");
    assert_eq!(line, line_of("upload"));
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let cases = [
        ("version = 1", "version = 2", "version", "version 1"),
        ("as_of = 2026-11-22", "as_of = 10:00:00", "as_of", "no day"),
        ("over_gb = 512000", "over_gb = 51200", "regions.us-east-1.classes.STANDARD", "rise"),
        ("over_gb = 10240", "over_gb = 0", "regions.us-east-1.transfer", "rise"),
        ("gb_bytes = 1073741824", "gb_bytes = 1024", "regions.us-east-1.transfer", "gb_bytes"),
        ("restore.bulk = 0 # api\n", "", "regions.us-east-1.classes.GLACIER", "tier bulk"),
        ("read = 0.03 # calculator\n", "", "regions.us-east-1.classes.GLACIER_IR", "read"),
        ("transition = 0.01 # infracost\n", "", "regions.us-east-1.classes.STANDARD_IA", "transition"),
        ("\"vault.retrieve.bulk\"", "\"vault.retrieve.soon\"", "regions.us-east-1", "vault.retrieve.soon"),
        ("storage = 0.023", "storage = 1e9", "regions.us-east-1.classes.STANDARD.storage", "no price"),
        ("storage = 0.023", "storage = inf", "regions.us-east-1.classes.STANDARD.storage", "no price"),
    ];
    for (from, to, key, says) in cases {
        let (line, at, problem) = broken(from, to);
        assert!(at.starts_with(key) && problem.contains(says) && line > 0, "{from} → {to}: {line} {at}: {problem}");
    }
}

#[test]
fn a_region_is_complete_or_like_one_that_is() {
    let file = |region: &str| format!("version = 1\nas_of = 2026-12-01\n\n[regions.r]\n{region}");
    let error = |region: &str| PriceTable::parse(&file(region)).unwrap_err().to_string();
    let message = error("name = \"R\"");
    assert!(message.contains("line 4, `regions.r`") && message.contains("classes.STANDARD"), "{message}");
    let message = error("like = \"atlantis\"");
    assert!(message.contains("line 5, `regions.r.like`") && message.contains("us-east-1"), "{message}");
    let message = error("like = \"us-east-1\"\n[regions.r.classes.X]\nstorage = 1\nput = 1\nget = 1");
    assert!(message.contains("line 6, `regions.r.classes.X`") && message.contains("`read`"), "{message}");
    let table = PriceTable::parse(&file("like = \"us-east-1\"")).unwrap();
    assert_eq!(table.regions().collect::<Vec<_>>(), ["r"]);
    assert_eq!(table.region("r").unwrap().name(), "US East (N. Virginia)");
    assert!(table.region("us-east-1").is_err(), "the file alone says what is known");
    assert!(PriceTable::parse("").unwrap_err().to_string().contains("version"));
}

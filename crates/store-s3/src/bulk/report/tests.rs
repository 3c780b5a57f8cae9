//! Reports whole, broken and odd.

use super::*;

const INDEX: &str = r#"{"Format":"Report_CSV_20180820","ReportCreationDate":"2026-11-22T07:00:00.000Z",
    "Results":[{"TaskExecutionStatus":"succeeded","Bucket":"papers","MD5Checksum":"x","Key":"batch/t/job-1/results/a.csv"}],
    "ReportSchema":"Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"}"#;

fn names(all: &[&str]) -> Vec<ObjectName> {
    all.iter().map(|n| ObjectName::new(*n).unwrap()).collect()
}

fn outcomes(csv: &str, asked: &[&str]) -> (Vec<BulkOutcome>, u64) {
    let rows = Index::read(INDEX).unwrap().rows(csv).unwrap();
    let (outcomes, unasked) = reconcile("photos", "nas/", &names(asked), &rows);
    (outcomes.into_iter().map(|(_, outcome)| outcome).collect(), unasked.rows)
}

#[test]
fn each_object_gets_what_its_row_says() {
    let csv = "photos,nas/a,,succeeded,,200,Successful\n\
               \"photos\",\"nas/b\",\"\",\"failed\",\"409\",\"RestoreAlreadyInProgress\",\"in progress\"\r\n\
               photos,nas/c,,failed,InvalidObjectState,403,\"not archived, so nothing\"\n\
               photos,nas/d,,failed,404,NoSuchKey,\n\
               photos,nas/e,,failed,403,AccessDenied,\"he said \"\"no\"\"\"\n\
               photos,nas/unasked,,succeeded,,200,\n\
               others,nas/a,,failed,X,500,";
    let (outcomes, unasked) = outcomes(csv, &["a", "b", "c", "d", "e", "f"]);
    let failed = BulkOutcome::Failed { code: "AccessDenied".into(), message: "he said \"no\"".into() };
    assert_eq!(
        outcomes,
        [
            BulkOutcome::Done,
            BulkOutcome::InProgress,
            BulkOutcome::NotCold,
            BulkOutcome::Missing,
            failed,
            BulkOutcome::Unreported
        ]
    );
    assert_eq!(unasked, 2);
}

#[test]
fn a_task_that_went_well_once_is_done() {
    let well = "photos,nas/a,,succeeded,,200,Successful\n";
    let ill = "photos,nas/a,,failed,InternalError,500,\n";
    for csv in [format!("{well}{ill}"), format!("{ill}{well}")] {
        assert_eq!(outcomes(&csv, &["a"]).0, [BulkOutcome::Done]);
    }
}

#[test]
fn encoded_keys_are_understood() {
    assert_eq!(outcomes("photos,nas%2Fpacks%2Fa,,succeeded,,200,\n", &["packs/a"]).0, [BulkOutcome::Done]);
}

#[test]
fn checksums_are_read_in_either_form() {
    let value = 0xae8b_1486_0a79_9888;
    for json in [
        r#"{"checksum_base64":"rosUhgp5mIg\u003d","etag":"x","checksumAlgorithm":"CRC64NVME","checksumType":"FULL_OBJECT"}"#,
        r#"{"checksumBase64":"rosUhgp5mIg=","checksum_algorithm":"CRC64NVME"}"#,
        r#"{"checksum_hex":"AE8B14860A799888"}"#,
        r#"{"ChecksumCRC64NVME":"rosUhgp5mIg="}"#,
    ] {
        assert_eq!(checksum(json), Some(value), "{json}");
    }
    for json in [
        "",
        "Successful",
        "{}",
        "[]",
        r#"{"checksum_base64":"rosUhgp5mIg=","checksumAlgorithm":"SHA256"}"#,
        r#"{"checksum_base64":"AAAA"}"#,
        r#"{"checksum_hex":"ae8b"}"#,
        r#"{"checksum_hex":7}"#,
    ] {
        assert_eq!(checksum(json), None, "{json}");
    }
    let csv = "photos,nas/a,,succeeded,,200,\"{\"\"checksum_base64\"\":\"\"rosUhgp5mIg=\"\"}\"\n";
    assert_eq!(outcomes(csv, &["a"]).0, [BulkOutcome::Checksum(value)]);
}

#[test]
fn broken_reports_are_errors_not_outcomes() {
    for index in ["", "{}", "[]", r#"{"Format":"Report_CSV_2030","Results":[],"ReportSchema":""}"#] {
        assert!(Index::read(index).is_err(), "{index}");
    }
    let index = Index::read(INDEX).unwrap();
    assert_eq!(index.parts()[0].key, "batch/t/job-1/results/a.csv");
    assert!(index.rows("photos,nas/a\n").is_err());
    assert!(index.rows("photos,\"nas/a").is_err());
    assert!(index.rows("").unwrap().is_empty() && index.rows("\n\r\n").unwrap().is_empty());
    let narrow = INDEX.replace("TaskStatus", "Other");
    assert!(Index::read(&narrow).unwrap().rows("a,b,c,d").is_err());
}

//! Jobs, inventories, notifications, limits, and what all of it costs.

use darkslide_coldsim::{Bill, Fault, FaultKind};
use darkslide_words::Money;
use serde_json::{Value, json};

use crate::client::{DAY, HOUR};
use crate::glacier::{MIB, Vaults, body, code, sample, tree_hash};

const MINUTE: u64 = 60;

#[test]
fn a_job_takes_the_time_of_its_tier() {
    for (tier, least, most) in [("Expedited", 1, 5), ("Standard", 180, 300), ("Bulk", 300, 720)] {
        let vaults = Vaults::new();
        let id = vaults.upload("one", b"photograph");
        let job = vaults.retrieve(&id, tier);
        let early = vaults.output(&job, None);
        assert_eq!((early.status, code(&early).as_str()), (400, "InvalidParameterValueException"));
        vaults.bench.advance(least * MINUTE - 1);
        let found = vaults.describe(&job);
        assert_eq!((&found["Completed"], &found["StatusCode"]), (&json!(false), &json!("InProgress")), "{tier}");
        vaults.bench.advance((most - least) * MINUTE + 1);
        let found = vaults.describe(&job);
        assert_eq!((&found["Tier"], &found["StatusCode"]), (&json!(tier), &json!("Succeeded")));
        let output = vaults.output(&job, None);
        assert_eq!((output.status, output.body.as_slice()), (200, &b"photograph"[..]));
        // A day later it is forgotten.
        vaults.bench.advance(DAY);
        assert_eq!(vaults.output(&job, None).status, 404);
        assert_eq!(vaults.call("GET", &format!("/-/vaults/photos/jobs/{job}"), "").status, 404);
    }
}

#[test]
fn a_range_lies_on_mebibytes_and_has_a_hash_where_it_is_a_subtree() {
    let vaults = Vaults::new();
    let bytes = sample(5 * MIB + 7);
    let id = vaults.upload("one", &bytes);
    let ask = |range: &str| json!({ "Type": "archive-retrieval", "ArchiveId": id, "RetrievalByteRange": range });
    for bad in ["1-1048575", "0-1048574", "0-99999999", "2097152-1048575", "nonsense"] {
        assert_eq!(code(&vaults.try_job(&ask(bad))), "InvalidParameterValueException", "{bad}");
    }
    let aligned = vaults.job(&ask("2097152-4194303"));
    let uneven = vaults.job(&ask("1048576-3145727"));
    let tail = vaults.job(&ask(&format!("4194304-{}", bytes.len() - 1)));
    let hash = tree_hash(&bytes[2 * MIB..4 * MIB]);
    assert_eq!(vaults.describe(&aligned)["SHA256TreeHash"], hash, "a range's hash is told at once");
    vaults.bench.advance(5 * HOUR);
    let found = vaults.output(&aligned, None);
    assert_eq!((found.status, found.header("x-amz-sha256-tree-hash")), (200, Some(hash.as_str())));
    assert_eq!(found.body, bytes[2 * MIB..4 * MIB]);
    // Of the output a part: the second MiB has a hash of its own, the middle none.
    let part = vaults.output(&aligned, Some("bytes=1048576-2097151"));
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 1048576-2097151/2097152")));
    let second = tree_hash(&bytes[3 * MIB..4 * MIB]);
    assert_eq!(part.header("x-amz-sha256-tree-hash"), Some(second.as_str()));
    let part = vaults.output(&aligned, Some("bytes=5-9"));
    assert_eq!(
        (part.body.as_slice(), part.header("x-amz-sha256-tree-hash")),
        (&bytes[2 * MIB + 5..2 * MIB + 10], None)
    );
    let found = vaults.describe(&uneven);
    assert_eq!((&found["SHA256TreeHash"], &found["ArchiveSHA256TreeHash"]), (&json!(null), &json!(tree_hash(&bytes))));
    let found = vaults.output(&uneven, None);
    assert_eq!((found.body == bytes[MIB..3 * MIB], found.header("x-amz-sha256-tree-hash")), (true, None));
    let part = vaults.output(&uneven, Some("bytes=0-1048575"));
    assert_eq!(part.header("x-amz-sha256-tree-hash"), None, "the job's range has no hash, so no part of it has");
    let last = tree_hash(&bytes[4 * MIB..]);
    assert_eq!(vaults.output(&tail, None).header("x-amz-sha256-tree-hash"), Some(last.as_str()));
    assert_eq!(code(&vaults.output(&tail, Some("bytes=9999999-"))), "InvalidParameterValueException");
}

#[test]
fn a_whole_archive_has_its_hash_when_the_job_is_done() {
    let vaults = Vaults::new();
    let bytes = sample(3 * MIB);
    let id = vaults.upload("one", &bytes);
    let job = vaults.job(&json!({ "Type": "archive-retrieval", "ArchiveId": id, "Description": "why" }));
    let found = vaults.describe(&job);
    assert_eq!((&found["Action"], &found["RetrievalByteRange"]), (&json!("ArchiveRetrieval"), &json!("0-3145727")));
    assert_eq!((&found["SHA256TreeHash"], &found["Tier"]), (&json!(null), &json!("Standard")));
    assert_eq!((&found["JobDescription"], &found["CompletionDate"]), (&json!("why"), &json!(null)));
    vaults.bench.advance(5 * HOUR);
    assert_eq!(vaults.describe(&job)["SHA256TreeHash"], tree_hash(&bytes));
}

#[test]
fn an_archive_that_is_deleted_meanwhile_fails_its_job_but_not_its_output() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    let (early, late) = (vaults.retrieve(&id, "Expedited"), vaults.retrieve(&id, "Standard"));
    vaults.bench.advance(5 * MINUTE);
    assert_eq!(vaults.delete(&id).status, 204);
    vaults.bench.advance(5 * HOUR);
    assert_eq!(vaults.output(&early, None).body, b"photograph");
    assert_eq!(vaults.describe(&late)["StatusCode"], "Failed");
    assert_eq!(code(&vaults.output(&late, None)), "InvalidParameterValueException");
}

#[test]
fn jobs_are_listed_by_state_in_the_order_they_were_asked_for() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    let mut asked = Vec::new();
    for tier in ["Bulk", "Expedited", "Standard"] {
        asked.push(vaults.retrieve(&id, tier));
        vaults.bench.advance(1);
    }
    let list = |query: &str| -> Vec<Value> {
        let found = vaults.get(&format!("/-/vaults/photos/jobs{query}"));
        found["JobList"].as_array().unwrap().iter().map(|job| job["JobId"].clone()).collect()
    };
    assert_eq!(list(""), asked);
    vaults.bench.advance(5 * MINUTE);
    assert_eq!(list("?completed=true"), asked[1..2]);
    assert_eq!(list("?statuscode=InProgress"), [asked[0].as_str(), asked[2].as_str()]);
    assert_eq!(list("?statuscode=Failed"), [""; 0]);
    let page = vaults.get("/-/vaults/photos/jobs?limit=2");
    assert_eq!(page["Marker"], asked[2].as_str());
    assert_eq!(list(&format!("?limit=2&marker={}", asked[2])), asked[2..]);
    let bad = vaults.call("GET", "/-/vaults/photos/jobs?statuscode=finished", "");
    assert_eq!(body(&bad)["message"], "The job status code is not valid: finished");
}

#[test]
fn an_inventory_is_a_day_old_at_most_and_never_fresh() {
    let vaults = Vaults::new();
    let first = vaults.upload("first", &sample(MIB + 1));
    let none = vaults.try_job(&json!({ "Type": "inventory-retrieval" }));
    assert_eq!((none.status, code(&none).as_str()), (404, "ResourceNotFoundException"));
    vaults.bench.advance(12 * HOUR - 1);
    assert_eq!(vaults.get("/-/vaults/photos")["LastInventoryDate"], json!(null), "half a day at least");
    vaults.bench.advance(12 * HOUR + 1);
    let found = vaults.get("/-/vaults/photos");
    assert_eq!(found["SizeInBytes"], MIB + 1 + 32 * 1024);
    let second = vaults.upload("second, \"quoted\" \\", b"x");
    let listed = vaults.inventory();
    assert_eq!(listed["InventoryDate"], found["LastInventoryDate"]);
    let item = &listed["ArchiveList"][0];
    assert_eq!((&item["ArchiveId"], &item["ArchiveDescription"]), (&json!(first), &json!("first")));
    assert_eq!((&item["Size"], &item["SHA256TreeHash"]), (&json!(MIB + 1), &json!(tree_hash(&sample(MIB + 1)))));
    assert_eq!(
        (listed["ArchiveList"].as_array().unwrap().len(), &item["CreationDate"]),
        (1, &json!("2026-01-15T12:00:00.000Z"))
    );
    vaults.bench.advance(DAY);
    let then = vaults.get("/-/vaults/photos")["LastInventoryDate"].clone();
    assert_ne!(then, found["LastInventoryDate"]);
    let csv = vaults.job(&json!({ "Type": "inventory-retrieval", "Format": "CSV" }));
    vaults.bench.advance(5 * HOUR);
    let output = vaults.output(&csv, None);
    assert_eq!(output.header("content-type"), Some("text/csv"));
    assert_eq!(output.text().lines().next(), Some("ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"));
    let row = output.text().lines().nth(2).unwrap().to_string();
    assert!(row.starts_with(&format!("{second},\"second, \\\"quoted\\\" \\\",")), "{row}");
    assert_eq!(vaults.describe(&csv)["InventorySizeInBytes"], output.body.len());
    vaults.bench.advance(3 * DAY);
    assert_eq!(vaults.get("/-/vaults/photos")["LastInventoryDate"], then, "nothing changed, nothing new");
}

#[test]
fn an_inventory_can_be_taken_in_parts() {
    let vaults = Vaults::new();
    for n in 0..5 {
        vaults.upload(&format!("n{n}"), b"x");
        vaults.bench.advance(HOUR);
    }
    vaults.bench.advance(DAY);
    let ask = |range: Value| json!({ "Type": "inventory-retrieval", "InventoryRetrievalParameters": range });
    let listed = |job: &str| -> Vec<Value> {
        let found = body(&vaults.output(job, None));
        found["ArchiveList"].as_array().unwrap().iter().map(|item| item["ArchiveDescription"].clone()).collect()
    };
    let dated =
        vaults.job(&ask(json!({ "StartDate": "2026-01-15T13:00:00Z", "EndDate": "2026-01-15T17:00:00+01:00" })));
    let first = vaults.job(&ask(json!({ "Limit": "2" })));
    assert_eq!(code(&vaults.try_job(&ask(json!({ "Limit": "0" })))), "InvalidParameterValueException");
    assert_eq!(code(&vaults.try_job(&ask(json!({ "StartDate": "yesterday" })))), "InvalidParameterValueException");
    vaults.bench.advance(5 * HOUR);
    assert_eq!(listed(&dated), ["n1", "n2", "n3"]);
    assert_eq!(listed(&first), ["n0", "n1"]);
    let told = vaults.describe(&first)["InventoryRetrievalParameters"].clone();
    assert_eq!((&told["Limit"], &told["Format"]), (&json!("2"), &json!("JSON")));
    let second = vaults.job(&ask(json!({ "Limit": "3", "Marker": told["Marker"] })));
    vaults.bench.advance(5 * HOUR);
    assert_eq!(listed(&second), ["n2", "n3", "n4"]);
    assert_eq!(vaults.describe(&second)["InventoryRetrievalParameters"]["Marker"], json!(null));
}

#[test]
fn the_end_of_a_job_is_told_to_its_topic_and_to_the_vaults() {
    let vaults = Vaults::new();
    vaults.bench.sim.create_queue("told");
    let topic = "arn:aws:sns:us-east-1:123456789012:told";
    let path = "/-/vaults/photos/notification-configuration";
    assert_eq!(vaults.call("GET", path, "").status, 404);
    let wrong = json!({ "SNSTopic": topic, "Events": ["Everything"] });
    assert_eq!(code(&vaults.json("PUT", path, &wrong)), "InvalidParameterValueException");
    let wanted = json!({ "SNSTopic": topic, "Events": ["ArchiveRetrievalCompleted"] });
    assert_eq!(vaults.json("PUT", path, &wanted).status, 204);
    assert_eq!(vaults.get(path), wanted);
    let id = vaults.upload("one", b"photograph");
    vaults.bench.advance(DAY);
    let quiet = vaults.job(&json!({ "Type": "inventory-retrieval" }));
    let once = vaults.retrieve(&id, "Standard");
    let twice = vaults.job(&json!({ "Type": "archive-retrieval", "ArchiveId": id, "SNSTopic": topic }));
    assert!(vaults.bench.sim.take_messages("told").is_empty(), "not before the end");
    vaults.bench.advance(5 * HOUR);
    let told: Vec<Value> =
        vaults.bench.sim.take_messages("told").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let jobs = |id: &str| {
        let inner = |message: &&Value| -> Value { serde_json::from_str(message["Message"].as_str().unwrap()).unwrap() };
        told.iter().filter(|message| inner(message)["JobId"] == id).count()
    };
    assert_eq!((jobs(&quiet), jobs(&once), jobs(&twice)), (0, 1, 2));
    let message: Value = serde_json::from_str(told[0]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message, vaults.describe(message["JobId"].as_str().unwrap()));
    assert_eq!(vaults.call("DELETE", path, "").status, 204);
    assert_eq!(vaults.call("GET", path, "").status, 404);
}

#[test]
fn a_retrieval_policy_limits_standard_retrievals_only() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", &sample(4 * MIB));
    let path = "/-/policies/data-retrieval";
    let rule = |rule: Value| json!({ "Policy": { "Rules": [rule] } });
    assert_eq!(vaults.get(path)["Policy"]["Rules"][0]["Strategy"], "None");
    let limit = rule(json!({ "Strategy": "BytesPerHour", "BytesPerHour": 2 * MIB }));
    assert_eq!(vaults.json("PUT", path, &limit).status, 204);
    assert_eq!(vaults.get(path), limit);
    // 4 MiB in four hours are 1 MiB an hour.
    vaults.retrieve(&id, "Standard");
    vaults.retrieve(&id, "Standard");
    let third = json!({ "Type": "archive-retrieval", "ArchiveId": id });
    let refused = vaults.try_job(&third);
    assert_eq!((refused.status, code(&refused).as_str()), (400, "PolicyEnforcedException"));
    vaults.retrieve(&id, "Bulk");
    vaults.bench.advance(5 * HOUR);
    vaults.job(&third);
    for bad in [
        json!({ "Strategy": "BytesPerHour" }),
        json!({ "Strategy": "Fast" }),
        json!({ "Strategy": "FreeTier", "BytesPerHour": 5 }),
    ] {
        assert_eq!(code(&vaults.json("PUT", path, &rule(bad.clone()))), "InvalidParameterValueException", "{bad}");
    }
    assert_eq!(
        code(&vaults.json("PUT", path, &json!({ "Policy": { "Rules": [] } }))),
        "InvalidParameterValueException"
    );
    assert_eq!(vaults.json("PUT", path, &rule(json!({ "Strategy": "FreeTier" }))).status, 204);
    // A day's share of 10 GB lets these few through.
    vaults.job(&third);
    assert_eq!(vaults.json("PUT", path, &rule(json!({ "Strategy": "None" }))).status, 204);
    vaults.job(&third);
}

#[test]
fn bought_capacity_is_there_when_others_find_none() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    vaults.bench.sim.fault(Fault::new(FaultKind::NoExpeditedCapacity).on("InitiateJob").times(100));
    let wanted = json!({ "Type": "archive-retrieval", "ArchiveId": id, "Tier": "Expedited" });
    assert_eq!(code(&vaults.try_job(&wanted)), "InsufficientCapacityException");
    vaults.retrieve(&id, "Standard");
    let bought = vaults.call("POST", "/-/provisioned-capacity", "");
    assert_eq!(bought.status, 201);
    let listed = vaults.get("/-/provisioned-capacity")["ProvisionedCapacityList"].clone();
    assert_eq!(listed[0]["CapacityId"], bought.header("x-amz-capacity-id").unwrap());
    assert_eq!(listed[0]["ExpirationDate"], "2026-02-15T12:00:00.000Z");
    for _ in 0..3 {
        vaults.job(&wanted);
    }
    assert_eq!(code(&vaults.try_job(&wanted)), "InsufficientCapacityException", "three in five minutes");
    vaults.bench.advance(5 * MINUTE);
    vaults.job(&wanted);
    assert_eq!(vaults.call("POST", "/-/provisioned-capacity", "").status, 201);
    assert_eq!(code(&vaults.call("POST", "/-/provisioned-capacity", "")), "LimitExceededException");
    vaults.bench.advance(31 * DAY);
    assert_eq!(vaults.get("/-/provisioned-capacity")["ProvisionedCapacityList"], json!([]));
    assert_eq!(code(&vaults.try_job(&wanted)), "InsufficientCapacityException", "the month is over");
}

fn quantity(bill: &Bill, what: &str) -> f64 {
    bill.lines.iter().filter(|line| line.what == what).map(|line| line.quantity).sum()
}

#[test]
fn what_is_done_with_a_vault_is_on_the_bill() {
    let vaults = Vaults::new();
    vaults.bench.sim.reset_bill();
    let id = vaults.upload("one", &sample(4 * MIB));
    for (tier, request, bytes) in
        [("bulk", 25_000, 2_500_000), ("standard", 30_000, 10_000_000), ("expedited", 10_000_000, 30_000_000_i64)]
    {
        let range = json!({ "Type": "archive-retrieval", "ArchiveId": id, "RetrievalByteRange": "0-2097151",
            "Tier": format!("{}{}", tier[..1].to_uppercase(), &tier[1..]) });
        vaults.job(&range);
        let bill = vaults.bench.sim.bill();
        assert_eq!(bill.amount_of(&format!("vault retrieval requests, {tier}")), Money(request));
        assert_eq!(
            bill.amount_of(&format!("vault retrieval, {tier}")),
            Money((bytes + 256) / 512),
            "2 MiB are 1/512 GB"
        );
    }
    vaults.bench.advance(12 * HOUR);
    let done = vaults.get("/-/vaults/photos/jobs")["JobList"][0]["JobId"].as_str().unwrap().to_string();
    vaults.bench.sim.reset_bill();
    vaults.output(&done, None);
    vaults.call("GET", "/-/vaults", "");
    let bill = vaults.bench.sim.bill();
    assert_eq!(quantity(&bill, "transfer out to the internet") * 512.0, 1.0);
    assert_eq!(bill.total, Money::ZERO, "to look and to download costs transfer only");
}

#[test]
fn an_archive_is_stored_with_its_overhead_and_for_ninety_days() {
    let (often, once) = (Vaults::new(), Vaults::new());
    for vaults in [&often, &once] {
        vaults.bench.sim.reset_bill();
        vaults.upload("one", &sample(MIB));
    }
    for _ in 0..31 {
        often.bench.advance(DAY);
        often.bench.sim.bill();
    }
    once.bench.advance(31 * DAY);
    let (a, b) = (often.bench.sim.bill(), once.bench.sim.bill());
    assert_eq!(quantity(&a, "vault upload requests"), 1.0);
    let stored = quantity(&b, "vault storage");
    assert!((stored - quantity(&a, "vault storage")).abs() < 1e-12);
    // 16.5 of January's 31 days, 14.5 of February's 28.
    let months = 16.5 / 31.0 + 14.5 / 28.0;
    let gb = (MIB + 32 * 1024) as f64 / f64::from(1 << 30);
    assert!((stored - gb * months).abs() < 1e-9, "{stored} {}", gb * months);
    let id = once.upload("two", &sample(MIB));
    once.bench.sim.reset_bill();
    once.bench.advance(30 * DAY);
    assert_eq!(once.delete(&id).status, 204);
    let bill = once.bench.sim.bill();
    let missing = quantity(&bill, "vault early deletion");
    assert!((missing - gb * 60.0 / 31.0).abs() < 1e-9, "60 days, in a month of 31: {missing}");
    once.bench.advance(60 * DAY);
    let before = once.bench.sim.bill();
    once.bench.advance(DAY);
    let after = once.bench.sim.bill();
    assert_eq!(quantity(&before, "vault early deletion"), quantity(&after, "vault early deletion"));
}

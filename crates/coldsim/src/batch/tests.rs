//! Jobs against a target that remembers what was asked of it.

use std::collections::BTreeMap;

use darkslide_words::Money;

use super::*;

const ACCOUNT: &str = "123456789012";
const START: Time = Time(1_790_000_000_000_000_000);

/// Buckets `lists` and `reports`; restores fail for keys that begin with `bad`.
#[derive(Default)]
struct Target {
    objects: BTreeMap<(String, String), Vec<u8>>,
    restored: Vec<(String, Option<String>, Tier, Option<u32>)>,
}

impl BatchTarget for Target {
    fn read_object(&mut self, bucket: &str, key: &str, _version: Option<&str>) -> Option<(Vec<u8>, String)> {
        let body = self.objects.get(&(bucket.to_string(), key.to_string()))?.clone();
        let etag = hex::encode(Md5::digest(&body));
        Some((body, etag))
    }

    fn write_object(&mut self, bucket: &str, key: &str, body: Vec<u8>) -> bool {
        bucket == "reports" && self.objects.insert((bucket.to_string(), key.to_string()), body).is_none()
    }

    fn restore(
        &mut self,
        _bucket: &str,
        key: &str,
        version: Option<&str>,
        tier: Tier,
        days: Option<u32>,
    ) -> Result<(), TaskError> {
        self.restored.push((key.to_string(), version.map(str::to_string), tier, days));
        match key.starts_with("bad") {
            true => Err((409, "RestoreAlreadyInProgress".into(), "it \"is\", already".into())),
            false => Ok(()),
        }
    }

    fn checksum(
        &mut self,
        _bucket: &str,
        _key: &str,
        _version: Option<&str>,
        algorithm: &str,
    ) -> Result<ObjectChecksum, TaskError> {
        assert_eq!(algorithm, "CRC32");
        Ok(ObjectChecksum { base64: "bS9TOQ==".into(), etag: "3c3c1813042989094598e4b57ecbdc82".into() })
    }
}

/// Jobs, what they act on, the meter and the time.
struct World {
    jobs: Jobs,
    target: Target,
    meter: Meter,
    now: Time,
}

const RESTORE: &str = "<S3InitiateRestoreObject><ExpirationInDays>7</ExpirationInDays>\
                       <GlacierJobTier>BULK</GlacierJobTier></S3InitiateRestoreObject>";

impl World {
    /// With a manifest `lists/list.csv`.
    fn new(manifest: &str) -> Self {
        let mut target = Target::default();
        target.objects.insert(("lists".into(), "list.csv".into()), manifest.into());
        Self { jobs: Jobs::new("eu-west-1"), target, meter: Meter::new("eu-west-1"), now: START }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.jobs.tick(self.now, &mut self.target, &mut self.meter);
    }

    fn call(&mut self, method: &str, path: &str, query: &str, body: &str) -> (u16, xml::Element) {
        let call = Call { method, path, query, body: body.as_bytes(), account: ACCOUNT };
        let (status, body) = self.jobs.handle(&call, self.now, &mut self.target, &mut self.meter);
        (status, xml::Element::parse(body.as_bytes()).unwrap())
    }

    fn request(&self, token: &str, fields: &str, operation: &str, more: &str) -> String {
        let list = &self.target.objects[&("lists".to_string(), "list.csv".to_string())];
        let fields: String = fields.split(',').map(|field| format!("<member>{field}</member>")).collect();
        format!(
            "<CreateJobRequest xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">{more}\
             <ClientRequestToken>{token}</ClientRequestToken><Operation>{operation}</Operation>\
             <Manifest><Spec><Format>S3BatchOperations_CSV_20180820</Format><Fields>{fields}</Fields></Spec>\
             <Location><ETag>&quot;{}&quot;</ETag><ObjectArn>arn:aws:s3:::lists/list.csv</ObjectArn></Location></Manifest>\
             <Priority>10</Priority><Report><Bucket>arn:aws:s3:::reports</Bucket><Enabled>true</Enabled>\
             <Format>Report_CSV_20180820</Format><Prefix>thaws</Prefix><ReportScope>AllTasks</ReportScope></Report>\
             <RoleArn>arn:aws:iam::{ACCOUNT}:role/batch</RoleArn></CreateJobRequest>",
            hex::encode(Md5::digest(list))
        )
    }

    fn create(&mut self, token: &str, fields: &str, operation: &str, more: &str) -> String {
        let request = self.request(token, fields, operation, more);
        let (status, root) = self.call("POST", "/v20180820/jobs", "", &request);
        assert_eq!((status, root.name.as_str()), (200, "CreateJobResult"), "{root:?}");
        root.text_of("JobId").unwrap().to_string()
    }

    /// The code of the refusal of a changed request.
    fn refused(&mut self, change: impl Fn(String) -> String) -> (u16, String) {
        let request = change(self.request("refused", "Bucket,Key", RESTORE, ""));
        let (status, root) = self.call("POST", "/v20180820/jobs", "", &request);
        assert_eq!(root.name, "ErrorResponse");
        (status, root.child("Error").unwrap().text_of("Code").unwrap().to_string())
    }

    fn describe(&mut self, id: &str) -> xml::Element {
        let (status, root) = self.call("GET", &format!("/v20180820/jobs/{id}"), "", "");
        assert_eq!((status, root.name.as_str()), (200, "DescribeJobResult"));
        root.child("Job").unwrap().clone()
    }

    fn status(&mut self, id: &str) -> String {
        self.describe(id).text_of("Status").unwrap().to_string()
    }

    fn report(&self, id: &str, status: &str) -> String {
        let get = |key: &str| &self.target.objects[&("reports".to_string(), key.to_string())];
        let manifest: serde_json::Value =
            serde_json::from_slice(get(&format!("thaws/job-{id}/manifest.json"))).unwrap();
        assert_eq!(manifest["Format"], "Report_CSV_20180820");
        let results = manifest["Results"].as_array().unwrap();
        let result = results.iter().find(|result| result["TaskExecutionStatus"] == status).unwrap();
        let csv = get(result["Key"].as_str().unwrap());
        assert_eq!(result["MD5Checksum"], hex::encode(Md5::digest(csv)));
        String::from_utf8(csv.clone()).unwrap()
    }
}

#[test]
fn a_restore_job_from_creation_to_report() {
    let mut world =
        World::new("photos,2026/one%20two.age,v1\r\n\"photos\",bad%2Fa%2Cb.age,\r\nphotos,plus+space%2B,v3\n");
    let id = world.create("t1", "Bucket,Key,VersionId", RESTORE, "<Description>Thaw &lt;3&gt;</Description>");
    assert_eq!(world.status(&id), "New");
    world.wait(5);
    assert_eq!(world.status(&id), "Preparing");
    world.wait(60);
    assert_eq!(world.status(&id), "Ready");
    assert!(world.target.restored.is_empty());
    world.wait(120);
    assert_eq!(world.status(&id), "Active");
    let restored =
        |key: &str, version: Option<&str>| (key.to_string(), version.map(str::to_string), Tier::Bulk, Some(7));
    assert_eq!(
        world.target.restored,
        [restored("2026/one two.age", Some("v1")), restored("bad/a,b.age", None), restored("plus space+", Some("v3"))]
    );
    world.wait(1);
    let job = world.describe(&id);
    assert_eq!(job.text_of("Status"), Some("Complete"));
    assert_eq!(job.text_of("Description"), Some("Thaw <3>"));
    assert_eq!(job.text_of("CreationTime"), Some("2026-09-21T14:13:20.000Z"));
    assert_eq!(job.text_of("TerminationDate"), Some("2026-09-21T14:16:26.000Z"));
    assert_eq!(job.text_of("JobArn"), Some(format!("arn:aws:s3:eu-west-1:{ACCOUNT}:job/{id}").as_str()));
    let progress = job.child("ProgressSummary").unwrap();
    let numbers = ["TotalNumberOfTasks", "NumberOfTasksSucceeded", "NumberOfTasksFailed"];
    assert_eq!(numbers.map(|n| progress.text_of(n).unwrap()), ["3", "2", "1"]);
    let operation = job.child("Operation").unwrap().child("S3InitiateRestoreObject").unwrap();
    assert_eq!((operation.text_of("ExpirationInDays"), operation.text_of("GlacierJobTier")), (Some("7"), Some("BULK")));

    assert_eq!(
        world.report(&id, "succeeded"),
        "photos,2026/one%20two.age,v1,succeeded,200,,Successful\r\nphotos,plus%20space%2B,v3,succeeded,200,,Successful\r\n"
    );
    assert_eq!(
        world.report(&id, "failed"),
        "photos,bad/a%2Cb.age,,failed,409,RestoreAlreadyInProgress,\"it \"\"is\"\", already\"\r\n"
    );
    // 0.25 for the job, 0.000001 for each object.
    assert_eq!(world.meter.bill().total, Money(250_003_000));
    assert_eq!(world.jobs.next_due(), None);
    world.wait(3_600);
    assert_eq!(world.target.restored.len(), 3, "nothing is done twice");
}

#[test]
fn checksums_are_in_the_report() {
    let mut world = World::new("photos,a\n");
    let operation = "<S3ComputeObjectChecksum><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>\
                     <ChecksumType>FULL_OBJECT</ChecksumType></S3ComputeObjectChecksum>";
    let id = world.create("t", "Bucket,Key", operation, "");
    world.wait(600);
    assert_eq!(
        world.report(&id, "succeeded"),
        "photos,a,,succeeded,200,,\"{\"\"checksum_base64\"\":\"\"bS9TOQ\\u003d\\u003d\"\",\
         \"\"etag\"\":\"\"3c3c1813042989094598e4b57ecbdc82\"\",\"\"checksumAlgorithm\"\":\"\"CRC32\"\",\
         \"\"checksumType\"\":\"\"FULL_OBJECT\"\",\"\"checksum_hex\"\":\"\"6D2F5339\"\"}\"\r\n"
    );
    let columns = manifest::records(&world.report(&id, "succeeded"));
    let message: serde_json::Value = serde_json::from_str(&columns[0][6]).unwrap();
    assert_eq!(message["checksum_base64"], "bS9TOQ==");
}

#[test]
fn a_token_makes_one_job() {
    let mut world = World::new("photos,a\n");
    let id = world.create("same", "Bucket,Key", RESTORE, "");
    assert_eq!(world.create("same", "Bucket,Key", RESTORE, ""), id);
    let other = world.request("same", "Bucket,Key", &RESTORE.replace(">7<", ">8<"), "");
    let (status, root) = world.call("POST", "/v20180820/jobs", "", &other);
    assert_eq!((status, root.child("Error").unwrap().text_of("Code")), (400, Some("IdempotencyException")));
    assert_ne!(world.create("other", "Bucket,Key", RESTORE, ""), id);
    world.wait(600);
    assert_eq!(world.target.restored.len(), 2);
}

#[test]
fn a_job_waits_for_confirmation_or_is_cancelled() {
    let confirm = "<ConfirmationRequired>true</ConfirmationRequired>";
    let mut world = World::new("photos,a\n");
    let [first, second, third] = ["a", "b", "c"].map(|token| world.create(token, "Bucket,Key", RESTORE, confirm));
    world.wait(86_400);
    assert_eq!(world.status(&first), "Suspended");
    assert_eq!(world.describe(&first).text_of("SuspendedCause"), Some("AwaitingConfirmation"));
    let path = |id: &str| format!("/v20180820/jobs/{id}/status");
    let (status, root) = world.call("POST", &path(&first), "requestedJobStatus=Ready", "");
    assert_eq!((status, root.text_of("Status")), (200, Some("Ready")));
    let why = "requestedJobStatus=Cancelled&statusUpdateReason=too%20dear";
    let (_, root) = world.call("POST", &path(&second), why, "");
    assert_eq!((root.text_of("Status"), root.text_of("StatusUpdateReason")), (Some("Cancelled"), Some("too dear")));
    world.wait(600);
    assert_eq!((world.status(&first), world.status(&second)), ("Complete".into(), "Cancelled".into()));
    assert_eq!(world.target.restored.len(), 1);
    let (status, root) = world.call("POST", &path(&second), "requestedJobStatus=Ready", "");
    assert_eq!((status, root.child("Error").unwrap().text_of("Code")), (400, Some("JobStatusException")));
    assert_eq!(world.call("POST", &path(&first), "requestedJobStatus=Paused", "").0, 400);
    // Nobody confirms the third; a job that never ran costs nothing.
    world.wait(30 * 86_400);
    assert_eq!(world.status(&third), "Failed");
    assert_eq!(world.meter.bill().total, Money(250_001_000));
}

#[test]
fn cancelling_a_running_job_keeps_what_is_done() {
    let list: String = (0..2_500).map(|n| format!("photos,k{n}\n")).collect();
    let mut world = World::new(&list);
    let id = world.create("t", "Bucket,Key", RESTORE, "");
    world.wait(5 + 60 + 120 + 1);
    assert_eq!(world.target.restored.len(), 2_000, "a thousand a second");
    world.call("POST", &format!("/v20180820/jobs/{id}/status"), "requestedJobStatus=Cancelled", "");
    world.wait(3_600);
    let progress = world.describe(&id).child("ProgressSummary").unwrap().clone();
    assert_eq!(
        (progress.text_of("TotalNumberOfTasks"), progress.text_of("NumberOfTasksSucceeded")),
        (Some("2500"), Some("2000"))
    );
    assert_eq!(world.report(&id, "succeeded").lines().count(), 2_000);
    assert_eq!(world.meter.bill().total, Money(252_000_000));
}

#[test]
fn a_job_that_mostly_fails_gives_up() {
    let list: String = (0..5_000).map(|n| format!("photos,bad{n}\n")).collect();
    let mut world = World::new(&list);
    let id = world.create("t", "Bucket,Key", RESTORE, "");
    world.wait(600);
    let job = world.describe(&id);
    assert_eq!(job.text_of("Status"), Some("Failed"));
    let failure = job.child("FailureReasons").unwrap().child("member").unwrap();
    assert_eq!(failure.text_of("FailureCode"), Some("TooManyTaskFailures"));
    assert_eq!(world.target.restored.len(), 1_000);
}

#[test]
fn bad_manifests_and_reports_fail_the_job() {
    let failure = |world: &mut World, fields: &str| {
        let id = world.create("t", fields, RESTORE, "");
        world.wait(600);
        let job = world.describe(&id);
        assert_eq!(job.text_of("Status"), Some("Failed"));
        let failure = job.child("FailureReasons").unwrap().child("member").unwrap().clone();
        (failure.text_of("FailureCode").unwrap().to_string(), failure.text_of("FailureReason").unwrap().to_string())
    };
    let (code, reason) = failure(&mut World::new("photos,a\nphotos,b,v\n"), "Bucket,Key");
    assert_eq!((code.as_str(), reason.as_str()), ("InvalidManifestContent", "line 2: 3 columns, but the job names 2"));
    assert_eq!(failure(&mut World::new("photos,a%2\n"), "Bucket,Key").0, "InvalidManifestContent");
    assert_eq!(failure(&mut World::new("\n"), "Bucket,Key").0, "InvalidManifestContent");
    assert!(World::new("").target.restored.is_empty());

    let list = ("lists".to_string(), "list.csv".to_string());
    let mut world = World::new("photos,a\n");
    let id = world.create("t", "Bucket,Key", RESTORE, "");
    world.target.objects.insert(list.clone(), b"photos,b\n".to_vec());
    world.wait(600);
    assert!(format!("{:?}", world.describe(&id)).contains("ManifestETagMismatch"));
    assert!(world.target.restored.is_empty(), "another list than the one that was meant");
    let mut world = World::new("photos,a\n");
    let id = world.create("t", "Bucket,Key", RESTORE, "");
    world.target.objects.remove(&list);
    world.wait(600);
    assert!(format!("{:?}", world.describe(&id)).contains("ManifestNotFound"));

    let mut world = World::new("photos,a\n");
    let request = world.request("t", "Bucket,Key", RESTORE, "").replace(":::reports", ":::missing");
    let (_, root) = world.call("POST", "/v20180820/jobs", "", &request);
    world.wait(600);
    assert!(format!("{:?}", world.describe(root.text_of("JobId").unwrap())).contains("ReportNotWritten"));
}

#[test]
fn requests_that_cannot_be_meant() {
    let mut world = World::new("photos,a\n");
    let bad = (400, "BadRequestException".to_string());
    assert_eq!(world.refused(|r| r.replace("BULK", "EXPEDITED")), bad);
    assert_eq!(world.refused(|r| r.replace("BULK", "SLOW")), bad);
    assert_eq!(world.refused(|r| r.replace(">7<", ">0<")), bad);
    assert_eq!(world.refused(|r| r.replace("<member>Key</member>", "<member>Size</member>")), bad);
    assert_eq!(world.refused(|r| r.replace("<member>Key</member>", "")), bad);
    assert_eq!(world.refused(|r| r.replace("arn:aws:iam::123456789012", "arn:aws:iam::999999999999")), bad);
    assert_eq!(world.refused(|r| r.replace("<Priority>10</Priority>", "")), bad);
    assert_eq!(world.refused(|r| r.replace(":::lists/list.csv", ":::lists")), bad);
    assert_eq!(world.refused(|r| r.replace("Report_CSV_20180820", "CSV")), bad);
    let unknown = (501, "NotImplemented".to_string());
    assert_eq!(world.refused(|r| r.replace("S3InitiateRestoreObject", "S3DeleteObjectTagging")), unknown);
    let malformed = (400, "MalformedXML".to_string());
    assert_eq!(world.refused(|r| r[..100].to_string()), malformed);
    assert_eq!(world.refused(|r| r.replace("&quot;", "&nbsp;")), malformed);
    assert_eq!(world.refused(|_| "<a>".repeat(100)), malformed);
    let (status, root) = world.call("GET", "/v20180820/jobs/none", "", "");
    assert_eq!((status, root.child("Error").unwrap().text_of("Code")), (404, Some("NotFoundException")));
    assert_eq!(world.call("DELETE", "/v20180820/jobs/none", "", "").0, 501);
}

#[test]
fn lists_page_newest_first_and_forget_after_ninety_days() {
    let mut world = World::new("photos,a\n");
    let mut ids: Vec<String> =
        ["a", "b", "c"].iter().map(|token| world.create(token, "Bucket,Key", RESTORE, "")).collect();
    ids.reverse();
    let mut list = |query: &str| {
        let (_, root) = world.call("GET", "/v20180820/jobs", query, "");
        let jobs = &root.child("Jobs").unwrap().children;
        let ids: Vec<String> = jobs.iter().map(|job| job.text_of("JobId").unwrap().to_string()).collect();
        (ids, root.text_of("NextToken").map(str::to_string))
    };
    let (first, token) = list("maxResults=2");
    assert_eq!(first, ids[..2]);
    assert_eq!(list(&format!("maxResults=2&nextToken={}", token.unwrap())), (ids[2..].to_vec(), None));
    assert_eq!(list("jobStatuses=Complete&jobStatuses=Failed"), (vec![], None));
    assert_eq!(list("jobStatuses=New").0.len(), 3);
    assert_eq!(world.call("GET", "/v20180820/jobs", "maxResults=0", "").0, 400);
    assert_eq!(world.call("GET", "/v20180820/jobs", "nextToken=x", "").0, 400);
    world.wait(600);
    world.wait(89 * 86_400);
    assert_eq!(world.status(&ids[0]), "Complete");
    world.wait(2 * 86_400);
    assert_eq!(world.call("GET", &format!("/v20180820/jobs/{}", ids[0]), "", "").0, 404);
}

#[test]
fn of_jobs_that_are_due_at_once_the_higher_priority_goes_first() {
    let mut world = World::new("photos,a\n");
    world.create("low", "Bucket,Key", RESTORE, "");
    let high = world.request("high", "Bucket,Key", &RESTORE.replace("BULK", "STANDARD"), "");
    world.call("POST", "/v20180820/jobs", "", &high.replace(">10<", ">11<"));
    world.wait(600);
    let tiers: Vec<Tier> = world.target.restored.iter().map(|(_, _, tier, _)| *tier).collect();
    assert_eq!(tiers, [Tier::Standard, Tier::Bulk]);
}

#[test]
fn jobs_survive_json_in_the_middle() {
    let list: String = (0..1_500).map(|n| format!("photos,k{n}\n")).collect();
    let mut world = World::new(&list);
    let id = world.create("t", "Bucket,Key", RESTORE, "");
    world.wait(5 + 60 + 120);
    assert_eq!(world.target.restored.len(), 1_000);
    world.jobs = serde_json::from_str(&serde_json::to_string(&world.jobs).unwrap()).unwrap();
    world.wait(600);
    assert_eq!(world.status(&id), "Complete");
    assert_eq!(world.target.restored.len(), 1_500);
    assert_eq!(world.report(&id, "succeeded").lines().count(), 1_500);
}

#[test]
fn csv_as_the_standard_has_it() {
    let read = |text: &str| manifest::records(text);
    assert_eq!(read("a,b\r\nc,\"d,\"\"e\"\"\nf\"\n\n,"), [vec!["a", "b"], vec!["c", "d,\"e\"\nf"], vec!["", ""]]);
    assert_eq!(read("a"), [["a"]]);
    assert!(read("").is_empty());
    assert_eq!(manifest::percent_decode("a%C3%A4+b%2B"), Some("aä b+".into()));
    for bad in ["%", "%4", "%zz", "%+1", "%ff"] {
        assert_eq!(manifest::percent_decode(bad), None, "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn what_a_report_quotes_its_reader_reads(fields in proptest::collection::vec("[a\",\r\n ä]{0,6}", 2..5)) {
        let text = fields.iter().map(|field| report::quoted(field)).collect::<Vec<_>>().join(",") + "\r\n";
        proptest::prop_assert_eq!(manifest::records(&text), [fields]);
    }

    #[test]
    fn keys_come_back_from_their_encoding(key in "\\PC{1,20}") {
        proptest::prop_assert_eq!(manifest::percent_decode(&report::encode(&key)), Some(key));
    }
}

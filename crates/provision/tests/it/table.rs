//! `docs/identities.md`, read.

use std::collections::BTreeMap;

use darkslide_provision::desired::{
    AccountId, BucketDesired, BucketName, BudgetAlarm, Desired, Encryption, Form, IamName, IamPath, Identity,
    KeyPrefix, Namespace, NasProgram, NasUser, OldVersions, QueueName, Region, ThawEvents, VaultDesired, VaultName,
};
use darkslide_provision::{IdentityKind, policy};
use darkslide_words::{Money, StorageClass};

/// One row: a request, and who may make it.
pub struct Row {
    pub action: String,
    pub on: String,
    pub with: Vec<String>,
    pub allowed: BTreeMap<IdentityKind, bool>,
}

/// The rows of the page's large table.
pub fn rows() -> Vec<Row> {
    let page = include_str!("../../../../docs/identities.md");
    let lines = page.lines().skip_while(|line| !line.starts_with("| action | on | with |")).skip(2);
    let rows: Vec<Row> = lines.take_while(|line| line.starts_with('|')).map(row).collect();
    assert!(rows.len() > 80, "the table has {} rows", rows.len());
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 8, "{line}");
    let expected = |cell: &str| match cell {
        "allow" => true,
        "deny" => false,
        other => panic!("`{other}` in {line}"),
    };
    Row {
        action: cells[0].to_string(),
        on: cells[1].to_string(),
        with: cells[2].split(',').map(|word| word.trim().to_string()).filter(|word| !word.is_empty()).collect(),
        allowed: IdentityKind::ALL.into_iter().zip(cells[3..].iter().map(|cell| expected(cell))).collect(),
    }
}

impl Row {
    /// The ARN that the row is about.
    pub fn resource(&self, desired: &Desired) -> String {
        let bucket = desired.bucket.as_ref().unwrap();
        let events = &desired.thaw_events;
        let path = IamPath::new("/elsewhere/").unwrap();
        match self.on.as_str() {
            "bucket" => desired.bucket_arn(bucket),
            "jobs" => "*".to_string(),
            "queue" => desired.queue_arn(events.queue.as_ref().unwrap()),
            "topic" => desired.topic_arn(events.topic.as_ref().unwrap()),
            "user" => desired.user_arn(&desired.nas[0].path, &desired.nas[0].name),
            "other user" => desired.user_arn(&path, &IamName::new("other").unwrap()),
            "vault" => desired.vault_arn(&desired.vaults[0].name),
            "other vault" => desired.vault_arn(&VaultName::new("other").unwrap()),
            "budget" => format!("arn:aws:budgets::{}:budget/photographs", desired.account),
            key => desired.object_arn(bucket, key),
        }
    }

    /// The storage class that the request carries.
    pub fn class(&self) -> Option<&'static str> {
        self.with.iter().find_map(|word| match word.as_str() {
            "cold" => Some("DEEP_ARCHIVE"),
            "warm" => Some("INTELLIGENT_TIERING"),
            "standard" => Some("STANDARD"),
            _ => None,
        })
    }

    pub fn is_new(&self) -> bool {
        self.with.iter().any(|word| word == "new")
    }

    /// The condition keys of the request.
    pub fn context(&self) -> BTreeMap<String, Vec<String>> {
        let mut context = BTreeMap::new();
        let mut set = |key: &str, value: &str| drop(context.insert(key.to_string(), vec![value.to_string()]));
        set("aws:securetransport", "true");
        set("s3:tlsversion", "1.3");
        if let Some(class) = self.class() {
            set("s3:x-amz-storage-class", class);
        }
        if self.is_new() {
            set("s3:if-none-match", "*");
        }
        if self.action == "s3:PutObject" {
            set("s3:objectcreationoperation", "true");
        }
        if self.on == "jobs" {
            set("s3:requestjoboperation", &self.with[0]);
        }
        context
    }
}

/// All that the table speaks of, in the account and region of the simulator.
pub fn desired() -> Desired {
    let name = |text: &str| IamName::new(text).unwrap();
    let path = IamPath::new("/photographs/").unwrap();
    let mut desired =
        Desired::new(AccountId::new("123456789012").unwrap(), Region::new("us-east-1").unwrap(), "repository");
    desired.bucket = Some(BucketDesired {
        name: BucketName::new("photographs").unwrap(),
        namespace: Namespace::Global,
        prefix: KeyPrefix::new("nas/").unwrap(),
        cold_class: StorageClass::DeepArchive,
        warm_class: StorageClass::IntelligentTiering,
        encryption: Encryption::S3,
        lock: None,
        old_versions: OldVersions { expire_days: 30, archive_days: None },
        abort_uploads_days: 3,
        tiering: None,
        transitions: Vec::new(),
        inventory: None,
    });
    desired.vaults = vec![VaultDesired {
        name: VaultName::new("photographs").unwrap(),
        notify: true,
        keep_days: None,
        lock_days: None,
    }];
    desired.thaw_events = ThawEvents {
        queue: Some(QueueName::new("thaws").unwrap()),
        topic: Some(QueueName::new("thaws").unwrap()),
        emails: Vec::new(),
    };
    desired.identities = IdentityKind::ALL
        .into_iter()
        .map(|kind| Identity { kind, name: name(&format!("darkslide-{kind}")), path: path.clone(), form: Form::User })
        .collect();
    let program = NasProgram::HyperBackup { bucket: BucketName::new("photographs").unwrap() };
    desired.nas = vec![NasUser { name: name("darkslide-nas"), path, program }];
    desired.budget = Some(BudgetAlarm {
        name: "photographs".into(),
        monthly: Money::parse("20").unwrap(),
        at_percent: 80,
        emails: vec!["a@example.org".into()],
    });
    desired
}

/// The documents of an identity, as the simulator takes them.
pub fn documents(kind: IdentityKind, desired: &Desired) -> Vec<String> {
    vec![policy::document(kind, desired).to_string()]
}

//! An account in the simulator with all identities, made and used through the SDK as anybody would.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_provision::desired::Desired;
use darkslide_provision::{IdentityKind, policy};
use darkslide_words::{SystemClock, Time};

use crate::table::{Row, desired};

/// Made of a user's key.
struct Clients {
    s3: aws_sdk_s3::Client,
    iam: aws_sdk_iam::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    budgets: aws_sdk_budgets::Client,
    glacier: aws_sdk_glacier::Client,
}

macro_rules! client {
    ($sdk:ident, $url:expr, $key:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider($key.clone())
                .endpoint_url($url)
                .build(),
        )
    };
}

impl Clients {
    fn new(url: &str, id: &str, secret: &str) -> Self {
        let key = Credentials::new(id, secret, None, None, "test");
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(key.clone())
            .endpoint_url(url)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            iam: client!(aws_sdk_iam, url, key),
            sqs: client!(aws_sdk_sqs, url, key),
            sns: client!(aws_sdk_sns, url, key),
            budgets: client!(aws_sdk_budgets, url, key),
            glacier: client!(aws_sdk_glacier, url, key),
        }
    }
}

/// The simulator, with bucket, queue, topic and an identity of each kind.
pub struct Account {
    desired: Desired,
    runtime: tokio::runtime::Runtime,
    admin: Clients,
    users: BTreeMap<IdentityKind, Clients>,
    url: String,
    _server: Running,
    _sim: ColdSim,
}

/// What came of a request: nothing, or a refusal's code. Any other error means that it was let through.
type Outcome = Result<(), String>;

fn told<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> Outcome {
    let code = match &answer {
        Ok(_) => return Ok(()),
        Err(error) => error.code().unwrap_or("no code").to_string(),
    };
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" => Err(code),
        // What these requests run into once they are let through.
        "PreconditionFailed"
        | "NoSuchKey"
        | "NoSuchVersion"
        | "BucketNotEmpty"
        | "InvalidObjectState"
        | "RestoreAlreadyInProgress"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchPublicAccessBlockConfiguration"
        | "ObjectLockConfigurationNotFoundError"
        | "EntityAlreadyExists"
        | "LimitExceeded"
        | "DuplicateRecordException"
        | "InvalidRequest"
        | "ReceiptHandleIsInvalid"
        | "ResourceNotFoundException"
        | "InvalidParameterValueException" => Ok(()),
        other => panic!("an odd answer: {other}"),
    }
}

impl Account {
    pub fn new() -> Self {
        let sim = ColdSim::open(Options::new(Time::from_parts(1_768_478_400, 0)), Arc::new(SystemClock::default()));
        let sim = sim.unwrap();
        for vault in ["photographs", "other"] {
            sim.create_vault(vault).unwrap();
        }
        let server = sim.start("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = server.url();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin = Clients::new(&url, "coldsim", "coldsim-secret");
        let mut account =
            Self { desired: desired(), runtime, admin, users: BTreeMap::new(), url, _server: server, _sim: sim };
        account.fill();
        account
    }

    /// Makes all that the table speaks of, as the account's own administrator.
    fn fill(&mut self) {
        let (desired, admin) = (&self.desired, &self.admin);
        let bucket = desired.bucket.as_ref().unwrap();
        let name = bucket.name.as_str();
        let users = self.runtime.block_on(async {
            admin.s3.create_bucket().bucket(name).send().await.unwrap();
            let document = policy::bucket(desired).unwrap().to_string();
            admin.s3.put_bucket_policy().bucket(name).policy(document).send().await.unwrap();
            let queue = policy::queue(desired).unwrap().to_string();
            let create = admin.sqs.create_queue().queue_name("thaws");
            create.attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, queue).send().await.unwrap();
            let topic = policy::topic(desired).unwrap().to_string();
            admin.sns.create_topic().name("thaws").attributes("Policy", topic).send().await.unwrap();
            let nas = &desired.nas[0];
            admin.iam.create_user().user_name(nas.name.as_str()).path(nas.path.as_str()).send().await.unwrap();
            let mut users = Vec::new();
            for identity in &desired.identities {
                let user = identity.name.as_str();
                admin.iam.create_user().user_name(user).path(identity.path.as_str()).send().await.unwrap();
                let document = policy::document(identity.kind, desired).to_string();
                let put = admin.iam.put_user_policy().user_name(user).policy_name("darkslide");
                put.policy_document(document).send().await.unwrap();
                let made = admin.iam.create_access_key().user_name(user).send().await.unwrap();
                let key = made.access_key.unwrap();
                users.push((identity.kind, key.access_key_id, key.secret_access_key));
            }
            users
        });
        for (kind, id, secret) in users {
            self.users.insert(kind, Clients::new(&self.url, &id, &secret));
        }
    }

    /// What `SimulatePrincipalPolicy` says.
    pub fn simulates(&self, kind: IdentityKind, row: &Row) -> bool {
        let identity = self.desired.identity(kind).unwrap();
        let mut ask = self.admin.iam.simulate_principal_policy();
        ask = ask.policy_source_arn(self.desired.identity_arn(identity));
        ask = ask.action_names(&row.action).resource_arns(row.resource(&self.desired));
        if row.action.starts_with("s3:") {
            ask = ask.resource_policy(policy::bucket(&self.desired).unwrap().to_string());
        }
        for (key, values) in row.context() {
            let entry = aws_sdk_iam::types::ContextEntry::builder()
                .context_key_name(key)
                .set_context_key_values(Some(values))
                .context_key_type(aws_sdk_iam::types::ContextKeyTypeEnum::String);
            ask = ask.context_entries(entry.build());
        }
        let answer = self.runtime.block_on(ask.send()).unwrap();
        let [result] = answer.evaluation_results() else { panic!("{answer:?}") };
        result.eval_decision == aws_sdk_iam::types::PolicyEvaluationDecisionType::Allowed
    }

    /// Does what the row says with the identity's own key; nothing where the simulator has no such service.
    pub fn may(&self, kind: IdentityKind, row: &Row) -> Option<Outcome> {
        let clients = &self.users[&kind];
        self.runtime.block_on(async {
            let (service, action) = row.action.split_once(':').unwrap();
            match service {
                "s3" if row.on == "jobs" => None,
                "s3" if matches!(row.on.as_str(), "bucket") => Some(self.on_bucket(clients, action).await),
                "s3" => Some(self.on_object(clients, action, row).await),
                "sqs" => Some(self.on_queue(clients, action).await),
                "sns" => Some(self.on_topic(clients, action).await),
                "iam" => Some(self.on_user(clients, action, row).await),
                "budgets" => Some(self.on_budget(clients).await),
                "glacier" => Some(self.on_vault(clients, action, row).await),
                _ => None,
            }
        })
    }

    async fn on_object(&self, clients: &Clients, action: &str, row: &Row) -> Outcome {
        let name = self.desired.bucket.as_ref().unwrap().name.as_str();
        let key = format!("nas/{}", row.on);
        let s3 = &clients.s3;
        if action != "PutObject" {
            // There may be one already.
            let class = if row.on.starts_with("packs") { "DEEP_ARCHIVE" } else { "STANDARD" };
            let put = self.admin.s3.put_object().bucket(name).key(&key).if_none_match("*");
            let _ = put.storage_class(class.into()).send().await;
        }
        match action {
            "PutObject" => {
                let put = s3.put_object().bucket(name).key(&key).body(vec![7_u8; 10].into());
                let put = put.set_storage_class(row.class().map(Into::into));
                told(put.set_if_none_match(row.is_new().then(|| "*".to_string())).send().await)
            }
            "GetObject" => {
                let got = told(s3.get_object().bucket(name).key(&key).send().await);
                // HEAD is GET to IAM, and its refusals carry no code.
                assert_eq!(s3.head_object().bucket(name).key(&key).send().await.is_ok(), got.is_ok());
                got
            }
            "DeleteObject" => told(s3.delete_object().bucket(name).key(&key).send().await),
            "DeleteObjectVersion" => told(s3.delete_object().bucket(name).key(&key).version_id("null").send().await),
            "BypassGovernanceRetention" => {
                let delete = s3.delete_object().bucket(name).key(&key).version_id("null");
                told(delete.bypass_governance_retention(true).send().await)
            }
            "RestoreObject" => {
                let how = aws_sdk_s3::types::RestoreRequest::builder().days(1).build();
                told(s3.restore_object().bucket(name).key(&key).restore_request(how).send().await)
            }
            "PutObjectRetention" => {
                let retention = aws_sdk_s3::types::ObjectLockRetention::builder()
                    .mode(aws_sdk_s3::types::ObjectLockRetentionMode::Governance)
                    .retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(1_900_000_000));
                told(s3.put_object_retention().bucket(name).key(&key).retention(retention.build()).send().await)
            }
            "PutObjectLegalHold" => {
                let hold = aws_sdk_s3::types::ObjectLockLegalHold::builder();
                let hold = hold.status(aws_sdk_s3::types::ObjectLockLegalHoldStatus::On).build();
                told(s3.put_object_legal_hold().bucket(name).key(&key).legal_hold(hold).send().await)
            }
            other => panic!("nobody wrote down how to do {other}"),
        }
    }

    async fn on_bucket(&self, clients: &Clients, action: &str) -> Outcome {
        use aws_sdk_s3::types as t;
        let name = self.desired.bucket.as_ref().unwrap().name.as_str();
        let s3 = &clients.s3;
        match action {
            "ListBucket" => told(s3.list_objects_v2().bucket(name).prefix("nas/").send().await),
            "ListBucketVersions" => told(s3.list_object_versions().bucket(name).send().await),
            "GetBucketVersioning" => told(s3.get_bucket_versioning().bucket(name).send().await),
            "GetBucketObjectLockConfiguration" => told(s3.get_object_lock_configuration().bucket(name).send().await),
            "GetLifecycleConfiguration" => told(s3.get_bucket_lifecycle_configuration().bucket(name).send().await),
            "GetBucketPublicAccessBlock" => told(s3.get_public_access_block().bucket(name).send().await),
            "GetBucketPolicy" => told(s3.get_bucket_policy().bucket(name).send().await),
            "PutBucketVersioning" => {
                let on = t::VersioningConfiguration::builder().status(t::BucketVersioningStatus::Enabled).build();
                told(s3.put_bucket_versioning().bucket(name).versioning_configuration(on).send().await)
            }
            "PutLifecycleConfiguration" => {
                let abort = t::AbortIncompleteMultipartUpload::builder().days_after_initiation(3).build();
                let rule = t::LifecycleRule::builder().id("a").status(t::ExpirationStatus::Enabled);
                let rule = rule.filter(t::LifecycleRuleFilter::builder().prefix("nas/").build());
                let rule = rule.abort_incomplete_multipart_upload(abort).build().unwrap();
                let config = t::BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
                told(s3.put_bucket_lifecycle_configuration().bucket(name).lifecycle_configuration(config).send().await)
            }
            "PutEncryptionConfiguration" => {
                let way = t::ServerSideEncryptionByDefault::builder().sse_algorithm(t::ServerSideEncryption::Aes256);
                let rule = t::ServerSideEncryptionRule::builder();
                let rule = rule.apply_server_side_encryption_by_default(way.build().unwrap()).build();
                let config = t::ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
                let put = s3.put_bucket_encryption().bucket(name);
                told(put.server_side_encryption_configuration(config).send().await)
            }
            "PutBucketPublicAccessBlock" => {
                let all = t::PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
                told(s3.put_public_access_block().bucket(name).public_access_block_configuration(all).send().await)
            }
            "PutBucketTagging" => {
                let tag = t::Tag::builder().key("a").value("b").build().unwrap();
                let tags = t::Tagging::builder().tag_set(tag).build().unwrap();
                told(s3.put_bucket_tagging().bucket(name).tagging(tags).send().await)
            }
            "DeleteBucket" => told(s3.delete_bucket().bucket(name).send().await),
            other => panic!("nobody wrote down how to do {other}"),
        }
    }

    async fn on_queue(&self, clients: &Clients, action: &str) -> Outcome {
        let url = format!("{}/123456789012/thaws", self.url);
        match action {
            "ReceiveMessage" => told(clients.sqs.receive_message().queue_url(url).send().await),
            "DeleteMessage" => told(clients.sqs.delete_message().queue_url(url).receipt_handle("x").send().await),
            "SetQueueAttributes" => {
                let set = clients.sqs.set_queue_attributes().queue_url(url);
                told(set.attributes(aws_sdk_sqs::types::QueueAttributeName::DelaySeconds, "0").send().await)
            }
            other => panic!("nobody wrote down how to do {other}"),
        }
    }

    async fn on_topic(&self, clients: &Clients, action: &str) -> Outcome {
        let arn = self.desired.topic_arn(self.desired.thaw_events.topic.as_ref().unwrap());
        match action {
            "Publish" => told(clients.sns.publish().topic_arn(arn).message("x").send().await),
            "GetTopicAttributes" => told(clients.sns.get_topic_attributes().topic_arn(arn).send().await),
            other => panic!("nobody wrote down how to do {other}"),
        }
    }

    async fn on_user(&self, clients: &Clients, action: &str, row: &Row) -> Outcome {
        let nas = &self.desired.nas[0];
        let (name, path) =
            if row.on == "user" { (nas.name.as_str(), nas.path.as_str()) } else { ("other", "/elsewhere/") };
        let iam = &clients.iam;
        let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        match action {
            "GetUser" => told(iam.get_user().user_name(name).send().await),
            "CreateUser" => told(iam.create_user().user_name(name).path(path).send().await),
            "PutUserPolicy" => {
                let put = iam.put_user_policy().user_name(name).policy_name("p").policy_document(nothing);
                told(put.send().await)
            }
            "CreateAccessKey" => told(iam.create_access_key().user_name(name).send().await),
            "AttachUserPolicy" => {
                let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
                told(iam.attach_user_policy().user_name(name).policy_arn(arn).send().await)
            }
            "CreateLoginProfile" => {
                told(iam.create_login_profile().user_name(name).password("not-a-password-1").send().await)
            }
            other => panic!("nobody wrote down how to do {other}"),
        }
    }

    async fn on_budget(&self, clients: &Clients) -> Outcome {
        use aws_sdk_budgets::types as t;
        let limit = t::Spend::builder().amount("20").unit("USD").build().unwrap();
        let budget = t::Budget::builder().budget_name("photographs").budget_type(t::BudgetType::Cost);
        let budget = budget.time_unit(t::TimeUnit::Monthly).budget_limit(limit).build().unwrap();
        let create = clients.budgets.create_budget().account_id("123456789012").budget(budget);
        told(create.send().await)
    }

    async fn on_vault(&self, clients: &Clients, action: &str, row: &Row) -> Outcome {
        use aws_sdk_glacier::types as t;
        let vault = if row.on == "vault" { self.desired.vaults[0].name.as_str() } else { "other" };
        let glacier = &clients.glacier;
        match action {
            "UploadArchive" => {
                let upload = glacier.upload_archive().account_id("-").vault_name(vault);
                told(upload.body(vec![7_u8; 10].into()).send().await)
            }
            "InitiateJob" => {
                let job = t::JobParameters::builder().r#type("inventory-retrieval").build();
                told(glacier.initiate_job().account_id("-").vault_name(vault).job_parameters(job).send().await)
            }
            "GetJobOutput" => {
                told(glacier.get_job_output().account_id("-").vault_name(vault).job_id("none").send().await)
            }
            "DeleteArchive" => {
                told(glacier.delete_archive().account_id("-").vault_name(vault).archive_id("none").send().await)
            }
            "DescribeVault" => told(glacier.describe_vault().account_id("-").vault_name(vault).send().await),
            "CreateVault" => told(glacier.create_vault().account_id("-").vault_name(vault).send().await),
            "SetVaultNotifications" => {
                let topic = self.desired.topic_arn(self.desired.thaw_events.topic.as_ref().unwrap());
                let config = t::VaultNotificationConfig::builder().sns_topic(topic).events("ArchiveRetrievalCompleted");
                let set = glacier.set_vault_notifications().account_id("-").vault_name(vault);
                told(set.vault_notification_config(config.build()).send().await)
            }
            "CompleteVaultLock" => {
                told(glacier.complete_vault_lock().account_id("-").vault_name(vault).lock_id("none").send().await)
            }
            other => panic!("nobody wrote down how to do {other}"),
        }
    }
}

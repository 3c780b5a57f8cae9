//! AWS itself behind [`Cloud`]: one small runtime under a synchronous face, and a client for each
//! service.
//!
//! **Invariant:** a call that may not be repeated is not repeated: the SDK retries what never arrived
//! or was throttled, and `CreateAccessKey` not even then. No secret in a message.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::cloud::{
    Aspect, Caller, Cloud, CloudError, Contents, Decision, Item, KeyId, KeyInfo, KeyState, LastUse, NewKey, Question,
    Thing,
};
use crate::desired::{AccountId, IamName, IamPath, Partition, Region};
use crate::keys::KeyProver;

mod bucket;
mod bucket_rules;
mod budget;
mod glacier;
mod iam;
mod messages;
mod probe;

pub use probe::ProbeBucket;

/// Attempts of one call that was throttled or never arrived.
const ATTEMPTS: u32 = 6;
/// Attempts while AWS does not agree with itself yet: what was just made is not known everywhere.
const SETTLING: u32 = 8;

/// How AWS is reached, and as whom.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    /// Profile of the shared AWS files; what is found in the usual places where absent.
    pub profile: Option<String>,
    /// A key instead of any profile.
    pub key: Option<NewKey>,
    /// A server other than Amazon's, for all services.
    pub endpoint: Option<String>,
    /// Buckets in the path instead of the host name.
    pub path_style: PathStyle,
}

/// Whether a bucket's name stands in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathStyle {
    /// In the host's name, as Amazon wants it.
    #[default]
    Host,
    /// In the path, as other servers want it.
    Path,
}

/// AWS.
pub struct AwsCloud {
    region: Region,
    account: std::sync::OnceLock<AccountId>,
    s3: aws_sdk_s3::Client,
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    glacier: aws_sdk_glacier::Client,
    budgets: aws_sdk_budgets::Client,
    sdk: SdkConfig,
    /// What was made in this run.
    fresh: std::sync::Mutex<Vec<Thing>>,
    handle: Handle,
    /// Always there but while it is dropped.
    runtime: Option<Runtime>,
}

impl fmt::Debug for AwsCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCloud").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsCloud {
    /// Asks nobody over the network yet.
    pub fn open(region: &Region, settings: &AwsSettings) -> Result<Self, CloudError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("provision").enable_all().build();
        let runtime = runtime.map_err(|error| CloudError::Setup {
            why: format!("its threads cannot be started: {error}"),
            advice: "look at the limits of this machine".into(),
        })?;
        let handle = runtime.handle().clone();
        let sdk = run(&handle, sdk_config(region, settings));
        let s3 = aws_sdk_s3::config::Builder::from(&sdk)
            .force_path_style(settings.path_style == PathStyle::Path)
            .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
            .build();
        Ok(Self {
            region: region.clone(),
            account: std::sync::OnceLock::new(),
            s3: aws_sdk_s3::Client::from_conf(s3),
            iam: aws_sdk_iam::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            sns: aws_sdk_sns::Client::new(&sdk),
            glacier: aws_sdk_glacier::Client::new(&sdk),
            budgets: aws_sdk_budgets::Client::new(&sdk),
            sdk,
            fresh: std::sync::Mutex::default(),
            handle,
            runtime: Some(runtime),
        })
    }

    fn partition(&self) -> Partition {
        self.region.partition()
    }

    /// The account of the credentials, asked once.
    fn own_account(&self) -> Result<AccountId, CloudError> {
        match self.account.get() {
            Some(account) => Ok(account.clone()),
            None => Ok(self.caller()?.account),
        }
    }

    fn arn(&self, service: &str, name: &str) -> Result<String, CloudError> {
        Ok(format!("arn:{}:{service}:{}:{}:{name}", self.partition(), self.region, self.own_account()?))
    }

    /// One call, in the words of this crate.
    fn ask<T, E, F>(&self, call: &'static str, thing: &dyn fmt::Display, work: F) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        run(&self.handle, work).map_err(|error| told(call, &thing.to_string(), error))
    }

    /// One call that is repeated while AWS does not know yet what was made a moment ago.
    fn settle<T>(&self, thing: &Thing, once: impl Fn() -> Result<T, CloudError>) -> Result<T, CloudError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match once() {
                Err(error) if attempt < SETTLING && (is_settling(&error) || self.is_unknown_yet(thing, &error)) => {
                    self.pause(Duration::from_secs(attempt.into()))
                }
                done => return done,
            }
        }
    }
}

impl AwsCloud {
    fn fresh(&self) -> std::sync::MutexGuard<'_, Vec<Thing>> {
        self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// True where AWS denies what was made here a moment ago: not all of its servers know it yet.
    fn is_unknown_yet(&self, thing: &Thing, error: &CloudError) -> bool {
        let unknown = ["NoSuchBucket", "NoSuchEntity", "NoSuchEntityException", "NotFound", "QueueDoesNotExist"];
        error.code().is_some_and(|code| unknown.contains(&code)) && self.fresh().contains(thing)
    }
}

impl Drop for AwsCloud {
    fn drop(&mut self) {
        // A runtime must not be waited for in the threads of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// True where the same call can go well a moment later.
fn is_settling(error: &CloudError) -> bool {
    let CloudError::Refused { code, message, .. } = error else { return false };
    match code.as_str() {
        "OperationAborted"
        | "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "AWS.SimpleQueueService.QueueDeletedRecently"
        | "QueueDeletedRecently" => true,
        // A user or queue that was made a moment ago, in a policy or as a destination.
        "MalformedPolicy" | "MalformedPolicyDocument" => message.to_ascii_lowercase().contains("principal"),
        "InvalidArgument" => message.contains("destination"),
        _ => false,
    }
}

fn told<E>(call: &'static str, thing: &str, error: SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let thing = thing.to_string();
    let debug = format!("{error:?}");
    let no_credentials = ["CredentialsError", "CredentialsNotLoaded", "while loading credentials"];
    if no_credentials.iter().any(|sign| debug.contains(sign)) {
        return CloudError::Setup {
            why: "no AWS credentials were found for the setup".into(),
            advice: "name a `profile` in [cloud] (see ~/.aws), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .into(),
        };
    }
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    match &error {
        SdkError::ServiceError(_) if status.is_some_and(|status| status < 300) => {
            CloudError::Unreadable { call, thing, message: chain(&error) }
        }
        SdkError::ServiceError(service) => {
            let meta = service.err();
            let bare = || format!("HTTP {}", status.unwrap_or_default());
            let code = meta.code().map_or_else(bare, |code| code.rsplit(['#', ':']).next().unwrap_or(code).to_string());
            // HEAD has no body to say it in.
            let code = if code == "HTTP 404" { "NotFound".into() } else { code };
            let message = meta.message().unwrap_or("no reason was given").to_string();
            CloudError::Refused { call, thing, code, message }
        }
        SdkError::ConstructionFailure(_) => {
            CloudError::Unreadable { call, thing, message: format!("the request cannot be made: {}", chain(&error)) }
        }
        SdkError::ResponseError(_) => CloudError::Unreadable { call, thing, message: chain(&error) },
        _ => CloudError::NoAnswer { call, thing, message: chain(&error) },
    }
}

/// What an error says, with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    words.join(": ")
}

/// Nothing where one of these codes says that it is not there.
fn absent<T>(done: Result<T, CloudError>, codes: &[&str]) -> Result<Option<T>, CloudError> {
    match done {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code().is_some_and(|code| codes.contains(&code)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is gone already is no error.
fn gone<T>(done: Result<T, CloudError>, codes: &[&str]) -> Result<(), CloudError> {
    absent(done, codes).map(|_| ())
}

/// A part of a request that the SDK would not take.
fn unfit(call: &'static str, thing: &dyn fmt::Display, what: impl fmt::Display) -> CloudError {
    CloudError::Unreadable { call, thing: thing.to_string(), message: what.to_string() }
}

/// A setting that this service does not have.
fn foreign(call: &'static str, item: &Item) -> CloudError {
    unfit(call, item, "there is no such setting")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn days(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|days| i32::try_from(days).ok())
}

/// Tags as key and value.
fn pairs(tags: &Value) -> Vec<(String, String)> {
    let fields = tags.as_object().into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect()
}

/// A policy document out of an answer; one that cannot be read is shown as text, and so differs.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
}

fn run<F>(handle: &Handle, work: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    if Handle::try_current().is_err() {
        return handle.block_on(work);
    }
    let done = std::thread::scope(|scope| scope.spawn(|| handle.block_on(work)).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn sdk_config(region: &Region, settings: &AwsSettings) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(SdkRegion::new(region.to_string()));
    if let Some(profile) = &settings.profile {
        // A profile that is named counts more than the environment.
        let surroundings = ProviderConfig::without_region().with_region(Some(SdkRegion::new(region.to_string())));
        let provider = ProfileFileCredentialsProvider::builder().configure(&surroundings).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(key) = &settings.key {
        let key = Credentials::new(&key.id.0, key.secret.expose_secret(), None, None, "a key just made");
        loader = loader.credentials_provider(SharedCredentialsProvider::new(key));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let patience = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(10))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build();
    loader.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)).timeout_config(patience).load().await
}

impl Cloud for AwsCloud {
    fn caller(&self) -> Result<Caller, CloudError> {
        let call = "GetCallerIdentity";
        let answer = self.ask(call, &"the credentials", self.sts.get_caller_identity().send())?;
        let account =
            AccountId::new(answer.account().unwrap_or_default()).map_err(|bad| unfit(call, &"the credentials", bad))?;
        let _ = self.account.set(account.clone());
        Ok(Caller { account, arn: answer.arn().unwrap_or_default().to_string() })
    }

    fn read(&self, item: &Item) -> Result<Option<Value>, CloudError> {
        match &item.thing {
            Thing::Bucket(name) => self.read_bucket(item, name),
            Thing::Topic(name) => self.read_topic(item, name),
            Thing::Queue(name) => self.read_queue(item, name),
            Thing::Vault(name) => self.read_vault(item, name),
            Thing::Retrieval => self.read_retrieval(),
            Thing::User(name) => self.read_user(item, name),
            Thing::Role(name) => self.read_role(item, name),
            Thing::Policy(path, name) => self.read_policy(item, path, name),
            Thing::Budget(name) => self.read_budget(name),
        }
    }

    fn write(&self, item: &Item, state: &Value) -> Result<(), CloudError> {
        let done = self.settle(&item.thing, || match &item.thing {
            Thing::Bucket(name) => self.write_bucket(item, name, state),
            Thing::Topic(name) => self.write_topic(item, name, state),
            Thing::Queue(name) => self.write_queue(item, name, state),
            Thing::Vault(name) => self.write_vault(item, name, state),
            Thing::Retrieval => self.write_retrieval(state),
            Thing::User(name) => self.write_user(item, name, state),
            Thing::Role(name) => self.write_role(item, name, state),
            Thing::Policy(path, name) => self.write_policy(item, path, name, state),
            Thing::Budget(name) => self.write_budget(name, state),
        });
        if done.is_ok() && item.aspect == Aspect::Itself {
            self.fresh().push(item.thing.clone());
        }
        done
    }

    fn delete(&self, item: &Item) -> Result<(), CloudError> {
        if item.aspect == Aspect::Itself {
            self.fresh().retain(|thing| *thing != item.thing);
        }
        self.settle(&item.thing, || match &item.thing {
            Thing::Bucket(name) => self.delete_bucket(item, name),
            Thing::Topic(name) => self.delete_topic(name),
            Thing::Queue(name) => self.delete_queue(name),
            Thing::Vault(name) => self.delete_vault(item, name),
            Thing::User(name) => self.delete_user(item, name),
            Thing::Role(name) => self.delete_role(item, name),
            Thing::Policy(path, name) => self.delete_policy(path, name),
            Thing::Budget(name) => self.delete_budget(name),
            Thing::Retrieval => Err(foreign("Delete", item)),
        })
    }

    fn users(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.list_users(path)
    }

    fn roles(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.list_roles(path)
    }

    fn contents(&self, thing: &Thing) -> Result<Contents, CloudError> {
        match thing {
            Thing::Bucket(name) => self.bucket_contents(name),
            Thing::Vault(name) => self.vault_contents(name),
            _ => Ok(Contents::Nothing),
        }
    }

    fn keys(&self, user: &IamName) -> Result<Vec<KeyInfo>, CloudError> {
        self.list_keys(user)
    }

    fn key_last_use(&self, key: &KeyId) -> Result<Option<LastUse>, CloudError> {
        self.last_use(key)
    }

    fn create_key(&self, user: &IamName) -> Result<NewKey, CloudError> {
        self.new_key(user)
    }

    fn set_key(&self, user: &IamName, key: &KeyId, state: KeyState) -> Result<(), CloudError> {
        self.switch_key(user, key, state)
    }

    fn delete_key(&self, user: &IamName, key: &KeyId) -> Result<(), CloudError> {
        self.remove_key(user, key)
    }

    fn simulate(
        &self,
        identity: &str,
        questions: &[Question],
        policy: Option<&Value>,
    ) -> Result<Vec<Decision>, CloudError> {
        self.simulate_all(identity, questions, policy)
    }
}

impl KeyProver for AwsCloud {
    fn works(&self, key: &NewKey) -> Result<(), String> {
        let own = Credentials::new(&key.id.0, key.secret.expose_secret(), None, None, "a key just made");
        let config = aws_sdk_sts::config::Builder::from(&self.sdk).credentials_provider(own).build();
        let sts = aws_sdk_sts::Client::from_conf(config);
        let asked = self.ask("GetCallerIdentity", &key.id, sts.get_caller_identity().send());
        asked.map(|_| ()).map_err(|error| error.to_string())
    }

    fn pause(&self, span: Duration) {
        run(&self.handle, async { tokio::time::sleep(span).await });
    }
}

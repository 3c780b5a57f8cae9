//! The way to the service: a small runtime under a synchronous face, the SDK's configuration,
//! and the one loop that repeats failed calls.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_glacier::config::{Credentials, SharedCredentialsProvider, StalledStreamProtectionConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use darkslide_store::StoreError;
use darkslide_words::{OsRng, Rng};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::failure::Failure;
use crate::retry::{Sleeper, ThreadSleeper, pause};
use crate::settings::{Patience, VaultSettings};

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for any answer, transfer apart.
const ANSWER: Duration = Duration::from_secs(120);
/// Bytes a second below which a transfer counts as dead.
const SLOWEST: u64 = 16 * 1024;
/// Silence after which a download is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// Which failures of a call are worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// All that may pass.
    Passing,
    /// Those after which it is certain that nothing was done.
    Harmless,
}

/// What a vault takes from its surroundings: how to wait, and randomness.
pub struct Surroundings {
    /// Waits between attempts and for the bandwidth limit.
    pub sleeper: Arc<dyn Sleeper>,
    /// For the jitter of pauses and for ids.
    pub rng: Box<dyn Rng>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { sleeper: Arc::new(ThreadSleeper), rng: Box::new(OsRng) }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("sleeper", &self.sleeper).finish_non_exhaustive()
    }
}

/// Time for one attempt that moves `bytes`.
pub(crate) fn transfer_time(bytes: u64) -> Duration {
    ANSWER + Duration::from_secs(bytes / SLOWEST)
}

/// One configured way.
pub(crate) struct Link {
    pub(crate) glacier: aws_sdk_glacier::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    sleeper: Arc<dyn Sleeper>,
    patience: Patience,
    rng: Mutex<Box<dyn Rng>>,
    handle: Handle,
    /// Always there but while it is dropped.
    runtime: Option<Runtime>,
}

impl Link {
    /// Reads the configuration of the machine where the settings leave something open. Asks nobody
    /// over the network.
    pub(crate) fn open(settings: &VaultSettings, surroundings: Surroundings) -> Result<Self, StoreError> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("store-glacier").enable_all().build().map_err(
                |source| StoreError::Io { store: settings.label(), what: "starting its threads".into(), source },
            )?;
        let handle = runtime.handle().clone();
        let sdk = run(&handle, sdk_config(settings))?;
        let stalled = StalledStreamProtectionConfig::enabled().upload_enabled(false).grace_period(SILENCE).build();
        let mut config = aws_sdk_glacier::config::Builder::from(&sdk)
            // Each call is seen, and repeated, here.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .stalled_stream_protection(stalled);
        let mut queues = aws_sdk_sqs::config::Builder::from(&sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build());
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
            queues = queues.endpoint_url(endpoint);
        }
        Ok(Self {
            sqs: aws_sdk_sqs::Client::from_conf(queues.build()),
            glacier: aws_sdk_glacier::Client::from_conf(config.build()),
            sleeper: surroundings.sleeper,
            patience: settings.patience,
            rng: Mutex::new(surroundings.rng),
            handle,
            runtime: Some(runtime),
        })
    }

    /// Calls until it goes well, the failure stays, or patience ends. `bytes` are moved by it.
    pub(crate) fn call<T, F, Fut>(&self, repeat: Repeat, bytes: u64, once: F) -> Result<T, Failure>
    where
        T: Send,
        F: Fn() -> Fut + Sync,
        Fut: Future<Output = Result<T, Failure>> + Send,
    {
        let limit = transfer_time(bytes);
        let mut failures = 0;
        loop {
            let attempt = async {
                match tokio::time::timeout(limit, once()).await {
                    Ok(done) => done,
                    Err(_) => Err(Failure::no_answer(format!("no answer within {} seconds", limit.as_secs()))),
                }
            };
            let failure = match run(&self.handle, attempt) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            failures += 1;
            let again = match repeat {
                Repeat::Passing => failure.is_worth_repeating(),
                Repeat::Harmless => failure.is_harmless(),
            };
            if !again || failures >= self.patience.attempts_max {
                return Err(failure);
            }
            self.sleeper.sleep(pause(&self.patience, failures, self.random()));
        }
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A runtime must not be waited for in the threads of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Does the work on this thread, whoever calls: also a thread of another runtime, which must not be
/// blocked in the ordinary way.
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

async fn sdk_config(settings: &VaultSettings) -> Result<SdkConfig, StoreError> {
    let region = region(settings).await?;
    if let Some(key) = &settings.credentials {
        let key = Credentials::new(&key.id, &key.secret, key.token.clone(), None, "settings");
        return Ok(SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(SharedCredentialsProvider::new(key))
            .build());
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
    if let Some(profile) = &settings.profile {
        let surroundings = ProviderConfig::without_region().with_region(Some(region));
        let provider = ProfileFileCredentialsProvider::builder().configure(&surroundings).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    Ok(loader.load().await)
}

/// The region, from the nearest place that names one.
async fn region(settings: &VaultSettings) -> Result<Region, StoreError> {
    if let Some(region) = &settings.region {
        return Ok(Region::new(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    let from_profile = profile.build();
    let found = match (&settings.credentials, &settings.profile) {
        (Some(_), _) => None,
        (None, Some(_)) => from_profile.region().await,
        (None, None) => match EnvironmentVariableRegionProvider::new().region().await {
            Some(region) => Some(region),
            None => from_profile.region().await,
        },
    };
    match (found, &settings.endpoint) {
        (Some(region), _) => Ok(region),
        (None, Some(_)) => Ok(Region::from_static("us-east-1")),
        (None, None) => Err(StoreError::Setup {
            store: settings.label(),
            why: "has no region".into(),
            advice: "set `region` for this store, or AWS_REGION, or the region of the AWS profile".into(),
        }),
    }
}

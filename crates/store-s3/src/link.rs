//! The way to the cloud: a small runtime under a synchronous face, the SDK's
//! configuration, and the one loop that repeats failed calls.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::config::{SharedCredentialsProvider, StalledStreamProtectionConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::runtime::{Builder, Handle, Runtime};

use darkslide_store::StoreError;
use darkslide_words::{OsRng, Rng};

use crate::failure::Failure;
use crate::retry::{Sleeper, TokioSleeper, pause};
use crate::settings::{Patience, S3Settings, When};

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for any answer, transfer apart.
pub(crate) const ANSWER: Duration = Duration::from_secs(120);
/// Bytes a second below which a transfer counts as dead: a tenth of the slowest
/// uplinks that are still sold.
const SLOWEST: u64 = 16 * 1024;
/// Silence after which a download is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// What a store takes from its surroundings: how to wait, and randomness.
pub struct Surroundings {
    /// Waits between attempts and for the bandwidth limit.
    pub sleeper: Arc<dyn Sleeper>,
    /// For the jitter of pauses.
    pub rng: Box<dyn Rng>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { sleeper: Arc::new(TokioSleeper::default()), rng: Box::new(OsRng) }
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

/// One configured way, shared by all that speak over it.
pub(crate) struct Link {
    pub(crate) label: String,
    pub(crate) sleeper: Arc<dyn Sleeper>,
    pub(crate) sdk: SdkConfig,
    patience: Patience,
    rng: Mutex<Box<dyn Rng>>,
    handle: Handle,
    /// Always there but while it is dropped.
    runtime: Option<Runtime>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Link {
    /// Reads the configuration of the machine where the settings leave something
    /// open. Asks nobody over the network.
    pub(crate) fn open(settings: &S3Settings, surroundings: Surroundings) -> Result<Self, StoreError> {
        let label = settings.label();
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("store-s3").enable_all().build().map_err(
                |source| StoreError::Io { store: label.clone(), what: "starting its threads".into(), source },
            )?;
        let handle = runtime.handle().clone();
        let sdk = run(&handle, sdk_config(settings))?;
        Ok(Self {
            label,
            sleeper: surroundings.sleeper,
            sdk,
            patience: settings.patience,
            rng: Mutex::new(surroundings.rng),
            handle,
            runtime: Some(runtime),
        })
    }

    /// Does the work on this thread, whoever calls: also a thread of another
    /// runtime, which must not be blocked in the ordinary way.
    pub(crate) fn block<F>(&self, work: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        run(&self.handle, work)
    }

    /// Calls until it goes well, the failure is final, or patience ends.
    pub(crate) async fn attempts<T, F, Fut>(&self, limit: Duration, once: F) -> Result<T, Failure>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, Failure>>,
    {
        let begun = self.sleeper.elapsed();
        let mut failures = 0;
        loop {
            let failure = match tokio::time::timeout(limit, once()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::no_answer(format!("no answer within {} seconds", limit.as_secs())),
            };
            failures += 1;
            let pause = pause(&self.patience, failures, self.random());
            let late = self.sleeper.elapsed().saturating_sub(begun) + pause > self.patience.total_max;
            if !failure.is_worth_repeating() || failures >= self.patience.attempts_max || late {
                return Err(failure);
            }
            self.sleeper.sleep(pause).await;
        }
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A client for the bucket. Its own retries are off: each call is seen here.
    pub(crate) fn s3(&self, settings: &S3Settings) -> aws_sdk_s3::Client {
        let calculation = match settings.checksums {
            When::Supported => RequestChecksumCalculation::WhenSupported,
            When::Required => RequestChecksumCalculation::WhenRequired,
        };
        // The SDK takes slow uplinks for dead ones; downloads get a long grace.
        let stalled = StalledStreamProtectionConfig::enabled().upload_enabled(false).grace_period(SILENCE).build();
        let mut config = aws_sdk_s3::config::Builder::from(&self.sdk)
            .force_path_style(settings.in_path())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .stalled_stream_protection(stalled)
            .request_checksum_calculation(calculation)
            // Whole reads are compared here, ranges cannot be.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // A wrong clock is told to the user instead of being worked around:
            // it would also date the snapshots.
            .disable_clock_skew_correction(true);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// Timeouts of every client; attempts as a whole are timed in [`Link::attempts`].
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).build()
}

impl Drop for Link {
    fn drop(&mut self) {
        // A runtime must not be waited for in the threads of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
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

async fn sdk_config(settings: &S3Settings) -> Result<SdkConfig, StoreError> {
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

/// The region, from the nearest place that names one. The instance's metadata
/// service is not asked: a NAS has none, and the answer would take seconds.
async fn region(settings: &S3Settings) -> Result<Region, StoreError> {
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
        // Other servers mostly do not care, and expect this one.
        (None, Some(_)) => Ok(Region::from_static("us-east-1")),
        (None, None) => Err(StoreError::Setup {
            store: settings.label(),
            why: "has no region".into(),
            advice: "set `region` for this store, or AWS_REGION, or the region of the AWS profile".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::fake::FakeSleeper;
    use crate::settings::Key;
    use darkslide_words::SeededRng;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn link(patience: Patience) -> (Link, Arc<FakeSleeper>) {
        let sleeper = Arc::new(FakeSleeper::default());
        let mut settings = S3Settings::new("photos", "");
        settings.credentials = Some(Key { id: "id".into(), secret: "secret".into(), token: None });
        settings.region = Some("eu-west-1".into());
        settings.patience = patience;
        let surroundings = Surroundings { sleeper: sleeper.clone(), rng: Box::new(SeededRng::new(1)) };
        (Link::open(&settings, surroundings).unwrap(), sleeper)
    }

    /// Counts the calls of something that fails until the `good`-th.
    fn calls(link: &Link, good: u32, failure: &Failure) -> (u32, Result<u32, Failure>) {
        let count = AtomicU32::new(0);
        let done = link.block(link.attempts(ANSWER, || async {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            if n < good { Err(failure.clone()) } else { Ok(n) }
        }));
        (count.into_inner(), done)
    }

    #[test]
    fn calls_are_repeated_within_patience() {
        let (link, sleeper) = link(Patience::default());
        let cut = Failure::no_answer("cut");
        assert_eq!(calls(&link, 4, &cut).1.unwrap(), 4);
        assert_eq!(sleeper.0.lock().unwrap().len(), 3);
        let (count, failed) = calls(&link, 99, &cut);
        assert!(count == Patience::default().attempts_max && failed.is_err());
        let (count, failed) = calls(&link, 99, &Failure::unreadable("?"));
        assert!(count == 1 && failed.is_err());
    }

    #[test]
    fn the_total_time_ends_it_too() {
        let span = Duration::from_secs(100);
        let patience = Patience { attempts_max: 1000, total_max: span, first: span / 4, pause_max: span / 4 };
        let (link, sleeper) = link(patience);
        let (count, failed) = calls(&link, 1000, &Failure::no_answer("cut"));
        assert!(failed.is_err() && count > 4 && count < 40, "{count}");
        assert!(sleeper.elapsed() <= span);
    }

    #[test]
    fn it_may_be_called_and_dropped_in_another_runtime() {
        let outer = Builder::new_current_thread().build().unwrap();
        let seven = outer.block_on(async {
            let (link, _) = link(Patience::default());
            link.block(async { 7 })
        });
        assert_eq!(seven, 7);
    }

    #[test]
    fn slow_lines_get_the_time_they_need() {
        assert_eq!(transfer_time(0), ANSWER);
        assert!(transfer_time(64 << 20) > Duration::from_secs(3600));
    }
}

//! The bandwidth limit: one token bucket over all uploads of a store.
//!
//! The request is signed over its whole body; only then the body is exchanged
//! for the same bytes in small pieces, each of which waits for its turn.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::retry::{Pause, Sleeper};

/// What may be sent at once after a silence.
const BURST: Duration = Duration::from_millis(100);

/// Grants bytes at a rate. Pure: the caller brings the time and does the waiting.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: u64,
    /// When all that was granted will have been sent.
    free_at: Duration,
}

impl TokenBucket {
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), free_at: Duration::ZERO }
    }

    /// Grants `bytes`; the caller waits this long before it sends them.
    pub(crate) fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        let start = self.free_at.max(now.saturating_sub(BURST));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        self.free_at = start.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        self.free_at.saturating_sub(now)
    }
}

/// The bucket, shared by all uploads.
#[derive(Debug)]
pub(crate) struct Gate {
    bucket: Mutex<TokenBucket>,
    rate: u64,
    sleeper: Arc<dyn Sleeper>,
}

impl Gate {
    pub(crate) fn new(rate: u64, sleeper: Arc<dyn Sleeper>) -> Self {
        Self { bucket: Mutex::new(TokenBucket::new(rate)), rate: rate.max(1), sleeper }
    }

    /// Bytes a second.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Pieces small enough that the line is used evenly.
    fn piece(&self) -> usize {
        usize::try_from(self.rate / 20).unwrap_or(usize::MAX).clamp(1024, 64 * 1024)
    }

    fn take(&self, bytes: usize) -> Option<Pause> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = bucket.take(self.sleeper.elapsed(), bytes as u64);
        (!wait.is_zero()).then(|| self.sleeper.sleep(wait))
    }
}

/// A body that waits for its turn before each piece.
struct Paced {
    left: Bytes,
    gate: Arc<Gate>,
    /// The piece that was granted, and the pause before it.
    next: Option<(usize, Option<Pause>)>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let (gate, left) = (self.gate.clone(), self.left.len());
        let (bytes, pause) = self.next.get_or_insert_with(|| {
            let bytes = gate.piece().min(left);
            (bytes, gate.take(bytes))
        });
        if let Some(pause) = pause {
            ready!(pause.as_mut().poll(cx));
        }
        let bytes = *bytes;
        self.next = None;
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// Exchanges the signed body for one that keeps to the limit.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) bytes: Bytes,
    pub(crate) gate: Arc<Gate>,
}

impl Intercept for Pace {
    fn name(&self) -> &'static str {
        "Pace"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let paced = Paced { left: self.bytes.clone(), gate: self.gate.clone(), next: None };
        *context.request_mut().body_mut() = SdkBody::from_body_1_x(paced);
        Ok(())
    }
}

/// Writes down the status of the answer, which the SDK does not hand on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<AtomicU16>);

impl Status {
    pub(crate) fn get(&self) -> u16 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Intercept for Status {
    fn name(&self) -> &'static str {
        "Status"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(context.response().status().as_u16(), Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::fake::FakeSleeper;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_holds_over_any_sequence() {
        let mut bucket = TokenBucket::new(1000);
        let mut now = SECOND;
        for bytes in [10, 500, 1, 1489, 3000] {
            now += bucket.take(now, bytes);
        }
        // 5,000 bytes at 1,000 a second, less the burst.
        assert_eq!(now, SECOND * 6 - BURST);
    }

    #[test]
    fn silence_is_not_saved_up() {
        let mut bucket = TokenBucket::new(1000);
        let hour = SECOND * 3600;
        assert_eq!(bucket.take(hour, 100), Duration::ZERO);
        assert_eq!(bucket.take(hour, 1000), SECOND);
        assert_eq!(bucket.take(hour + SECOND, 1000), SECOND);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut bucket = TokenBucket::new(0);
        assert!(bucket.take(SECOND, u64::MAX) > SECOND);
        assert!(bucket.take(SECOND, u64::MAX) > SECOND);
        let mut bucket = TokenBucket::new(u64::MAX);
        assert_eq!(bucket.take(SECOND, 1 << 40), Duration::ZERO);
    }

    #[test]
    fn a_paced_body_is_the_same_bytes_in_the_time_they_need() {
        let sleeper = Arc::new(FakeSleeper::default());
        let gate = Arc::new(Gate::new(100_000, sleeper.clone()));
        let bytes = Bytes::from((0..250_000u32).map(|i| i as u8).collect::<Vec<_>>());
        let mut body = Paced { left: bytes.clone(), gate, next: None };
        assert_eq!(body.size_hint().exact(), Some(250_000));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut got = Vec::new();
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            got.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(body.is_end_stream() && got == bytes);
        let took = sleeper.elapsed();
        assert!(took > SECOND * 2 && took <= SECOND.mul_f64(2.6), "{took:?}");
    }
}

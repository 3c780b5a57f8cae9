//! Bodies of requests and answers, as the server needs them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use darkslide_words::StorageClass;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::sim::Sim;
use crate::state::Charge;

/// What is left of a refused upload is read for so long, so that the client sees the answer.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a cut answer waits for its first part to be sent.
const FLUSH_TIME: Duration = Duration::from_millis(30);

/// The body of a request; what nobody reads of it is read and thrown away.
pub(super) struct Draining {
    body: Option<Incoming>,
    /// The client sends nothing before it is told to, which reading does.
    waits: bool,
}

impl Draining {
    /// `waits` if the request has `Expect: 100-continue`.
    pub fn new(body: Incoming, waits: bool) -> Self {
        Self { body: Some(body), waits }
    }
}

impl Body for Draining {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        // A client that was never told to go on would take the next request for this body.
        let waits = self.waits;
        let Some(mut body) = self.body.take().filter(|body| !waits && !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let drain = async move { while let Some(Ok(_)) = body.frame().await {} };
            runtime.spawn(tokio::time::timeout(DRAIN_TIME_MAX, drain));
        }
    }
}

/// The body of an answer: counted for the bill, and cut where a fault says so.
pub(super) struct Sent {
    inner: s3s::Body,
    sent: u64,
    cut_after: Option<u64>,
    rest: Option<Pin<Box<tokio::time::Sleep>>>,
    meter: Option<Arc<Sim>>,
    /// The class the bytes were read from.
    class: Option<StorageClass>,
}

impl Sent {
    /// Free of charge.
    pub fn of(inner: s3s::Body) -> Self {
        Self { inner, sent: 0, cut_after: None, rest: None, meter: None, class: None }
    }

    /// Counted as bytes out, and as retrieved from `class`.
    pub fn metered(inner: s3s::Body, sim: Arc<Sim>, class: Option<StorageClass>) -> Self {
        Self { inner, sent: 0, cut_after: None, rest: None, meter: Some(sim), class }
    }

    pub fn cut_after(&mut self, bytes: Option<u64>) {
        self.cut_after = bytes;
    }

    /// What of `bytes` may still go out.
    fn within_cut(&self, bytes: Bytes) -> Bytes {
        let Some(cut) = self.cut_after else { return bytes };
        let left = usize::try_from(cut.saturating_sub(self.sent)).unwrap_or(usize::MAX);
        bytes.slice(..left.min(bytes.len()))
    }
}

type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.cut_after.is_some_and(|cut| self.sent >= cut) {
            // What was given so far leaves the server only while the body is waited for.
            let rest = self.rest.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH_TIME)));
            std::task::ready!(rest.as_mut().poll(cx));
            return Poll::Ready(Some(Err("cut on purpose".into())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let frame = match frame {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        match frame.into_data() {
            Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            Ok(bytes) => {
                let bytes = self.within_cut(bytes);
                self.sent += bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.cut_after.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let Some(sim) = self.meter.take().filter(|_| self.sent > 0) else { return };
        let (sent, class) = (self.sent, self.class.take());
        sim.with(|state| {
            state.charge(Charge::Egress(sent));
            if let Some(class) = class {
                state.charge(Charge::Retrieved(class, sent));
            }
        });
    }
}

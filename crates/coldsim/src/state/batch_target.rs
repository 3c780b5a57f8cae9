//! What batch jobs do to objects, and when they run.

use darkslide_words::{StorageClass, Tier};
use s3s::S3Error;

use super::model::NewObject;
use super::objects::Conditions;
use super::restore::Wanted;
use super::{Due, Record, State};
use crate::batch::{BatchTarget, Call, Jobs, ObjectChecksum, TaskError};
use crate::bill::{Meter, RequestKind};
use crate::sums::{Algorithm, Cover, Digests, Sum};

fn task_error(error: &S3Error) -> TaskError {
    let status = error.status_code().map_or(500, |s| s.as_u16());
    (status, error.code().as_str().to_string(), error.message().unwrap_or_default().to_string())
}

impl BatchTarget for State {
    fn read_object(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Option<(Vec<u8>, String)> {
        let (version, body) = self.read(bucket, key, version).ok()?;
        let bytes = self.blobs.read(&body).ok()?;
        self.charge(super::Charge::Request(RequestKind::Get, version.class));
        Some((bytes, version.etag))
    }

    fn write_object(&mut self, bucket: &str, key: &str, body: Vec<u8>) -> bool {
        let digests = Digests::of(&body, &[]);
        let Ok(segment) = self.blobs.store(&body) else { return false };
        let sum = digests.get(Algorithm::Crc64Nvme).map(|value| Sum {
            algorithm: Algorithm::Crc64Nvme,
            value: value.to_string(),
            cover: Cover::FullObject,
        });
        let new = NewObject { body: vec![segment], etag: digests.etag(), sum, ..NewObject::default() };
        self.charge(super::Charge::Request(RequestKind::Put, StorageClass::Standard));
        let written = self.put(bucket, key, new, &Conditions::default(), "ObjectCreated:Put").is_ok();
        if !written {
            self.blobs.remove(segment.blob);
        }
        written
    }

    fn restore(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tier: Tier,
        days: Option<u32>,
    ) -> Result<(), TaskError> {
        let wanted = Wanted { tier, days, no_capacity: false };
        State::restore(self, bucket, key, version, wanted).map(drop).map_err(|error| task_error(&error))
    }

    fn checksum(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        algorithm: &str,
    ) -> Result<ObjectChecksum, TaskError> {
        let wanted = Algorithm::from_name(algorithm).ok_or_else(|| {
            (400, "InvalidRequest".to_string(), format!("the checksum algorithm {algorithm} is not simulated"))
        })?;
        let object = self.object(bucket, key, version).map_err(|error| task_error(&error))?;
        let etag = object.etag.clone();
        let bytes = self.blobs.read(&object.body);
        let bytes = bytes.map_err(|error| (500, "InternalError".to_string(), error.to_string()))?;
        let base64 = Digests::of(&bytes, &[wanted]).get(wanted).unwrap_or_default().to_string();
        Ok(ObjectChecksum { base64, etag })
    }
}

impl State {
    /// Lends jobs and meter out while jobs act on the rest of the state.
    fn with_jobs<R>(&mut self, act: impl FnOnce(&mut Jobs, &mut State, &mut Meter) -> R) -> R {
        self.settle();
        let mut jobs = std::mem::take(&mut self.jobs);
        let mut meter = std::mem::replace(&mut self.meter, Meter::new(&self.region));
        let result = act(&mut jobs, self, &mut meter);
        self.meter = meter;
        self.jobs = jobs;
        self.settle();
        if let Some(at) = self.jobs.next_due() {
            // Later than now, or a job that stays due would hold the clock up for ever.
            self.plan(at.max(self.now.plus(std::time::Duration::from_millis(1))), Due::Jobs);
        }
        self.dirty.insert(Record::Rest);
        result
    }

    /// One call to S3 Control.
    pub fn call_jobs(&mut self, call: &Call<'_>) -> (u16, String) {
        let now = self.now;
        self.with_jobs(|jobs, state, meter| jobs.handle(call, now, state, meter))
    }

    pub(super) fn run_jobs(&mut self) {
        let now = self.now;
        self.with_jobs(|jobs, state, meter| jobs.tick(now, state, meter));
    }
}

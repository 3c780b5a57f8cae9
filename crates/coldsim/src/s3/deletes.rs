//! Deletes, one by one and in bulk.

use std::sync::Arc;

use s3s::dto::{self, *};
use s3s::{S3Error, S3Request, S3Response, s3_error};

use super::Answer;
use crate::access::Identity;
use crate::sim::Sim;
use crate::state::objects::Conditions;

pub(super) fn delete_object(sim: &Arc<Sim>, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
    let input = req.input;
    let bypass = input.bypass_governance_retention == Some(true) && Identity::may_bypass(&req.extensions);
    let deleted = sim.with(|state| {
        if let Some(condition) = &input.if_match {
            let conditions = Conditions { if_match: Some(condition.clone()), if_none_match: None };
            conditions.check(state.bucket(&input.bucket)?, &input.key)?;
        }
        state.delete(&input.bucket, &input.key, input.version_id.as_deref(), bypass)
    })?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        ..Default::default()
    }))
}

pub(super) fn delete_objects(sim: &Arc<Sim>, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
    let S3Request { input, headers, extensions, .. } = req;
    if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
        return Err(s3_error!(MalformedXML, "a request deletes 1 to 1000 objects"));
    }
    let bypass = input.bypass_governance_retention == Some(true) && Identity::may_bypass(&extensions);
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    sim.with(|state| {
        state.bucket(&input.bucket)?;
        for object in &input.delete.objects {
            let id = object.version_id.as_deref();
            let allowed =
                Identity::may_delete(&extensions, sim.enforce, state, (&input.bucket, &object.key, id), &headers);
            let deleted = allowed.and_then(|()| {
                let if_match = object.e_tag.clone().map(ETagCondition::ETag);
                Conditions { if_match, if_none_match: None }.check(state.bucket(&input.bucket)?, &object.key)?;
                state.delete(&input.bucket, &object.key, id, bypass)
            });
            match deleted {
                Ok(deleted) => done.push(DeletedObject {
                    delete_marker: deleted.marker.then_some(true),
                    delete_marker_version_id: deleted.version.filter(|_| deleted.marker),
                    key: Some(object.key.clone()),
                    version_id: object.version_id.clone(),
                }),
                Err(error) => errors.push(dto::Error {
                    code: Some(error.code().as_str().to_string()),
                    key: Some(object.key.clone()),
                    message: error.message().map(str::to_string),
                    version_id: object.version_id.clone(),
                }),
            }
        }
        Ok::<_, S3Error>(())
    })?;
    let quiet = input.delete.quiet == Some(true);
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then_some(done),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

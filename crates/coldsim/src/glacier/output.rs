//! The output of a job: downloaded whole or in ranges, with a hash where there is one.

use super::model::{Format, JobKind, JobState, VaultJob};
use super::tree::Stretch;
use super::{Call, Failure, Outcome, Reply, ReplyBody};
use crate::state::State;

/// `bytes=0-1023`, `bytes=5-` and `bytes=-5` of an output of `size` bytes.
fn range_of(text: &str, size: u64) -> Outcome<Stretch> {
    let bad = || Failure::invalid(format!("Invalid range: {text}; the output has {size} bytes"));
    let (first, last) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(bad)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| bad());
    let (from, to) = match (first, last) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
    };
    if from < to { Ok(Stretch { from, to }) } else { Err(bad()) }
}

impl VaultJob {
    fn content_type(&self) -> &'static str {
        match &self.kind {
            JobKind::Archive(_) => "application/octet-stream",
            JobKind::Inventory(listing) if listing.format == Format::Csv => "text/csv",
            JobKind::Inventory(_) => "application/json",
        }
    }

    /// The tree hash of a part of the output, if the job's range and the part both have one.
    fn hash_of(&self, part: Stretch) -> Option<String> {
        let JobKind::Archive(retrieval) = &self.kind else { return None };
        let of_archive = Stretch { from: retrieval.stretch.from + part.from, to: retrieval.stretch.from + part.to };
        let aligned = retrieval.stretch.is_tree_aligned(retrieval.size) && of_archive.is_tree_aligned(retrieval.size);
        aligned.then(|| retrieval.leaves.of(part).root())
    }
}

impl State {
    pub(super) fn job_output(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let job = self.job(call)?;
        if job.progress != JobState::Succeeded {
            let id = &call.named.id;
            return Err(Failure::invalid(format!("The job is not currently available for download: {id}")));
        }
        let size = job.bytes();
        let range = call.header("range");
        let part = range.map_or(Ok(Stretch::whole(size)), |text| range_of(text, size))?;
        let mut reply = Reply::status(if range.is_some() { 206 } else { 200 });
        reply.body = ReplyBody::Stored(part.cut(&job.output));
        reply = reply.with("content-type", job.content_type()).with("accept-ranges", "bytes");
        if range.is_some() {
            reply = reply.with("content-range", format!("bytes {}/{size}", part.text()));
        }
        if let Some(hash) = job.hash_of(part) {
            reply = reply.with("x-amz-sha256-tree-hash", hash);
        }
        if let JobKind::Archive(retrieval) = &job.kind
            && let Some(description) = &retrieval.archive_description
        {
            reply = reply.with("x-amz-archive-description", description);
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_output() {
        let found = |text: &str| range_of(text, 100).ok().map(|part| (part.from, part.to));
        assert_eq!(found("bytes=0-9"), Some((0, 10)));
        assert_eq!(found("bytes=90-500"), Some((90, 100)));
        assert_eq!(found("bytes=90-"), Some((90, 100)));
        assert_eq!(found("bytes=-10"), Some((90, 100)));
        assert_eq!(found("bytes=100-101"), None);
        assert_eq!(found("lines=0-9"), None);
    }
}

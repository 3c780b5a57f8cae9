//! What this server does, found out by doing it with a few tiny objects.
//!
//! Other servers speak S3 with gaps: some drop checksums silently, some replace
//! objects in spite of `If-None-Match`. The objects lie under `probe/` and are
//! deleted where that is allowed.

use std::fmt;
use std::sync::PoisonError;

use aws_sdk_s3::types::ChecksumMode;
use bytes::Bytes;
use darkslide_store::{StoreError, ThawAsk, ThawOutcome};
use darkslide_words::{ObjectName, Temperature, Tier};
use md5::{Digest as _, Md5};

use crate::S3Store;
use crate::failure::Failure;
use crate::link::ANSWER;
use crate::put::{Parcel, Receipt, Sum};
use crate::settings::ServerFacts;

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It could not be found out; why.
    Unknown(String),
}

impl Answer {
    fn from_bool(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    fn unknown(failure: &Failure) -> Self {
        match (failure.is_denied(), failure.facts.code.as_str()) {
            (true, _) => Self::Unknown("these credentials may not".into()),
            (false, "") => Self::Unknown(failure.facts.message.clone()),
            (false, code) => Self::Unknown(code.into()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

/// What was found out about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Refuses to replace an object when asked to.
    pub create_only: Answer,
    /// Refuses bytes that do not fit their CRC64NVME.
    pub verifies_crc64: Answer,
    /// Refuses bytes that do not fit their SHA-256.
    pub verifies_sha256: Answer,
    /// Refuses bytes that do not fit their Content-MD5.
    pub verifies_md5: Answer,
    /// Gives the CRC64NVME back later.
    pub returns_crc64: Answer,
    /// Its ETag of an object is the MD5 of the bytes.
    pub etag_is_md5: Answer,
    /// These credentials can read.
    pub reads: Answer,
    /// Sends a part of an object when asked for one.
    pub ranges: Answer,
    /// Knows RestoreObject, so it may have cold classes.
    pub thaws: Answer,
    /// These credentials can delete.
    pub deletes: Answer,
    /// Objects of the probe that could not be deleted.
    pub left: Vec<ObjectName>,
}

impl Probe {
    /// Each question with its answer, for people.
    pub fn rows(&self) -> [(&'static str, &Answer); 10] {
        [
            ("refuses to replace objects", &self.create_only),
            ("verifies CRC64NVME", &self.verifies_crc64),
            ("verifies SHA-256", &self.verifies_sha256),
            ("verifies Content-MD5", &self.verifies_md5),
            ("returns CRC64NVME", &self.returns_crc64),
            ("ETag is the MD5", &self.etag_is_md5),
            ("can be read", &self.reads),
            ("sends ranges", &self.ranges),
            ("thaws", &self.thaws),
            ("deletes", &self.deletes),
        ]
    }

    /// What a store should know of the server; of what could not be found out, it
    /// assumes that it is as with Amazon S3.
    pub fn server(&self) -> ServerFacts {
        ServerFacts { create_only: self.create_only != Answer::No, thaws: self.thaws != Answer::No }
    }

    /// What to set for such a server, and what to be careful with.
    pub fn advice(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        if self.create_only == Answer::No {
            advice.push(
                "it replaces objects in spite of If-None-Match: each upload looks first; let only one machine write",
            );
        }
        match (&self.verifies_crc64, &self.verifies_sha256, &self.verifies_md5) {
            (Answer::Yes, _, _) => {}
            (_, Answer::Yes, _) => advice.push("set `checksum = \"sha256\"`: it does not verify CRC64NVME"),
            (_, _, Answer::Yes) => {
                advice.push("set `checksums = \"required\"`: of all checksums it verifies Content-MD5 only")
            }
            _ => advice.push("it verifies no checksum: bytes damaged on the way are only found by a later scrub"),
        }
        if self.thaws == Answer::No {
            advice.push("it has no cold classes: archive classes are mere labels there, and nothing has to be thawed");
        }
        if self.ranges == Answer::No {
            advice.push("it does not send ranges: restoring one photograph downloads whole packs");
        }
        advice
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().iter().try_for_each(|(question, answer)| writeln!(f, "{question:<28} {answer}"))?;
        self.advice().iter().try_for_each(|advice| writeln!(f, "{advice}"))?;
        self.left.iter().try_for_each(|name| writeln!(f, "left in the store: {name}"))
    }
}

/// One probe under way.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

struct Prober<'a> {
    store: &'a S3Store,
    /// Unique for this probe, so that the first PUT creates.
    id: &'a str,
    body: Bytes,
    /// Whether PUTs ask for create-only: not where the server refuses the question.
    guarded: bool,
    put: Vec<ObjectName>,
}

impl S3Store {
    /// Finds out what the server does, with objects called `probe/<id>…`; `id` is
    /// to be new each time. Needs the right to PUT, uses others if they are there.
    /// The store then keeps to what was found.
    pub fn probe(&self, id: &str) -> Result<Probe, StoreError> {
        let body = Bytes::from(format!("probe {id}"));
        let mut prober = Prober { store: self, id, body, guarded: true, put: Vec::new() };
        let probe = prober.run()?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = probe.server();
        Ok(probe)
    }
}

impl Prober<'_> {
    fn run(&mut self) -> Result<Probe, StoreError> {
        let first = self.name("")?;
        let right = Sum::md5(&self.body);
        let mut sent = self.send(&first, &self.body.clone(), &right);
        if sent.as_ref().is_err_and(Failure::is_not_offered) {
            self.guarded = false;
            sent = self.send(&first, &self.body.clone(), &right);
        }
        let receipt = sent.map_err(|f| self.store.error(&f, "writing", Some(&first)))?;
        let etag = receipt.etag.as_deref().map(|etag| etag.trim_matches('"') == hex(&Md5::digest(&self.body)));
        let create_only = match self.send(&first, &self.body.clone(), &right) {
            Ok(_) => Answer::No,
            Err(failure) if failure.is_taken() => Answer::Yes,
            Err(failure) => Answer::unknown(&failure),
        };
        let other = b"not what is sent";
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, other);
        let verifies_crc64 = self.refuses("-crc64", &Sum::crc64(crc))?;
        let verifies_sha256 = self.refuses("-sha256", &Sum::sha256(other))?;
        let verifies_md5 = self.refuses("-md5", &Sum::md5(other))?;
        let returns_crc64 = self.returns_crc64()?;
        let (reads, ranges) = self.reads(&first);
        let thaws = self.thaws(&first);
        let (deletes, left) = self.clean();
        let etag_is_md5 = etag.map_or_else(|| Answer::Unknown("it sends none".into()), Answer::from_bool);
        Ok(Probe {
            create_only,
            verifies_crc64,
            verifies_sha256,
            verifies_md5,
            returns_crc64,
            etag_is_md5,
            reads,
            ranges,
            thaws,
            deletes,
            left,
        })
    }

    fn name(&self, suffix: &str) -> Result<ObjectName, StoreError> {
        ObjectName::new(format!("probe/{}{suffix}", self.id)).map_err(|bad| StoreError::Setup {
            store: self.store.link.label.clone(),
            why: format!("cannot be probed: {bad}"),
            advice: "give the probe another name".into(),
        })
    }

    fn send(&mut self, name: &ObjectName, body: &Bytes, sum: &Sum) -> Result<Receipt, Failure> {
        let key = self.store.key(name);
        let class = self.store.settings.classes.of(Temperature::Hot);
        let parcel = Parcel { key: &key, body, class, sum };
        let sent = self.store.link.attempts(ANSWER, || self.store.send(&parcel, self.guarded));
        let sent = self.store.link.block(sent);
        if sent.is_ok() && !self.put.contains(name) {
            self.put.push(name.clone());
        }
        sent
    }

    /// Sends bytes with a checksum of others.
    fn refuses(&mut self, suffix: &str, wrong: &Sum) -> Result<Answer, StoreError> {
        let name = self.name(&format!("{suffix}-wrong"))?;
        Ok(match self.send(&name, &self.body.clone(), wrong) {
            Ok(_) => Answer::No,
            // Some call it a bad request only; that it was refused is what counts.
            Err(failure) if failure.is_damaged() || (failure.status() == 400 && !failure.is_not_offered()) => {
                Answer::Yes
            }
            Err(failure) => Answer::unknown(&failure),
        })
    }

    fn returns_crc64(&mut self) -> Result<Answer, StoreError> {
        let name = self.name("-crc64")?;
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &self.body);
        let ours = Sum::crc64(crc);
        let receipt = match self.send(&name, &self.body.clone(), &ours) {
            Ok(receipt) => receipt,
            Err(failure) => return Ok(Answer::unknown(&failure)),
        };
        let key = self.store.key(&name);
        let asked = self.store.link.attempts(ANSWER, || async {
            let head = self.store.s3.head_object().bucket(&self.store.settings.bucket).key(&key);
            Ok(head.checksum_mode(ChecksumMode::Enabled).send().await?)
        });
        let theirs = match self.store.link.block(asked) {
            Ok(head) => head.checksum_crc64_nvme,
            // A writer cannot ask later; the answer to its PUT says as much.
            Err(failure) if failure.is_denied() => receipt.crc64,
            Err(failure) => return Ok(Answer::unknown(&failure)),
        };
        Ok(Answer::from_bool(theirs.map(Sum::Crc64) == Some(ours)))
    }

    fn reads(&self, name: &ObjectName) -> (Answer, Answer) {
        let (bucket, key) = (&self.store.settings.bucket, self.store.key(name));
        let asked = self.store.link.attempts(ANSWER, || async {
            let answer = self.store.s3.get_object().bucket(bucket).key(&key).range("bytes=1-3").send().await?;
            Ok((answer.content_length(), answer.content_range().is_some()))
        });
        match self.store.link.block(asked) {
            Ok((length, part)) => (Answer::Yes, Answer::from_bool(part && length == Some(3))),
            Err(failure) => (Answer::unknown(&failure), Answer::unknown(&failure)),
        }
    }

    /// Asks for a thaw of what is not cold: refused everywhere, and so for free.
    fn thaws(&self, name: &ObjectName) -> Answer {
        let ask = ThawAsk { tier: Tier::Bulk, days: Some(1), span: None };
        let key = self.store.key(name);
        match self.store.link.block(self.store.link.attempts(ANSWER, || self.store.restore(&key, &ask))) {
            Ok(ThawOutcome::Started | ThawOutcome::Extended) => Answer::Yes,
            Ok(_) => Answer::No,
            Err(failure) => match failure.facts.code.as_str() {
                "InvalidObjectState" | "ObjectAlreadyInActiveTierError" | "RestoreAlreadyInProgress" => Answer::Yes,
                _ if failure.is_not_offered() => Answer::No,
                _ => Answer::unknown(&failure),
            },
        }
    }

    /// Deletes what was put, as far as it may.
    fn clean(&mut self) -> (Answer, Vec<ObjectName>) {
        let mut deletes = Answer::Yes;
        let mut left = Vec::new();
        for name in std::mem::take(&mut self.put) {
            match self.store.link.block(self.store.delete_key(&self.store.key(&name))) {
                Ok(()) => {}
                Err(failure) => {
                    deletes = if failure.is_denied() { Answer::No } else { Answer::unknown(&failure) };
                    left.push(name);
                }
            }
        }
        (deletes, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Probe {
        let yes = || Answer::Yes;
        Probe {
            create_only: yes(),
            verifies_crc64: yes(),
            verifies_sha256: yes(),
            verifies_md5: yes(),
            returns_crc64: yes(),
            etag_is_md5: yes(),
            reads: yes(),
            ranges: yes(),
            thaws: yes(),
            deletes: yes(),
            left: Vec::new(),
        }
    }

    #[test]
    fn advice_follows_from_the_answers() {
        assert!(good().advice().is_empty());
        let older = Probe { verifies_crc64: Answer::No, verifies_sha256: Answer::No, thaws: Answer::No, ..good() };
        assert_eq!(older.server(), ServerFacts { create_only: true, thaws: false });
        assert!(older.advice().iter().any(|a| a.contains("checksums = \"required\"")));
        let sha = Probe { verifies_crc64: Answer::No, ..good() };
        assert!(sha.advice().iter().any(|a| a.contains("sha256")));
        let careless = Probe { create_only: Answer::No, ..good() };
        assert_eq!(careless.server(), ServerFacts { create_only: false, thaws: true });
        assert!(careless.advice().iter().any(|a| a.contains("only one machine")));
        let unknown = Probe { deletes: Answer::Unknown("these credentials may not".into()), ..good() };
        assert!(unknown.to_string().contains("deletes                      unknown (these credentials may not)"));
    }
}

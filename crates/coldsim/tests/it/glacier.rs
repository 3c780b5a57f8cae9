//! A client of vaults, with a tree hash of its own.

use serde_json::{Value, json};

use darkslide_coldsim::{AccessKey, Options};
use darkslide_words::Time;
use s3s::crypto::{Checksum, Sha256};

use crate::client::{Bench, Client, Reply, START};

pub const MIB: usize = 1 << 20;

/// A simulator with the vault `photos`.
pub struct Vaults {
    pub bench: Bench,
    pub client: Client,
}

/// The tree hash, top down: its left half covers the largest power of two of MiB.
pub fn tree_hash(bytes: &[u8]) -> String {
    fn root(bytes: &[u8]) -> Vec<u8> {
        if bytes.len() <= MIB {
            return Sha256::checksum(bytes).to_vec();
        }
        let mut half = MIB;
        while half * 2 < bytes.len() {
            half *= 2;
        }
        Sha256::checksum(&[root(&bytes[..half]), root(&bytes[half..])].concat()).to_vec()
    }
    hex::encode(root(bytes))
}

/// Bytes that differ from place to place.
pub fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The code of an error.
pub fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or_default().to_string();
    assert_eq!(reply.header("x-amzn-errortype").unwrap_or_default(), code);
    code
}

pub fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{} {}", reply.status, reply.text()))
}

impl Vaults {
    pub fn new() -> Self {
        Self::with(Options::new(Time::from_parts(START, 0)))
    }

    pub fn with(options: Options) -> Self {
        let bench = Bench::with(options);
        let client = Client { service: "glacier", ..bench.client.clone() };
        let vaults = Self { bench, client };
        assert_eq!(vaults.call("PUT", "/-/vaults/photos", "").status, 201);
        vaults
    }

    /// A user with these policies.
    pub fn user(&self, id: &str, policies: &[&str]) -> Client {
        let policies = policies.iter().map(|text| text.to_string()).collect();
        let key = AccessKey { id: id.into(), secret: "s".into(), user: id.into(), policies, boundary: None };
        self.bench.sim.add_key(key).unwrap();
        Client { id: id.into(), secret: "s".into(), ..self.client.clone() }
    }

    pub fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        call_as(&self.client, method, path, &[], body.as_bytes())
    }

    pub fn json(&self, method: &str, path: &str, wanted: &Value) -> Reply {
        self.call(method, path, &wanted.to_string())
    }

    pub fn get(&self, path: &str) -> Value {
        let reply = self.call("GET", path, "");
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        body(&reply)
    }

    pub fn try_upload(&self, description: &str, bytes: &[u8]) -> Reply {
        let hash = tree_hash(bytes);
        let headers = [("x-amz-sha256-tree-hash", hash.as_str()), ("x-amz-archive-description", description)];
        call_as(&self.client, "POST", "/-/vaults/photos/archives", &headers, bytes)
    }

    /// The id of a new archive.
    pub fn upload(&self, description: &str, bytes: &[u8]) -> String {
        let reply = self.try_upload(description, bytes);
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("x-amz-sha256-tree-hash").unwrap(), tree_hash(bytes));
        let id = reply.header("x-amz-archive-id").unwrap().to_string();
        assert_eq!(reply.header("location").unwrap(), format!("/123456789012/vaults/photos/archives/{id}"));
        id
    }

    pub fn delete(&self, archive: &str) -> Reply {
        self.call("DELETE", &format!("/-/vaults/photos/archives/{archive}"), "")
    }

    pub fn try_job(&self, wanted: &Value) -> Reply {
        self.json("POST", "/-/vaults/photos/jobs", wanted)
    }

    /// The id of a new job.
    pub fn job(&self, wanted: &Value) -> String {
        let reply = self.try_job(wanted);
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.header("x-amz-job-id").unwrap().to_string()
    }

    pub fn retrieve(&self, archive: &str, tier: &str) -> String {
        self.job(&json!({ "Type": "archive-retrieval", "ArchiveId": archive, "Tier": tier }))
    }

    pub fn describe(&self, job: &str) -> Value {
        self.get(&format!("/-/vaults/photos/jobs/{job}"))
    }

    pub fn output(&self, job: &str, range: Option<&str>) -> Reply {
        let headers: Vec<(&str, &str)> = range.map(|range| ("range", range)).into_iter().collect();
        call_as(&self.client, "GET", &format!("/-/vaults/photos/jobs/{job}/output"), &headers, b"")
    }

    /// Asks for the inventory and waits for it.
    pub fn inventory(&self) -> Value {
        let job = self.job(&json!({ "Type": "inventory-retrieval" }));
        self.bench.advance(5 * crate::client::HOUR);
        let reply = self.output(&job, None);
        assert_eq!(reply.header("content-type").unwrap(), "application/json");
        body(&reply)
    }
}

pub fn call_as(client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let all: Vec<(&str, &str)> = headers.iter().copied().chain([("x-amz-glacier-version", "2012-06-01")]).collect();
    client.call(method, path, &all, body)
}

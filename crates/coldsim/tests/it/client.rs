//! A small S3 client: HTTP/1.1 over a socket, signature version 4. Written apart from the
//! simulator's own verification, so that the two check each other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_words::{Clock, SystemClock, Time};
use s3s::crypto::{Checksum, Sha256};

/// Noon of 2026-01-15 UTC.
pub const START: i64 = 1_768_478_400;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 86_400;

/// A simulator that runs, with a client of its administrator.
pub struct Bench {
    pub sim: ColdSim,
    pub server: Running,
    pub client: Client,
}

impl Bench {
    /// In memory, with the bucket `photos`.
    pub fn new() -> Self {
        Self::with(Options::new(Time::from_parts(START, 0)))
    }

    pub fn with(options: Options) -> Self {
        let sim = ColdSim::open(options, Arc::new(SystemClock::default())).unwrap();
        sim.create_bucket("photos").unwrap();
        let server = sim.start("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = Client::new(server.addr(), "coldsim", "coldsim-secret");
        Self { sim, server, client }
    }

    pub fn advance(&self, seconds: u64) {
        self.sim.advance(Duration::from_secs(seconds));
    }

    /// Puts an object of a class.
    pub fn put(&self, key: &str, class: &str, body: &[u8]) -> Reply {
        let reply = self.client.call("PUT", &format!("/photos/{key}"), &[("x-amz-storage-class", class)], body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    }

    pub fn get(&self, key: &str) -> Reply {
        self.client.call("GET", &format!("/photos/{key}"), &[], b"")
    }

    pub fn head(&self, key: &str) -> Reply {
        self.client.call("HEAD", &format!("/photos/{key}"), &[], b"")
    }

    pub fn restore(&self, key: &str, tier: &str, days: Option<u32>) -> Reply {
        let days = days.map(|days| format!("<Days>{days}</Days>")).unwrap_or_default();
        let body = format!(
            "<RestoreRequest>{days}<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>"
        );
        self.client.call("POST", &format!("/photos/{key}?restore"), &[], body.as_bytes())
    }

    /// Puts a configuration of the bucket.
    pub fn configure(&self, query: &str, xml: &str) -> Reply {
        self.client.call("PUT", &format!("/photos?{query}"), &[], xml.as_bytes())
    }

    pub fn enable_versions(&self) {
        let xml = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        assert_eq!(self.configure("versioning", xml).status, 200);
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands in the first element of that name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let start = text.find(&format!("<{name}>"))? + name.len() + 2;
        let end = text[start..].find(&format!("</{name}>"))?;
        Some(text[start..start + end].to_string())
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        self.element("Code").unwrap_or_default()
    }
}

/// Signs as one user.
#[derive(Clone)]
pub struct Client {
    pub addr: SocketAddr,
    pub id: String,
    pub secret: String,
    pub service: &'static str,
    /// Seconds by which the client's clock is off.
    pub skew: i64,
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut padded = key.to_vec();
    padded.resize(64, 0);
    let with = |byte: u8| padded.iter().map(|b| b ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::checksum(&[with(0x36), message.to_vec()].concat());
    Sha256::checksum(&[with(0x5c), inner.to_vec()].concat())
}

impl Client {
    pub fn new(addr: SocketAddr, id: &str, secret: &str) -> Self {
        Self { addr, id: id.into(), secret: secret.into(), service: "s3", skew: 0 }
    }

    pub fn call(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_call(method, target, headers, body).unwrap()
    }

    /// As [`Client::call`], where the connection may break.
    pub fn try_call(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
        let signed = self.signed(method, target, headers, body);
        exchange(self.addr, method, target, &signed, body)
    }

    /// The headers with those that sign.
    fn signed(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<(String, String)> {
        let now = Time::from_parts(SystemClock::default().now().seconds() + self.skew, 0).compact();
        let date = format!("{}Z", &now[..15]);
        let hash = hex::encode(Sha256::checksum(body));
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.to_string())).collect();
        all.push(("host".into(), self.addr.to_string()));
        all.push(("x-amz-date".into(), date.clone()));
        if !all.iter().any(|(name, _)| name == "x-amz-content-sha256") {
            all.push(("x-amz-content-sha256".into(), hash));
        }
        all.sort();
        let declared = all.iter().find(|(name, _)| name == "x-amz-content-sha256").unwrap().1.clone();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|p| !p.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_string() } else { format!("{pair}=") })
            .collect();
        pairs.sort();
        // All services but S3 sign a path that is encoded once more.
        let path = if self.service == "glacier" { path.replace('%', "%25") } else { path.to_string() };
        let request = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{declared}", pairs.join("&"));
        let day = &date[..8];
        let scope = format!("{day}/us-east-1/{}/aws4_request", self.service);
        let digest = hex::encode(Sha256::checksum(request.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let mut key = hmac(format!("AWS4{}", self.secret).as_bytes(), day.as_bytes());
        for step in ["us-east-1", self.service, "aws4_request"] {
            key = hmac(&key, step.as_bytes());
        }
        let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
        let id = &self.id;
        let text = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        all.push(("authorization".into(), text));
        all
    }
}

/// One request on a connection of its own.
pub fn exchange(
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(method, &answer)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what.to_string())
}

fn parse(method: &str, answer: &[u8]) -> io::Result<Reply> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| broken("no head"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let mut reply = Reply { status: status.unwrap(), headers, body: answer[end + 4..].to_vec() };
    if method == "HEAD" {
        return Ok(reply);
    }
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunked(&reply.body)?;
    } else if let Some(length) = reply.header("content-length").map(|l| l.parse::<usize>().unwrap())
        && reply.body.len() != length
    {
        return Err(broken(&format!("{} bytes of {length}", reply.body.len())));
    }
    Ok(reply)
}

fn unchunked(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").ok_or_else(|| broken("no chunk"))?;
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16).map_err(|_| broken("no size"))?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..size).ok_or_else(|| broken("half a chunk"))?);
        rest = rest.get(size + 2..).ok_or_else(|| broken("no next chunk"))?;
    }
}

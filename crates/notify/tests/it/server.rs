//! A server that writes down what it is asked and answers as it was told.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is done with the next request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answer with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Answer with this status and the request itself, and with this before it.
    Echo(u16, String),
    /// Say nothing until the other side goes.
    Hang,
    /// Close without an answer.
    Close,
    /// Something that is not HTTP.
    Garbage,
    /// Send the body of an answer for ever, slowly.
    Trickle,
}

impl Act {
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Server {
    pub url: String,
    got: Receiver<Request>,
}

impl Server {
    /// After the acts are through, everything is answered with 200.
    pub fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::start(acts, None)
    }

    /// The same over TLS, with the certificate of the folder `tls`.
    pub fn tls(acts: impl IntoIterator<Item = Act>) -> Self {
        let chain = CertificateDer::pem_file_iter(tls("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(tls("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start(acts, Some(Arc::new(config)))
    }

    fn start(acts: impl IntoIterator<Item = Act>, config: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match config {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let acts: Arc<Mutex<VecDeque<Act>>> = Arc::new(Mutex::new(acts.into_iter().collect()));
        let (send, got) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), acts, send, config) = (stream, acts.clone(), send.clone(), config.clone()) else {
                    continue;
                };
                std::thread::spawn(move || match config {
                    None => serve(stream, &acts, &send),
                    Some(config) => {
                        let tls = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(tls, stream), &acts, &send);
                    }
                });
            }
        });
        Self { url, got }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.got.try_iter().collect()
    }

    pub fn one(&self) -> Request {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

/// A file of the folder `tls`.
pub fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

fn serve(stream: impl Read + Write, acts: &Mutex<VecDeque<Act>>, send: &Sender<Request>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let whole = format!("{} {:?} {}", request.path, request.headers, String::from_utf8_lossy(&request.body));
        send.send(request).ok();
        let act = acts.lock().unwrap().pop_front().unwrap_or_else(|| Act::status(200));
        let act = match act {
            Act::Echo(status, first) => Act::Answer(status, Vec::new(), format!("{first} {whole}")),
            other => other,
        };
        let out = stream.get_mut();
        match act {
            Act::Answer(status, headers, body) => {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let text = format!("HTTP/1.1 {status} Word\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
                if out.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Act::Hang => {
                // Ends when the other side closes.
                let _ = out.read(&mut [0]);
                return;
            }
            Act::Close | Act::Echo(..) => return,
            Act::Garbage => {
                let _ = out.write_all(b"220 mail.example ESMTP\r\n");
                return;
            }
            Act::Trickle => {
                let _ = out.write_all(b"HTTP/1.1 500 Word\r\ntransfer-encoding: chunked\r\n\r\n");
                while out.write_all(b"1\r\nx\r\n").and_then(|()| out.flush()).is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return;
            }
        }
    }
}

fn read(stream: &mut BufReader<impl Read>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_string()),
            None => break,
        };
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

#[test]
fn it_answers_by_itself() {
    let server = Server::new([Act::status(503)]);
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.write_all(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 503 Word\r\n");
    assert_eq!(server.one().body, b"hi");
}

//! Somebody who asks the API of a world's page, over a plain connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use darkslide_web::{Role, Server};
use serde_json::Value;

use crate::world::World;

/// A page that is served, and a token for it.
pub struct Asked {
    server: Server,
    token: String,
}

impl Asked {
    /// As an operator.
    pub fn new(world: &World) -> Self {
        Self::with_role(world, Role::Operator)
    }

    /// In a role.
    pub fn with_role(world: &World, role: Role) -> Self {
        let token = world.token(&format!("{role:?}").to_lowercase(), role);
        Self { server: world.serve(), token }
    }

    /// Ends the page.
    pub fn stop(self) {
        self.server.stop();
    }

    /// Status and body of an answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = self.server.url();
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let mut line = TcpStream::connect(host).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let text = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        write!(
            line,
            "{method} /api/v1{path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n{kind}Content-Length: {}\r\n\r\n{text}",
            self.token,
            text.len()
        )
        .unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// What is there.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What came of doing something.
    pub fn post(&self, path: &str, body: Value) -> Value {
        let (status, told) = self.ask("POST", path, Some(&body));
        assert!(status < 300, "{path}: {status} {told}");
        told
    }

    /// The same without a body.
    pub fn press(&self, path: &str) -> Value {
        let (status, told) = self.ask("POST", path, None);
        assert!(status < 300, "{path}: {status} {told}");
        told
    }

    /// A task, once it has ended.
    pub fn ended(&self, task: &Value) -> Value {
        for _ in 0..600 {
            let all = self.get("/tasks");
            let found = all.as_array().unwrap().iter().find(|one| one["task"] == task["task"]).unwrap().clone();
            if found["state"] != "going on" {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{task} does not end");
    }
}

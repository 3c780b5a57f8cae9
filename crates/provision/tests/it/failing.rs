//! Lets the n-th writing call of a real client fail after it was done: its answer is lost.

use std::sync::atomic::{AtomicU32, Ordering};

use darkslide_provision::cloud::{
    Caller, Cloud, CloudError, Contents, Decision, Item, KeyId, KeyInfo, KeyState, LastUse, NewKey, Question, Thing,
};
use darkslide_provision::desired::{IamName, IamPath};
use serde_json::Value;

pub struct Failing<'a> {
    inner: &'a dyn Cloud,
    at: u32,
    writes: AtomicU32,
}

impl<'a> Failing<'a> {
    pub fn new(inner: &'a dyn Cloud, at: u32) -> Self {
        Self { inner, at, writes: AtomicU32::new(0) }
    }

    pub fn writes(&self) -> u32 {
        self.writes.load(Ordering::SeqCst)
    }

    fn lost<T>(&self, done: Result<T, CloudError>) -> Result<T, CloudError> {
        let n = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match n == self.at {
            true => Err(CloudError::NoAnswer { call: "a write", thing: "something".into(), message: "lost".into() }),
            false => done,
        }
    }
}

impl Cloud for Failing<'_> {
    fn caller(&self) -> Result<Caller, CloudError> {
        self.inner.caller()
    }
    fn read(&self, item: &Item) -> Result<Option<Value>, CloudError> {
        self.inner.read(item)
    }
    fn write(&self, item: &Item, state: &Value) -> Result<(), CloudError> {
        self.lost(self.inner.write(item, state))
    }
    fn delete(&self, item: &Item) -> Result<(), CloudError> {
        self.lost(self.inner.delete(item))
    }
    fn users(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.inner.users(path)
    }
    fn roles(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.inner.roles(path)
    }
    fn contents(&self, thing: &Thing) -> Result<Contents, CloudError> {
        self.inner.contents(thing)
    }
    fn keys(&self, user: &IamName) -> Result<Vec<KeyInfo>, CloudError> {
        self.inner.keys(user)
    }
    fn key_last_use(&self, key: &KeyId) -> Result<Option<LastUse>, CloudError> {
        self.inner.key_last_use(key)
    }
    fn create_key(&self, user: &IamName) -> Result<NewKey, CloudError> {
        self.lost(self.inner.create_key(user))
    }
    fn set_key(&self, user: &IamName, key: &KeyId, state: KeyState) -> Result<(), CloudError> {
        self.lost(self.inner.set_key(user, key, state))
    }
    fn delete_key(&self, user: &IamName, key: &KeyId) -> Result<(), CloudError> {
        self.lost(self.inner.delete_key(user, key))
    }
    fn simulate(&self, arn: &str, questions: &[Question], policy: Option<&Value>) -> Result<Vec<Decision>, CloudError> {
        self.inner.simulate(arn, questions, policy)
    }
}

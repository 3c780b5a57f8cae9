//! A double of AWS: an account in memory that refuses what AWS refuses, and in which any call can fail.
//!
//! What it models: a setting needs its thing, a user is made once, two keys at most, a bucket or user
//! goes only when nothing hangs on it, a notification needs a destination that lets it in, a boundary
//! has to exist. What it does not: who may call, how long AWS takes to agree with itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use darkslide_words::Time;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::cloud::{
    Aspect, Caller, Cloud, CloudError, Contents, Decision, Item, KeyId, KeyInfo, KeyState, LastUse, NewKey, Question,
    Thing,
};
use crate::desired::{AccountId, IamName, IamPath};

/// How the n-th call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// It never arrives.
    Before,
    /// It is done, and its answer is lost.
    After,
}

/// A key, its last use, and how it may be used.
#[derive(Debug, Clone, PartialEq)]
struct ModelKey {
    user: IamName,
    info: KeyInfo,
    last_use: Option<LastUse>,
}

#[derive(Debug, Default)]
struct State {
    settings: BTreeMap<Item, Value>,
    keys: Vec<ModelKey>,
    contents: BTreeMap<Thing, String>,
    made: u32,
    calls: u32,
    log: Vec<String>,
    fails: Option<(u32, Fails)>,
    new_customers_refused: bool,
}

/// What the policy simulator says to an identity's question.
pub type Simulator = dyn Fn(&str, &Question) -> Decision + Send + Sync;

/// The account.
pub struct ModelCloud {
    account: AccountId,
    state: Mutex<State>,
    simulator: Option<Box<Simulator>>,
}

impl std::fmt::Debug for ModelCloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelCloud").field("account", &self.account).finish_non_exhaustive()
    }
}

impl ModelCloud {
    /// An empty account.
    pub fn new(account: AccountId) -> Self {
        Self { account, state: Mutex::default(), simulator: None }
    }

    /// The same, with a policy simulator; without one all is denied.
    pub fn simulating(self, simulator: Box<Simulator>) -> Self {
        Self { simulator: Some(simulator), ..self }
    }

    /// From now on the n-th call fails, counted from 1; once.
    pub fn fail_at(&self, call: u32, how: Fails) {
        let mut state = self.lock();
        state.calls = 0;
        state.fails = Some((call, how));
    }

    /// Calls since the last [`ModelCloud::fail_at`].
    pub fn calls(&self) -> u32 {
        self.lock().calls
    }

    /// The writing calls, in their order.
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// All settings as they are.
    pub fn settings(&self) -> BTreeMap<Item, Value> {
        self.lock().settings.clone()
    }

    /// Ids and owners of all keys.
    pub fn all_keys(&self) -> Vec<(IamName, KeyId)> {
        self.lock().keys.iter().map(|key| (key.user.clone(), key.info.id.clone())).collect()
    }

    /// Somebody else changes a setting; nothing removes it.
    pub fn meddle(&self, item: Item, value: Option<Value>) {
        let mut state = self.lock();
        match value {
            Some(value) => state.settings.insert(item, value),
            None => state.settings.remove(&item),
        };
    }

    /// Puts data into a bucket or vault; an empty word takes it out.
    pub fn fill(&self, thing: Thing, what: &str) {
        let mut state = self.lock();
        match what.is_empty() {
            true => state.contents.remove(&thing),
            false => state.contents.insert(thing, what.to_string()),
        };
    }

    /// Somebody works with a key.
    pub fn use_key(&self, id: &KeyId) {
        let mut state = self.lock();
        let last = LastUse { at: Time(0), service: "s3".into() };
        state.keys.iter_mut().filter(|key| key.info.id == *id).for_each(|key| key.last_use = Some(last.clone()));
    }

    /// Amazon Glacier answers as it does to new accounts.
    pub fn refuse_vaults(&self) {
        self.lock().new_customers_refused = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: counted, and failed where that is asked for.
    fn call<T>(
        &self,
        call: &'static str,
        thing: &dyn std::fmt::Display,
        work: impl FnOnce(&mut State) -> Result<T, (&'static str, String)>,
    ) -> Result<T, CloudError> {
        let mut state = self.lock();
        state.calls += 1;
        let fails = state.fails.filter(|(at, _)| *at == state.calls).map(|(_, how)| how);
        let thing = thing.to_string();
        let lost = || CloudError::NoAnswer { call, thing: thing.clone(), message: "the line broke".into() };
        if fails == Some(Fails::Before) {
            return Err(lost());
        }
        let done = work(&mut state);
        if fails == Some(Fails::After) {
            return Err(lost());
        }
        done.map_err(|(code, message)| CloudError::Refused { call, thing: thing.clone(), code: code.into(), message })
    }

    fn below(state: &State, path: &IamPath, is: fn(&Thing) -> Option<&IamName>) -> Vec<IamName> {
        let own = state.settings.iter().filter(|(item, _)| item.aspect == Aspect::Itself);
        let at = own.filter(|(_, value)| value["path"].as_str().is_some_and(|at| at.starts_with(path.as_str())));
        at.filter_map(|(item, _)| is(&item.thing).cloned()).collect()
    }
}

type Refusal = (&'static str, String);

fn none(thing: &Thing) -> Refusal {
    ("NoSuchEntity", format!("{thing} does not exist"))
}

impl State {
    fn there(&self, thing: &Thing) -> bool {
        self.settings.contains_key(&Item::new(thing.clone(), Aspect::Itself))
    }

    fn vaults(&self, thing: &Thing) -> Result<(), Refusal> {
        match (self.new_customers_refused, thing) {
            (true, Thing::Vault(_) | Thing::Retrieval) => {
                Err(("NoLongerSupportedException", "This API is no longer supported for new accounts.".into()))
            }
            _ => Ok(()),
        }
    }

    fn make(&mut self, thing: &Thing, made: &Value) -> Result<(), Refusal> {
        if self.there(thing) {
            return Err(("EntityAlreadyExists", format!("{thing} is there already")));
        }
        if let Some(arn) = made["boundary"].as_str() {
            self.boundary(arn)?;
        }
        let mut itself = json!({});
        for (key, aspect) in [
            ("tags", Aspect::Tags),
            ("boundary", Aspect::Boundary),
            ("trust", Aspect::Trust),
            ("document", Aspect::Policy),
        ] {
            if !made[key].is_null() {
                self.settings.insert(Item::new(thing.clone(), aspect), made[key].clone());
            }
        }
        if !made["path"].is_null() {
            itself["path"] = made["path"].clone();
        }
        self.settings.insert(Item::new(thing.clone(), Aspect::Itself), itself);
        if let Thing::Bucket(_) = thing {
            // As AWS has it since 2023.
            self.settings.insert(Item::new(thing.clone(), Aspect::Ownership), json!("BucketOwnerEnforced"));
            self.settings.insert(Item::new(thing.clone(), Aspect::Encryption), json!({"algorithm": "AES256"}));
        }
        Ok(())
    }

    fn boundary(&self, arn: &str) -> Result<(), Refusal> {
        let ours = |item: &&Item| matches!(&item.thing, Thing::Policy(path, name) if arn.ends_with(&format!("policy{path}{name}")));
        match self.settings.keys().any(|item| ours(&item)) {
            true => Ok(()),
            false => Err(("NoSuchEntity", format!("policy {arn} does not exist"))),
        }
    }

    /// A destination of notifications has to be there and let the sender in.
    fn destination(&self, arn: &str) -> Result<(), Refusal> {
        let name = arn.rsplit(':').next().unwrap_or_default();
        let is_it = |thing: &Thing| match thing {
            Thing::Queue(at) | Thing::Topic(at) => at.as_str() == name,
            _ => false,
        };
        let open = self.settings.keys().any(|item| is_it(&item.thing) && item.aspect == Aspect::Policy);
        if open { Ok(()) } else { Err(("InvalidArgument", format!("Unable to validate the destination {arn}"))) }
    }

    fn set(&mut self, item: &Item, value: &Value) -> Result<(), Refusal> {
        let thing = &item.thing;
        self.vaults(thing)?;
        match &item.aspect {
            Aspect::Itself => return self.make(thing, value),
            Aspect::Limit => {}
            _ if !self.there(thing) => return Err(none(thing)),
            Aspect::Tags => {
                let there = self.settings.entry(item.clone()).or_insert_with(|| json!({}));
                if let (Some(there), Some(new)) = (there.as_object_mut(), value.as_object()) {
                    there.extend(new.clone());
                }
                return Ok(());
            }
            Aspect::Boundary => self.boundary(value.as_str().unwrap_or_default())?,
            Aspect::Lock if matches!(item.thing, Thing::Bucket(_)) => {
                let versioning = self.settings.get(&Item::new(thing.clone(), Aspect::Versioning));
                if versioning != Some(&json!("Enabled")) {
                    return Err(("InvalidBucketState", "Versioning must be 'Enabled'".into()));
                }
            }
            Aspect::Notifications => {
                let rules = value["rules"].as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                for arn in rules.iter().filter_map(|rule| rule["queue"].as_str().or(rule["topic"].as_str())) {
                    self.destination(arn)?;
                }
            }
            _ => {}
        }
        self.settings.insert(item.clone(), value.clone());
        Ok(())
    }

    fn remove(&mut self, item: &Item) -> Result<(), Refusal> {
        self.vaults(&item.thing)?;
        if item.aspect == Aspect::Itself {
            let thing = &item.thing;
            if let Some(what) = self.contents.get(thing) {
                return Err(("BucketNotEmpty", format!("{thing} holds {what}")));
            }
            if let Thing::User(user) = thing {
                let policy = self.settings.contains_key(&Item::new(thing.clone(), Aspect::Policy));
                if policy || self.keys.iter().any(|key| key.user == *user) {
                    return Err((
                        "DeleteConflict",
                        "Cannot delete entity, must delete keys and policies first.".into(),
                    ));
                }
            }
            self.settings.retain(|other, _| other.thing != *thing);
        }
        self.settings.remove(item);
        Ok(())
    }
}

impl Cloud for ModelCloud {
    fn caller(&self) -> Result<Caller, CloudError> {
        let arn = format!("arn:aws:iam::{}:user/somebody", self.account);
        self.call("GetCallerIdentity", &"the account", |_| Ok(Caller { account: self.account.clone(), arn }))
    }

    fn read(&self, item: &Item) -> Result<Option<Value>, CloudError> {
        self.call("Read", item, |state| {
            state.vaults(&item.thing)?;
            Ok(state.settings.get(item).cloned())
        })
    }

    fn write(&self, item: &Item, value: &Value) -> Result<(), CloudError> {
        self.call("Write", item, |state| {
            state.log.push(format!("write {item}"));
            state.set(item, value)
        })
    }

    fn delete(&self, item: &Item) -> Result<(), CloudError> {
        self.call("Delete", item, |state| {
            state.log.push(format!("delete {item}"));
            state.remove(item)
        })
    }

    fn users(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.call("ListUsers", path, |state| {
            Ok(Self::below(state, path, |thing| match thing {
                Thing::User(name) => Some(name),
                _ => None,
            }))
        })
    }

    fn roles(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        self.call("ListRoles", path, |state| {
            Ok(Self::below(state, path, |thing| match thing {
                Thing::Role(name) => Some(name),
                _ => None,
            }))
        })
    }

    fn contents(&self, thing: &Thing) -> Result<Contents, CloudError> {
        self.call("List", thing, |state| {
            Ok(state.contents.get(thing).map_or(Contents::Nothing, |what| Contents::Data(what.clone())))
        })
    }

    fn keys(&self, user: &IamName) -> Result<Vec<KeyInfo>, CloudError> {
        self.call("ListAccessKeys", user, |state| match state.there(&Thing::User(user.clone())) {
            true => Ok(state.keys.iter().filter(|key| key.user == *user).map(|key| key.info.clone()).collect()),
            false => Err(none(&Thing::User(user.clone()))),
        })
    }

    fn key_last_use(&self, id: &KeyId) -> Result<Option<LastUse>, CloudError> {
        self.call("GetAccessKeyLastUsed", id, |state| {
            Ok(state.keys.iter().find(|key| key.info.id == *id).and_then(|key| key.last_use.clone()))
        })
    }

    fn create_key(&self, user: &IamName) -> Result<NewKey, CloudError> {
        self.call("CreateAccessKey", user, |state| {
            state.log.push(format!("create key of {user}"));
            if !state.there(&Thing::User(user.clone())) {
                return Err(none(&Thing::User(user.clone())));
            }
            if state.keys.iter().filter(|key| key.user == *user).count() >= 2 {
                return Err(("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2".into()));
            }
            state.made += 1;
            let id = KeyId(format!("AKIAMODEL{:011}", state.made));
            let info = KeyInfo { id: id.clone(), state: KeyState::Active, created: None };
            state.keys.push(ModelKey { user: user.clone(), info, last_use: None });
            Ok(NewKey { id, secret: SecretString::from(format!("model-secret-{}", state.made)) })
        })
    }

    fn set_key(&self, user: &IamName, id: &KeyId, to: KeyState) -> Result<(), CloudError> {
        self.call("UpdateAccessKey", user, |state| {
            state.log.push(format!("{id} of {user}: {to:?}"));
            state.keys.iter_mut().filter(|key| key.info.id == *id).for_each(|key| key.info.state = to);
            Ok(())
        })
    }

    fn delete_key(&self, user: &IamName, id: &KeyId) -> Result<(), CloudError> {
        self.call("DeleteAccessKey", user, |state| {
            state.log.push(format!("delete {id} of {user}"));
            state.keys.retain(|key| key.info.id != *id);
            Ok(())
        })
    }

    fn simulate(&self, who: &str, questions: &[Question], _: Option<&Value>) -> Result<Vec<Decision>, CloudError> {
        let answer = |question| self.simulator.as_ref().map_or(Decision::Denied, |simulator| simulator(who, question));
        self.call("SimulatePrincipalPolicy", &who, |_| Ok(questions.iter().map(answer).collect()))
    }
}

//! Access keys: made, handed over once, exchanged for another.
//!
//! **Invariant:** a key counts as handed over when its file is durable (or it was shown) and the user's
//! tag says so, in this order. A key that nobody was given is deleted by the next run, unless somebody
//! has used it. No secret is in a tag, a plan, a message or a row.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::ProvisionError;
use crate::cloud::{Aspect, Cloud, CloudError, Item, KeyId, KeyInfo, KeyState, LastUse, NewKey, Thing};
use crate::desired::IamName;
use crate::wanted::{KEY_TAG, OLD_KEY_TAG};

mod file;
mod keyring;

pub use file::{KeyFiles, read_key_file};
pub use keyring::Keyring;

/// AWS's maximum for a user.
const KEYS_MAX: usize = 2;
/// Attempts to use a new key: AWS takes some seconds until all its servers know it.
const PROOFS: u32 = 12;

/// Which of a user's two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The key in use.
    Current,
    /// Its successor, until it is proven.
    Next,
}

/// Where secrets go: a folder, or somebody's screen.
pub trait KeyKeeper: Send + Sync {
    /// Which key is kept for the user; nothing where none is, or where it cannot be asked.
    fn held(&self, user: &IamName, slot: Slot) -> Result<Option<KeyId>, ProvisionError>;

    /// Reads a kept key back; nothing where it cannot be.
    fn read(&self, user: &IamName, slot: Slot) -> Result<Option<NewKey>, ProvisionError>;

    /// Keeps it, durable before this returns; says where. Refuses to replace another one.
    fn keep(&self, user: &IamName, slot: Slot, key: &NewKey) -> Result<String, ProvisionError>;

    /// Makes the successor the current one; says where it is now.
    fn promote(&self, user: &IamName) -> Result<String, ProvisionError>;

    /// Lets go of a key that AWS has deleted; another one is not touched.
    fn forget(&self, user: &IamName, key: &KeyId) -> Result<(), ProvisionError>;
}

/// Keeps nothing and takes nothing: for looking.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unkept;

impl KeyKeeper for Unkept {
    fn held(&self, _: &IamName, _: Slot) -> Result<Option<KeyId>, ProvisionError> {
        Ok(None)
    }

    fn read(&self, _: &IamName, _: Slot) -> Result<Option<NewKey>, ProvisionError> {
        Ok(None)
    }

    fn keep(&self, user: &IamName, _: Slot, _: &NewKey) -> Result<String, ProvisionError> {
        Err(ProvisionError::NotConfigured {
            what: format!("place for the key of {user}"),
            advice: "set `keys` of [cloud] to a folder".into(),
        })
    }

    fn promote(&self, _: &IamName) -> Result<String, ProvisionError> {
        Ok(String::new())
    }

    fn forget(&self, _: &IamName, _: &KeyId) -> Result<(), ProvisionError> {
        Ok(())
    }
}

/// Tries a key out.
pub trait KeyProver: Send + Sync {
    /// An error in words where the key does not work yet.
    fn works(&self, key: &NewKey) -> Result<(), String>;
    /// Waits.
    fn pause(&self, span: Duration);
}

/// One key of a user, and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyUse {
    /// The key.
    pub info: KeyInfo,
    /// When it was last used; nothing where it never was.
    pub last_use: Option<LastUse>,
}

/// All that is known of a user's keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyFacts {
    /// Those that AWS lists.
    pub there: Vec<KeyUse>,
    /// The one that the user's tag tells to be handed over.
    pub noted: Option<KeyId>,
    /// The one that is kept here.
    pub held: Option<KeyId>,
    /// The one whose place the noted one has taken, by the user's tag.
    pub old: Option<KeyId>,
}

/// What has to be done about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyNext {
    /// Nothing.
    Leave(KeyId),
    /// The note alone.
    Confirm(KeyId),
    /// A key; those that nobody was given go first.
    Create { lost: Vec<KeyId> },
    /// Nothing can be: others made as many keys as fit.
    Crowded(Vec<String>),
}

impl KeyFacts {
    /// Looks.
    pub(crate) fn read(
        user: &IamName,
        tags: Option<&Value>,
        cloud: &dyn Cloud,
        keeper: &dyn KeyKeeper,
    ) -> Result<Self, ProvisionError> {
        let mut there = Vec::new();
        for info in cloud.keys(user)? {
            let last_use = cloud.key_last_use(&info.id)?;
            there.push(KeyUse { info, last_use });
        }
        let tag = |name: &str| tags.and_then(|tags| tags[name].as_str()).map(|id| KeyId(id.to_string()));
        Ok(Self { there, noted: tag(KEY_TAG), held: keeper.held(user, Slot::Current)?, old: tag(OLD_KEY_TAG) })
    }

    fn has(&self, id: &KeyId) -> bool {
        self.there.iter().any(|key| key.info.id == *id)
    }

    pub(crate) fn next(&self) -> KeyNext {
        let held = self.held.as_ref().filter(|id| self.has(id));
        let noted = self.noted.as_ref().filter(|id| self.has(id));
        match (held, noted) {
            // The file is what the machine uses.
            (Some(held), noted) if noted != Some(held) => return KeyNext::Confirm(held.clone()),
            (_, Some(noted)) => return KeyNext::Leave(noted.clone()),
            _ => {}
        }
        let (used, lost): (Vec<&KeyUse>, Vec<&KeyUse>) = self.there.iter().partition(|key| key.last_use.is_some());
        match &used[..] {
            // Somebody got it, on paper or on a screen, and works with it.
            [one] if self.held.is_none() => KeyNext::Confirm(one.info.id.clone()),
            used if used.len() >= KEYS_MAX => {
                KeyNext::Crowded(used.iter().map(|key| key.info.id.to_string()).collect())
            }
            _ => KeyNext::Create { lost: lost.into_iter().map(|key| key.info.id.clone()).collect() },
        }
    }

    /// For the plan: ids and last uses.
    pub(crate) fn shown(&self) -> Option<Value> {
        let one = |key: &KeyUse| {
            let used = key
                .last_use
                .as_ref()
                .map_or("never used".into(), |last| format!("last used {} with {}", last.at, last.service));
            let noted = if self.noted.as_ref() == Some(&key.info.id) { "handed over, " } else { "" };
            let state = if key.info.state == KeyState::Inactive { "inactive, " } else { "" };
            format!("{}: {noted}{state}{used}", key.info.id)
        };
        (!self.there.is_empty()).then(|| json!(self.there.iter().map(one).collect::<Vec<_>>()))
    }
}

/// Makes sure that the user has one key, and somebody has it. Says where a new one went.
pub(crate) fn settle(
    user: &IamName,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
) -> Result<Option<String>, ProvisionError> {
    let tags = cloud.read(&Item::new(Thing::User(user.clone()), Aspect::Tags))?;
    let facts = KeyFacts::read(user, tags.as_ref(), cloud, keeper)?;
    match facts.next() {
        KeyNext::Leave(_) | KeyNext::Crowded(_) => Ok(None),
        KeyNext::Confirm(id) => {
            note(user, &id, facts.noted.as_ref(), cloud)?;
            Ok(None)
        }
        KeyNext::Create { lost } => {
            for id in &lost {
                cloud.delete_key(user, id)?;
            }
            let (id, place) = make(user, Slot::Current, cloud, keeper)?;
            note(user, &id, None, cloud)?;
            Ok(Some(place))
        }
    }
}

/// A new key, handed over; what cannot be handed over is deleted again.
fn make(
    user: &IamName,
    slot: Slot,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
) -> Result<(KeyId, String), ProvisionError> {
    let key = cloud.create_key(user)?;
    match keeper.keep(user, slot, &key) {
        Ok(place) => Ok((key.id, place)),
        Err(error) => {
            // Where this fails too, the next run finds a key that nobody has, and deletes it.
            let _ = cloud.delete_key(user, &key.id);
            Err(error)
        }
    }
}

/// Notes who has which key, and whose place it has taken: that one can go.
fn note(user: &IamName, id: &KeyId, before: Option<&KeyId>, cloud: &dyn Cloud) -> Result<(), CloudError> {
    let mut tags = json!({ KEY_TAG: id.0 });
    if let Some(before) = before.filter(|before| *before != id) {
        tags[OLD_KEY_TAG] = json!(before.0);
    }
    cloud.write(&Item::new(Thing::User(user.clone()), Aspect::Tags), &tags)
}

/// What becomes of the key that was in use before a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldKey {
    /// It is switched off, and deleted: whoever used it reads the new one from the same place.
    Deleted,
    /// It works on, until whoever holds it elsewhere has the new one, and the rotation is finished.
    Kept,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// Whose keys.
    pub user: String,
    /// The new key.
    pub new: KeyId,
    /// Where its secret went.
    pub place: String,
    /// The keys that are gone, with their last use.
    pub gone: Vec<KeyUse>,
    /// The keys that work on, with their last use.
    pub kept: Vec<KeyUse>,
}

/// A second key, handed over and proven; then the first one off, then away, where it is in no other hands. What was
/// cut off goes on.
pub fn rotate(
    user: &IamName,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
    prover: &dyn KeyProver,
    old: OldKey,
) -> Result<Rotated, ProvisionError> {
    let facts = of_user(user, cloud, keeper)?;
    if let (OldKey::Kept, Some(waits)) = (old, facts.old.as_ref().filter(|id| facts.has(id))) {
        return Err(ProvisionError::RotationUnderWay { user: user.to_string(), old: waits.to_string() });
    }
    let key = successor(user, &facts, cloud, keeper)?;
    prove(user, &key, prover)?;
    let place = keeper.promote(user)?;
    note(user, &key.id, facts.noted.as_ref(), cloud)?;
    let mut done = Rotated { user: user.to_string(), new: key.id.clone(), place, gone: Vec::new(), kept: Vec::new() };
    match old {
        OldKey::Deleted => done.gone = end_others(user, &key.id, cloud, keeper, &|| prove(user, &key, prover))?,
        OldKey::Kept => {
            let there = KeyFacts::read(user, None, cloud, keeper)?.there;
            done.kept = there.into_iter().filter(|other| other.info.id != key.id).collect();
        }
    }
    Ok(done)
}

/// Ends a rotation whose old key was kept: the noted key stays, the others go.
pub fn finish_rotation(
    user: &IamName,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
    prover: &dyn KeyProver,
) -> Result<Rotated, ProvisionError> {
    let facts = of_user(user, cloud, keeper)?;
    let Some(id) = facts.noted.clone().filter(|id| facts.has(id)) else {
        let (what, advice) =
            (format!("rotation of {user} to finish"), format!("`darkslide cloud rotate {user}` begins one"));
        return Err(ProvisionError::NotConfigured { what, advice });
    };
    // It can be tried only where it is at hand; on a screen it was somebody else's to try.
    let held = keeper.read(user, Slot::Current)?.filter(|key| key.id == id);
    let works = || held.as_ref().map_or(Ok(()), |key| prove(user, key, prover));
    works()?;
    let gone = end_others(user, &id, cloud, keeper, &works)?;
    Ok(Rotated { user: user.to_string(), new: id, place: "where it was".into(), gone, kept: Vec::new() })
}

fn of_user(user: &IamName, cloud: &dyn Cloud, keeper: &dyn KeyKeeper) -> Result<KeyFacts, ProvisionError> {
    let tags = cloud.read(&Item::new(Thing::User(user.clone()), Aspect::Tags))?;
    if tags.is_none() {
        let (what, advice) = (format!("user {user}"), "run `darkslide cloud apply` first".into());
        return Err(ProvisionError::NotConfigured { what, advice });
    }
    KeyFacts::read(user, tags.as_ref(), cloud, keeper)
}

/// Switches all keys but one off, and deletes them.
fn end_others(
    user: &IamName,
    stays: &KeyId,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
    works: &dyn Fn() -> Result<(), ProvisionError>,
) -> Result<Vec<KeyUse>, ProvisionError> {
    let mut gone = Vec::new();
    for old in KeyFacts::read(user, None, cloud, keeper)?.there {
        if old.info.id == *stays {
            continue;
        }
        if old.info.state == KeyState::Active {
            cloud.set_key(user, &old.info.id, KeyState::Inactive)?;
            // Off is not gone yet: if the new one fails now, the old one comes back.
            if let Err(error) = works() {
                cloud.set_key(user, &old.info.id, KeyState::Active)?;
                return Err(error);
            }
        }
        cloud.delete_key(user, &old.info.id)?;
        gone.push(old);
    }
    Ok(gone)
}

/// The second key: that of a rotation that was cut off, or a new one.
fn successor(
    user: &IamName,
    facts: &KeyFacts,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
) -> Result<NewKey, ProvisionError> {
    for slot in [Slot::Next, Slot::Current] {
        let known = keeper.read(user, slot)?.filter(|key| facts.has(&key.id));
        // Kept, but not yet noted: a rotation ended between the two.
        let begun =
            slot == Slot::Next || (facts.noted.is_some() && known.as_ref().map(|key| &key.id) != facts.noted.as_ref());
        if let (Some(key), true) = (known, begun) {
            return Ok(key);
        }
    }
    let is_lost = |key: &&KeyUse| {
        let id = Some(&key.info.id);
        let in_use = facts.noted.as_ref() == id || facts.held.as_ref() == id;
        // Nobody was given it, or an earlier rotation has put another in its place.
        !in_use && (key.last_use.is_none() || facts.old.as_ref() == id)
    };
    let lost: Vec<&KeyUse> = facts.there.iter().filter(is_lost).collect();
    if facts.there.len() - lost.len() >= KEYS_MAX {
        let keys = facts.there.iter().map(|key| key.info.id.to_string()).collect::<Vec<_>>().join(", ");
        let advice = "delete the one that nobody needs, then run the command again".into();
        return Err(ProvisionError::TwoKeys { user: user.to_string(), keys, advice });
    }
    for key in lost {
        cloud.delete_key(user, &key.info.id)?;
    }
    let key = cloud.create_key(user)?;
    match keeper.keep(user, Slot::Next, &key) {
        Ok(_) => Ok(key),
        Err(error) => {
            let _ = cloud.delete_key(user, &key.id);
            Err(error)
        }
    }
}

/// Tries a key until it works, for about a minute.
pub fn prove(user: &IamName, key: &NewKey, prover: &dyn KeyProver) -> Result<(), ProvisionError> {
    let mut why = String::new();
    for attempt in 0..PROOFS {
        match prover.works(key) {
            Ok(()) => return Ok(()),
            Err(said) => why = said,
        }
        prover.pause(Duration::from_secs(u64::from(attempt + 1)));
    }
    Err(ProvisionError::KeyUnproven { user: user.to_string(), key: key.id.to_string(), why })
}

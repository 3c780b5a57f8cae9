//! A store whose process dies at the n-th call: it panics, and so does every call after it, until
//! another process is begun.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError};

use darkslide_engine::words::{ObjectName, Readable, Span, Time};
use darkslide_store::vault::Vault;
use darkslide_store::{
    BulkEngine, Capabilities, Mending, OnListed, Payload, PutFacts, PutOutcome, ReadOutcome, Store, StoreError,
    StoredSum, ThawAsk, ThawOutcome, Warmed,
};

const DEATH: &str = "the process was killed here";

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Before the call is made.
    Before,
    /// After it was made, before anybody knows.
    After,
}

#[derive(Debug, Default)]
struct Life {
    calls: u64,
    death: Option<(u64, Death)>,
    dead: bool,
}

/// Counts the calls of all stores that share it.
#[derive(Debug, Default)]
pub struct Switch(Mutex<Life>);

impl Switch {
    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let own = {
            let mut life = self.life();
            life.calls += 1;
            life.dead |= life.death == Some((life.calls, Death::Before));
            if life.dead {
                drop(life);
                std::panic::panic_any(DEATH);
            }
            life.calls
        };
        let done = call();
        let mut life = self.life();
        life.dead |= life.death == Some((own, Death::After));
        if life.dead {
            drop(life);
            std::panic::panic_any(DEATH);
        }
        done
    }

    /// Runs a process that dies at the n-th call from here on: what it ended with, if it did not die,
    /// and the calls that were made.
    pub fn process<T>(&self, death: Option<(u64, Death)>, run: impl FnOnce() -> T) -> (Option<T>, u64) {
        quietly();
        *self.life() = Life { death, ..Life::default() };
        let ended = catch_unwind(AssertUnwindSafe(run));
        let Life { calls, dead, .. } = std::mem::take(&mut *self.life());
        match ended {
            Ok(ended) => (Some(ended).filter(|_| !dead), calls),
            Err(_) if dead => (None, calls),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Deaths are meant to happen; other panics are told as ever.
fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let meant = info.payload().downcast_ref::<&str>();
            if meant != Some(&DEATH) && meant != Some(&"a scoped thread panicked") {
                usual(info);
            }
        }));
    });
}

/// Wraps a store.
pub struct Dying {
    pub inner: Arc<dyn Store>,
    pub switch: Arc<Switch>,
}

impl Store for Dying {
    fn label(&self) -> String {
        self.inner.label()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.switch.call(|| self.inner.put(name, bytes, facts))
    }
    fn put_shared(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.switch.call(|| self.inner.put_shared(name, bytes, facts))
    }
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.switch.call(|| self.inner.read(name, range))
    }
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.switch.call(|| self.inner.list(prefix, each))
    }
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.switch.call(|| self.inner.delete(name))
    }
    fn warmed(&self) -> Result<Option<Warmed>, StoreError> {
        self.switch.call(|| self.inner.warmed())
    }
    fn extend_lock(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        self.switch.call(|| self.inner.extend_lock(name, until))
    }
    fn locked_until(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        self.switch.call(|| self.inner.locked_until(name))
    }
    fn bulk(&self) -> Option<&dyn BulkEngine> {
        self.inner.bulk()
    }
    fn vault(&self) -> Option<&dyn Vault> {
        self.inner.vault()
    }
    fn readable_part(&self, name: &ObjectName, span: Span) -> Result<Option<Readable>, StoreError> {
        self.inner.readable_part(name, span)
    }
    fn stored_sum(&self, name: &ObjectName) -> Result<StoredSum, StoreError> {
        self.switch.call(|| self.inner.stored_sum(name))
    }
    fn rules(&self) -> Result<Vec<darkslide_store::rules::Rule>, StoreError> {
        self.inner.rules()
    }
    fn mending(&self) -> Option<&dyn Mending> {
        self.inner.mending()
    }
    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        self.switch.call(|| self.inner.thaw(name, ask))
    }
}

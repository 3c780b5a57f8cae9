//! Faults that tests ask for: calls that fail, break off, wait, or are refused for want of capacity.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which calls are struck, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Only this operation, such as `PutObject`; all if there is none.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only keys that begin so.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// So many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// So many matching calls are struck then.
    #[serde(default = "once")]
    pub count: u64,
    /// What happens to them.
    #[serde(flatten)]
    pub kind: FaultKind,
}

fn once() -> u64 {
    1
}

/// What happens to a call that is struck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// It is not executed; the answer is this error.
    Fail {
        /// HTTP status.
        status: u16,
        /// Code, such as `InternalError`.
        code: String,
    },
    /// It is not executed; the answer is 503 `SlowDown`.
    Throttle,
    /// It is executed; the connection breaks after so many bytes of the answer's body.
    CutAnswer {
        /// Bytes that still come.
        after: u64,
    },
    /// It is not executed; the connection breaks before an answer.
    CutBefore,
    /// It is executed; the connection breaks before an answer.
    CutAfter,
    /// It is executed after so many milliseconds of real time.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// Expedited restores find no capacity: 503 `GlacierExpeditedRetrievalNotAvailable`; those from
    /// vaults 400 `InsufficientCapacityException`.
    NoExpeditedCapacity,
}

impl Fault {
    /// Strikes the next call of any operation.
    pub fn new(kind: FaultKind) -> Self {
        Self { operation: None, key_prefix: None, skip: 0, count: 1, kind }
    }

    /// Only this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_string());
        self
    }

    /// Only keys that begin so.
    #[must_use]
    pub fn under(mut self, key_prefix: &str) -> Self {
        self.key_prefix = Some(key_prefix.to_string());
        self
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes so many calls.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.count = calls;
        self
    }

    /// Counts one matching call; true if it is struck.
    fn counts_down(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let strikes = self.count > 0;
        self.count = self.count.saturating_sub(1);
        strikes
    }

    fn matches(&self, operation: &str, key: &str) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
            && self.key_prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }
}

/// The faults that wait for their calls.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

/// What is to happen to one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    pub delay: Duration,
    pub error: Option<(u16, String)>,
    pub cut_before: bool,
    pub cut_after: bool,
    pub cut_answer: Option<u64>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a call on all faults it matches, and says what strikes it.
    pub fn strike(&mut self, operation: &str, key: &str) -> Strike {
        let mut strike = Strike::default();
        let of_calls = |fault: &&mut Fault| fault.kind != FaultKind::NoExpeditedCapacity;
        for fault in self.0.iter_mut().filter(of_calls).filter(|fault| fault.matches(operation, key)) {
            if !fault.counts_down() {
                continue;
            }
            match &fault.kind {
                FaultKind::Fail { status, code } => strike.error = Some((*status, code.clone())),
                FaultKind::Throttle => strike.error = Some((503, "SlowDown".into())),
                FaultKind::CutAnswer { after } => strike.cut_answer = Some(*after),
                FaultKind::CutBefore => strike.cut_before = true,
                FaultKind::CutAfter => strike.cut_after = true,
                FaultKind::Delay { millis } => strike.delay += Duration::from_millis(*millis),
                FaultKind::NoExpeditedCapacity => {}
            }
        }
        self.0.retain(|fault| fault.count > 0);
        strike
    }

    /// True if an Expedited restore of `key`, by `RestoreObject` or `InitiateJob`, is to find no
    /// capacity.
    pub fn refuses_expedited(&mut self, operation: &str, key: &str) -> bool {
        let of_capacity = |fault: &&mut Fault| fault.kind == FaultKind::NoExpeditedCapacity;
        let mut faults = self.0.iter_mut().filter(of_capacity).filter(|fault| fault.matches(operation, key));
        let refused = faults.any(Fault::counts_down);
        self.0.retain(|fault| fault.count > 0);
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_matching_call_is_struck_and_no_other() {
        let mut faults = Faults::default();
        let fault = Fault::new(FaultKind::Throttle).on("PutObject").under("a/").after(1).times(2);
        faults.add(fault);
        let mut calls = Vec::new();
        for (operation, key) in [
            ("PutObject", "a/1"),
            ("GetObject", "a/1"),
            ("PutObject", "b/1"),
            ("PutObject", "a/2"),
            ("PutObject", "a/3"),
            ("PutObject", "a/4"),
        ] {
            calls.push(faults.strike(operation, key).error.is_some());
        }
        assert_eq!(calls, [false, false, false, true, true, false]);
        assert!(faults.0.is_empty());
    }

    #[test]
    fn faults_are_read_from_json() {
        let text = r#"{"operation":"GetObject","kind":"cut_answer","after":100}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::new(FaultKind::CutAnswer { after: 100 }).on("GetObject"));
        let again: Fault = serde_json::from_str(&serde_json::to_string(&fault).unwrap()).unwrap();
        assert_eq!(again, fault);
    }
}

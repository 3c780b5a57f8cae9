//! Logins that failed: whoever fails waits, longer each time. Pure: the time comes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Failures that cost nothing but themselves.
const FREE: u32 = 4;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// After so long without a failure all is forgiven.
const FORGET: Duration = Duration::from_secs(3600);
/// Addresses that are remembered.
const KNOWN_MAX: usize = 4096;
/// Failures of all addresses together within a minute: then everybody waits.
const ALL_MAX: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    failures: u32,
    last: Duration,
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Tries {
    by: HashMap<IpAddr, Tally>,
    minute: (Duration, u32),
}

/// An address, or of IPv6 its network: one customer has 2⁶⁴ of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let mut octets = six.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
        four => four,
    }
}

impl Tries {
    /// How long somebody has to wait before the next try; nothing if not at all.
    pub fn wait(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let (began, failures) = self.minute;
        if failures >= ALL_MAX && now < began + MINUTE {
            return Some(began + MINUTE - now);
        }
        let tally = self.by.get(&network(address))?;
        let over = tally.failures.checked_sub(FREE + 1)?;
        let until = tally.last + Duration::from_secs(4u64 << over.min(9)).min(WAIT_MAX);
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// A try failed.
    pub fn failed(&mut self, address: IpAddr, now: Duration) {
        match self.minute.1 > 0 && now < self.minute.0 + MINUTE {
            true => self.minute.1 += 1,
            false => self.minute = (now, 1),
        }
        self.by.retain(|_, tally| now.saturating_sub(tally.last) < FORGET);
        if self.by.len() >= KNOWN_MAX {
            let oldest = self.by.iter().min_by_key(|(_, tally)| tally.last).map(|(address, _)| *address);
            oldest.map(|address| self.by.remove(&address));
        }
        let tally = self.by.entry(network(address)).or_default();
        tally.failures = tally.failures.saturating_add(1);
        tally.last = now;
    }

    /// A try succeeded.
    pub fn succeeded(&mut self, address: IpAddr) {
        self.by.remove(&network(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "2001:db8::1";

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_guesses_waits_longer_each_time() {
        let mut tries = Tries::default();
        let here: IpAddr = HERE.parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let elsewhere: IpAddr = "2001:db8:1::1".parse().unwrap();
        let mut waits = Vec::new();
        for _ in 0..16 {
            tries.failed(here, at(1000));
            waits.push(tries.wait(neighbour, at(1000)).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 0, 0, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]);
        assert_eq!(tries.wait(elsewhere, at(1000)), None);
        assert_eq!(tries.wait(here, at(1301)), None);
        tries.succeeded(here);
        assert_eq!(tries.wait(here, at(1000)), None);
    }

    #[test]
    fn very_many_guessers_make_everybody_wait() {
        let mut tries = Tries::default();
        for n in 0..60u32 {
            tries.failed(IpAddr::V4(n.into()), at(5));
        }
        let innocent: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(tries.wait(innocent, at(35)), Some(at(30)));
        assert_eq!(tries.wait(innocent, at(65)), None);
    }
}

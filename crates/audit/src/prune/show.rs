//! The plan, for people: counts, bytes, dates and money, by store.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_words::{Bytes, Count, Money, Time};

use super::{Act, PrunePlan, Wait};

#[derive(Default)]
struct Sum {
    objects: Count,
    bytes: Bytes,
    cost: Money,
    last: Time,
}

impl Sum {
    fn add(&mut self, bytes: Bytes, cost: Money, at: Time) {
        self.objects += Count(1);
        self.bytes += bytes;
        self.cost += cost;
        self.last = self.last.max(at);
    }
}

impl fmt::Display for PrunePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (object, why) in &self.blocked {
            writeln!(f, "cannot tell what {object} needs: {why}")?;
        }
        if !self.blocked.is_empty() {
            writeln!(
                f,
                "As long as that is so, nothing is condemned and nothing deleted. `darkslide repair` may mend it;"
            )?;
            writeln!(f, "a snapshot that nobody wants is given up with `darkslide forget --snapshot NAME`.")?;
        }
        for (n, store) in self.stores.iter().enumerate() {
            writeln!(f, "{store}:")?;
            self.store(n, f)?;
        }
        for store in &self.absent {
            writeln!(f, "{store}: could not be looked at; tombstones stay until it can")?;
        }
        if !self.dead.is_empty() {
            writeln!(f, "Index segments that list {} packs which are gone are replaced", self.dead.len())?;
        }
        match self.total() {
            Money::ZERO => Ok(()),
            total => writeln!(f, "Deleting before minimum stays are over costs {total}"),
        }
    }
}

impl PrunePlan {
    fn store(&self, n: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (Act::Restore, "needed again, condemned no more"),
            (Act::Unbury, "tombstones that nobody who may has signed: taken away"),
            (Act::Condemn, "nothing needs them: condemned now"),
            (Act::Delete, "condemned for longer than the grace period: deleted"),
            (Act::Finish, "gone everywhere: their tombstones go"),
        ];
        let mut quiet = true;
        for (act, what) in words {
            let mut sum = Sum::default();
            let units = self.units.iter().filter(|u| u.store == n && u.act == act);
            units.for_each(|u| sum.add(u.size, u.cost, Time(0)));
            if sum.objects.0 > 0 {
                quiet = false;
                writeln!(f, "  {:>6} objects, {:>10}  {what}", sum.objects.to_string(), sum.bytes.to_string())?;
            }
        }
        let mut waits: BTreeMap<(u8, i64), Sum> = BTreeMap::new();
        for waiting in self.waiting.iter().filter(|w| w.store == n) {
            let (kind, at, cost) = match waiting.wait {
                Wait::Grace { until } => (0, until, Money::ZERO),
                Wait::Stay { free, today } => (1, free, today),
                Wait::Locked { until } => (2, until, Money::ZERO),
            };
            waits.entry((kind, at.seconds().div_euclid(86_400))).or_default().add(waiting.size, cost, at);
        }
        for ((kind, _), sum) in &waits {
            quiet = false;
            let day = &sum.last.to_rfc3339_seconds()[..10];
            write!(f, "  {:>6} objects, {:>10}  ", sum.objects.to_string(), sum.bytes.to_string())?;
            match kind {
                0 => writeln!(f, "condemned, deleted from {day} on unless they are needed again")?,
                1 => writeln!(f, "free to delete on {day}, today it costs {}", sum.cost)?,
                _ => writeln!(f, "locked until {day}")?,
            }
        }
        if quiet {
            writeln!(f, "  nothing to do")?;
        }
        Ok(())
    }
}

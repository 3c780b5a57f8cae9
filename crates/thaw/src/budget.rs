//! Limits on money. What a request costs is taken before it is made, and given
//! back if it turns out to cost nothing.

use std::fmt;

use darkslide_words::{Money, Time};

/// What may be spent; without a limit anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// On one thaw, its downloads included.
    pub per_run: Option<Money>,
    /// In a calendar month (UTC), by everything that the ledger knows.
    pub per_month: Option<Money>,
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The thaw's.
    Run,
    /// The month's.
    Month,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "the limit of this thaw",
            Self::Month => "the limit of this month",
        })
    }
}

/// A request that was not made, because it would cost more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{which} is {limit}, {spent} of it is spent or set aside, and {needed} more is needed; raise it, or ask for less"
)]
pub struct OverBudget {
    /// Which limit.
    pub which: Limit,
    /// The limit.
    pub limit: Money,
    /// What is spent, or set aside for what is under way and its download.
    pub spent: Money,
    /// What is needed besides.
    pub needed: Money,
}

/// What is left of both limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLeft {
    run: Account,
    month: Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    which: Limit,
    limit: Option<Money>,
    spent: Money,
}

impl Account {
    fn check(&self, needed: Money) -> Result<(), OverBudget> {
        match self.limit {
            Some(limit) if self.spent + needed > limit => {
                Err(OverBudget { which: self.which, limit, spent: self.spent, needed })
            }
            _ => Ok(()),
        }
    }
}

impl BudgetLeft {
    /// Of `budget`, where so much is spent or set aside by this thaw and in this month.
    pub fn new(budget: Budget, run_spent: Money, month_spent: Money) -> Self {
        Self {
            run: Account { which: Limit::Run, limit: budget.per_run, spent: run_spent },
            month: Account { which: Limit::Month, limit: budget.per_month, spent: month_spent },
        }
    }

    /// Takes `cost` from both limits, or from none. Reaching a limit exactly is allowed.
    pub fn take(&mut self, cost: Money) -> Result<(), OverBudget> {
        self.run.check(cost)?;
        self.month.check(cost)?;
        self.give(Money::ZERO - cost);
        Ok(())
    }

    /// Counts what is spent already, whether or not it fits.
    pub(crate) fn spend(&mut self, money: Money) {
        self.give(Money::ZERO - money);
    }

    /// Gives back what was not spent after all.
    pub fn give(&mut self, money: Money) {
        self.run.spent = self.run.spent - money;
        self.month.spent = self.month.spent - money;
    }
}

/// The start of the calendar month, UTC, in which `now` lies.
pub(crate) fn month_of(now: Time) -> Time {
    let month: String = now.compact().chars().take(6).collect();
    // A year that has not four digits has no such form; then nothing is older than the month.
    Time::from_compact(&format!("{month}01T000000.000Z")).unwrap_or(Time(i64::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let budget = Budget { per_run: Some(Money(100)), per_month: Some(Money(1000)) };
        let mut left = BudgetLeft::new(budget, Money(40), Money(900));
        let over = left.take(Money(61)).unwrap_err();
        let told = OverBudget { which: Limit::Run, limit: Money(100), spent: Money(40), needed: Money(61) };
        assert_eq!(over, told);
        left.take(Money(60)).unwrap();
        assert_eq!(left.take(Money(1)).unwrap_err().which, Limit::Run);
        left.give(Money(60));
        left.take(Money(60)).unwrap();
        let mut month = BudgetLeft::new(budget, Money(0), Money(950));
        assert_eq!(month.take(Money(51)).unwrap_err().which, Limit::Month);
        month.take(Money(50)).unwrap();
        let mut free = BudgetLeft::new(Budget::default(), Money(1), Money(1));
        free.take(Money(i64::MAX)).unwrap();
    }

    #[test]
    fn a_month_begins_at_midnight_utc_on_its_first() {
        let now = Time::from_compact("20260228T235959.999Z").unwrap();
        assert_eq!(month_of(now).compact(), "20260201T000000.000Z");
        assert_eq!(month_of(month_of(now)), month_of(now));
    }
}

//! A budget of AWS Budgets with its alarm.

use aws_sdk_budgets::types::{
    Budget, BudgetType, ComparisonOperator, Notification, NotificationType, NotificationWithSubscribers, Spend,
    Subscriber, SubscriptionType, ThresholdType, TimeUnit,
};
use aws_smithy_types::error::operation::BuildError;
use darkslide_words::Money;
use serde_json::{Value, json};

use super::{AwsCloud, absent, gone, text, unfit};
use crate::cloud::CloudError;

const NOT_THERE: &[&str] = &["NotFoundException"];

impl AwsCloud {
    pub(super) fn read_budget(&self, name: &str) -> Result<Option<Value>, CloudError> {
        let account = self.own_account()?;
        let asked = self.budgets.describe_budget().account_id(account.as_str()).budget_name(name).send();
        let found = absent(self.ask("DescribeBudget", &name, asked), NOT_THERE)?.and_then(|answer| answer.budget);
        let Some(found) = found else { return Ok(None) };
        let limit = found.budget_limit.map(|limit| limit.amount).unwrap_or_default();
        let monthly = limit.parse().map(Money::from_usd).unwrap_or_default();
        let mut out = json!({"monthly": monthly, "at_percent": null, "emails": []});
        let asked =
            self.budgets.describe_notifications_for_budget().account_id(account.as_str()).budget_name(name).send();
        let told = absent(self.ask("DescribeNotificationsForBudget", &name, asked), NOT_THERE)?;
        let Some(first) = told.and_then(|told| told.notifications?.into_iter().next()) else { return Ok(Some(out)) };
        out["at_percent"] = json!(first.threshold.round() as u64);
        let asked = self.budgets.describe_subscribers_for_notification().account_id(account.as_str());
        let asked = asked.budget_name(name).notification(first).send();
        if let Some(who) = absent(self.ask("DescribeSubscribersForNotification", &name, asked), NOT_THERE)? {
            out["emails"] = who.subscribers().iter().map(|one| one.address().to_string()).collect();
        }
        Ok(Some(out))
    }

    /// Limit, alarm and addresses are one call only at the making: a change makes it anew.
    pub(super) fn write_budget(&self, name: &str, state: &Value) -> Result<(), CloudError> {
        self.delete_budget(name)?;
        let account = self.own_account()?;
        let (budget, alarm) = made(name, state).map_err(|bad| unfit("CreateBudget", &name, bad))?;
        let made = self.budgets.create_budget().account_id(account.as_str()).budget(budget);
        self.ask("CreateBudget", &name, made.notifications_with_subscribers(alarm).send()).map(|_| ())
    }

    pub(super) fn delete_budget(&self, name: &str) -> Result<(), CloudError> {
        let account = self.own_account()?;
        let deleted = self.budgets.delete_budget().account_id(account.as_str()).budget_name(name).send();
        gone(self.ask("DeleteBudget", &name, deleted), NOT_THERE)
    }
}

fn made(name: &str, state: &Value) -> Result<(Budget, NotificationWithSubscribers), BuildError> {
    let amount = text(state, "monthly");
    let budget = Budget::builder()
        .budget_name(name)
        .budget_type(BudgetType::Cost)
        .time_unit(TimeUnit::Monthly)
        .budget_limit(Spend::builder().amount(amount).unit("USD").build()?)
        .build()?;
    let notification = Notification::builder()
        .notification_type(NotificationType::Actual)
        .comparison_operator(ComparisonOperator::GreaterThan)
        .threshold(state["at_percent"].as_f64().unwrap_or(100.0))
        .threshold_type(ThresholdType::Percentage)
        .build()?;
    let mut alarm = NotificationWithSubscribers::builder().notification(notification);
    for address in state["emails"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        alarm = alarm
            .subscribers(Subscriber::builder().subscription_type(SubscriptionType::Email).address(address).build()?);
    }
    Ok((budget, alarm.build()?))
}

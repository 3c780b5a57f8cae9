//! Budgets: a limit in dollars a month, and whom to tell. Kept and given back; nobody is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Fault, Reply};
use crate::state::{ACCOUNT, State};

/// Notifications of one budget, and subscribers of one notification.
const NOTIFICATIONS_MAX: usize = 10;

/// A budget as it was described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Budget {
    pub budget: Map<String, Value>,
    /// Each with its subscribers.
    pub notifications: Vec<(Value, Vec<Value>)>,
    pub tags: BTreeMap<String, String>,
}

/// The name of the budget that a call is about.
pub(super) fn name_of(body: &[u8]) -> Option<String> {
    let call: Value = serde_json::from_slice(body).ok()?;
    let inside = |field: &str| call.get(field).and_then(|budget| budget.get("BudgetName"));
    let named = call.get("BudgetName").or_else(|| inside("Budget")).or_else(|| inside("NewBudget"));
    named.and_then(Value::as_str).map(str::to_string)
}

fn gone(name: &str) -> Fault {
    Fault::new(400, "NotFoundException", format!("Unable to get budget: {name} - the budget doesn't exist."))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidParameterException", message)
}

/// Answers a call of the budgets.
pub(super) fn call(state: &mut State, operation: &str, body: &[u8]) -> Reply {
    let Ok(Value::Object(call)) = serde_json::from_slice(body) else {
        return Err(Fault::new(400, "SerializationException", "the body is no JSON object"));
    };
    if call.get("AccountId").and_then(Value::as_str) != Some(ACCOUNT) {
        return Err(Fault::new(400, "AccessDeniedException", "the account is not yours"));
    }
    let budgets = &mut state.account.budgets;
    let name = name_of(body).unwrap_or_default();
    match operation {
        "CreateBudget" => create(budgets, &call),
        "UpdateBudget" => {
            let new = described(&call, "NewBudget")?;
            budgets.get_mut(&name).ok_or_else(|| gone(&name))?.budget = new;
            Ok(json!({}))
        }
        "DeleteBudget" => budgets.remove(&name).map(|_| json!({})).ok_or_else(|| gone(&name)),
        "DescribeBudget" => {
            let found = budgets.get(&name).ok_or_else(|| gone(&name))?;
            Ok(json!({ "Budget": found.budget }))
        }
        "DescribeBudgets" => {
            Ok(json!({ "Budgets": budgets.values().map(|budget| &budget.budget).collect::<Vec<_>>() }))
        }
        "DescribeNotificationsForBudget" => {
            let found = budgets.get(&name).ok_or_else(|| gone(&name))?;
            Ok(json!({ "Notifications": found.notifications.iter().map(|(n, _)| n).collect::<Vec<_>>() }))
        }
        "DescribeSubscribersForNotification" => {
            let found = budgets.get(&name).ok_or_else(|| gone(&name))?;
            let wanted = notification(call.get("Notification"))?;
            let of = found.notifications.iter().find(|(n, _)| *n == wanted);
            let (_, subscribers) = of.ok_or_else(|| Fault::new(400, "NotFoundException", "no such notification"))?;
            Ok(json!({ "Subscribers": subscribers }))
        }
        "CreateNotification" => {
            let new = with_subscribers(&Value::Object(call))?;
            let found = budgets.get_mut(&name).ok_or_else(|| gone(&name))?;
            add(&mut found.notifications, new)?;
            Ok(json!({}))
        }
        "DeleteNotification" => {
            let found = budgets.get_mut(&name).ok_or_else(|| gone(&name))?;
            let wanted = notification(call.get("Notification"))?;
            found.notifications.retain(|(n, _)| *n != wanted);
            Ok(json!({}))
        }
        _ => Err(Fault::new(400, "UnknownOperationException", format!("no such operation here: {operation}"))),
    }
}

/// The budget of a call, checked.
fn described(call: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, Fault> {
    let budget = call.get(field).and_then(Value::as_object).ok_or_else(|| invalid(format!("{field} is missing")))?;
    let text = |name: &str| budget.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("BudgetName");
    if name.is_empty() || name.len() > 100 || name.contains([':', '\\']) {
        return Err(invalid("a budget's name has 1 to 100 characters, without : and \\"));
    }
    if !matches!(text("TimeUnit"), "DAILY" | "MONTHLY" | "QUARTERLY" | "ANNUALLY") || text("BudgetType").is_empty() {
        return Err(invalid("TimeUnit or BudgetType is missing or unknown"));
    }
    let amount = budget.get("BudgetLimit").and_then(|limit| limit.get("Amount")).and_then(Value::as_str);
    if amount.is_some_and(|amount| !amount.parse::<f64>().is_ok_and(|amount| amount > 0.0)) {
        return Err(invalid("the amount of a budget is a positive number"));
    }
    let mut budget = budget.clone();
    budget.entry("CalculatedSpend").or_insert(json!({ "ActualSpend": { "Amount": "0.0", "Unit": "USD" } }));
    Ok(budget)
}

/// A notification in its one form, so that two can be compared.
fn notification(value: Option<&Value>) -> Result<Value, Fault> {
    let value = value.ok_or_else(|| invalid("Notification is missing"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let threshold = value.get("Threshold").and_then(Value::as_f64).ok_or_else(|| invalid("Threshold is missing"))?;
    let kind = text("NotificationType").filter(|kind| matches!(*kind, "ACTUAL" | "FORECASTED"));
    Ok(json!({
        "NotificationType": kind.ok_or_else(|| invalid("NotificationType is ACTUAL or FORECASTED"))?,
        "ComparisonOperator": text("ComparisonOperator").ok_or_else(|| invalid("ComparisonOperator is missing"))?,
        "Threshold": threshold,
        "ThresholdType": text("ThresholdType").unwrap_or("PERCENTAGE"),
    }))
}

fn with_subscribers(value: &Value) -> Result<(Value, Vec<Value>), Fault> {
    let notification = notification(value.get("Notification"))?;
    let subscribers = value.get("Subscribers").and_then(Value::as_array).cloned().unwrap_or_default();
    let good = |s: &Value| {
        let address = s.get("Address").and_then(Value::as_str).unwrap_or_default();
        match s.get("SubscriptionType").and_then(Value::as_str) {
            Some("EMAIL") => address.contains('@'),
            Some("SNS") => address.starts_with("arn:aws:sns:"),
            _ => false,
        }
    };
    if subscribers.is_empty() || !subscribers.iter().all(good) {
        return Err(invalid("a notification has subscribers, each with an address of its kind"));
    }
    Ok((notification, subscribers))
}

fn add(all: &mut Vec<(Value, Vec<Value>)>, new: (Value, Vec<Value>)) -> Result<(), Fault> {
    if all.iter().any(|(there, _)| *there == new.0) {
        return Err(Fault::new(400, "DuplicateRecordException", "the notification is there already"));
    }
    if all.len() >= NOTIFICATIONS_MAX {
        return Err(Fault::new(400, "CreationLimitExceededException", "too many notifications"));
    }
    all.push(new);
    Ok(())
}

fn create(budgets: &mut BTreeMap<String, Budget>, call: &Map<String, Value>) -> Reply {
    let budget = described(call, "Budget")?;
    let name = budget.get("BudgetName").and_then(Value::as_str).unwrap_or_default().to_string();
    if budgets.contains_key(&name) {
        let message = format!("Error creating budget: {name} - the budget already exists.");
        return Err(Fault::new(400, "DuplicateRecordException", message));
    }
    let mut notifications = Vec::new();
    for new in call.get("NotificationsWithSubscribers").and_then(Value::as_array).into_iter().flatten() {
        add(&mut notifications, with_subscribers(new)?)?;
    }
    let tags = call.get("ResourceTags").and_then(Value::as_array).into_iter().flatten();
    let text = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let tags = tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
    budgets.insert(name, Budget { budget, notifications, tags });
    Ok(json!({}))
}

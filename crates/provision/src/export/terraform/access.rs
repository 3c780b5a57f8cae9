//! Users, roles, their policies and keys.

use serde_json::Value;

use super::super::hcl::{Expr, Item, block, raw, set, text};
use super::{document, label};
use crate::desired::{Boundary, Desired, Form, IamPath};
use crate::policy;

/// A user or role that is exported.
pub(super) struct Holder {
    pub variable: String,
    pub description: String,
    pub label: String,
    pub name: String,
    pub path: IamPath,
    pub is_user: bool,
    pub policy: Value,
    /// Who may take it on, and for how long.
    pub trust: Option<(Value, u32)>,
}

/// All of them.
pub(super) fn holders(desired: &Desired) -> Vec<Holder> {
    let identities = desired.identities.iter().map(|identity| {
        let kind = identity.kind.word();
        let trust = match &identity.form {
            Form::User => None,
            Form::Role { trusted, mfa, session_seconds } => {
                Some((policy::trust(desired, trusted, *mfa), *session_seconds))
            }
        };
        Holder {
            variable: format!("{kind}_name"),
            description: format!("Name of the {}: {kind}.", if trust.is_none() { "user" } else { "role" }),
            label: kind.to_string(),
            name: identity.name.to_string(),
            path: identity.path.clone(),
            is_user: trust.is_none(),
            policy: policy::document(identity.kind, desired),
            trust,
        }
    });
    let nas = desired.nas.iter().enumerate().map(|(number, nas)| {
        let label = if desired.nas.len() == 1 { "nas".to_string() } else { format!("nas_{}", number + 1) };
        Holder {
            variable: format!("{label}_user_name"),
            description: "Name of the NAS program's user.".into(),
            label,
            name: nas.name.to_string(),
            path: nas.path.clone(),
            is_user: true,
            policy: policy::nas(desired, &nas.program),
            trust: None,
        }
    });
    identities.chain(nas).collect()
}

/// Their resources, and the boundary's.
pub(super) fn items(desired: &Desired) -> Vec<Item> {
    let mut all = Vec::new();
    if let Boundary::Managed { path, name } = &desired.boundary {
        let items = vec![
            set("name", text(name.as_str())),
            set("path", text(path.as_str())),
            set("policy", document(&policy::boundary(desired), desired)),
        ];
        all.push(block("resource \"aws_iam_policy\" \"boundary\"", items));
    }
    for holder in holders(desired) {
        all.extend(of_holder(desired, &holder));
    }
    all
}

fn boundary(desired: &Desired) -> Option<Expr> {
    match &desired.boundary {
        Boundary::None => None,
        Boundary::Managed { .. } => Some(raw("aws_iam_policy.boundary.arn")),
        Boundary::Existing { arn } => Some(text(arn.as_str())),
    }
}

fn of_holder(desired: &Desired, holder: &Holder) -> Vec<Item> {
    let kind = if holder.is_user { "user" } else { "role" };
    let label = label(&holder.label);
    let mut itself =
        vec![set("name", raw(format!("var.{}", holder.variable))), set("path", text(holder.path.as_str()))];
    itself.extend(boundary(desired).map(|arn| set("permissions_boundary", arn)));
    if let Some((trust, seconds)) = &holder.trust {
        itself.push(set("max_session_duration", raw(seconds.to_string())));
        itself.push(set("assume_role_policy", document(trust, desired)));
    }
    let inline = vec![
        set("name", text("darkslide")),
        set(kind, raw(format!("aws_iam_{kind}.{label}.name"))),
        set("policy", document(&holder.policy, desired)),
    ];
    let mut all = vec![
        block(format!("resource \"aws_iam_{kind}\" \"{label}\""), itself),
        block(format!("resource \"aws_iam_{kind}_policy\" \"{label}\""), inline),
    ];
    if holder.is_user {
        let key = vec![
            set("count", raw("var.create_access_keys ? 1 : 0")),
            set("user", raw(format!("aws_iam_user.{label}.name"))),
        ];
        all.push(block(format!("resource \"aws_iam_access_key\" \"{label}\""), key));
    }
    all
}

/// What whoever applies it is told of a holder.
pub(super) fn outputs(holder: &Holder) -> Vec<Item> {
    let (kind, label) = (if holder.is_user { "user" } else { "role" }, label(&holder.label));
    let output = |name: String, description: &str, value: String, sensitive: bool| {
        let mut items = vec![set("description", text(description)), set("value", raw(value))];
        if sensitive {
            items.push(set("sensitive", raw("true")));
        }
        block(format!("output \"{name}\""), items)
    };
    let mut all = vec![output(format!("{label}_arn"), "Its ARN.", format!("aws_iam_{kind}.{label}.arn"), false)];
    if holder.is_user {
        let of_key = |field: &str| format!("one(aws_iam_access_key.{label}[*].{field})");
        all.push(output(format!("{label}_access_key_id"), "Id of its key.", of_key("id"), false));
        let secret = format!("{label}_secret_access_key");
        all.push(output(secret, "Secret of its key: `terraform output -raw` shows it.", of_key("secret"), true));
    }
    all
}

//! Users, roles and their keys in a template.

use serde_json::{Value, json};

use super::{Template, document, tags};
use crate::desired::{Boundary, Desired, Form, IamName, IamPath};
use crate::policy;

/// A user or role that goes into a template.
struct Holder<'a> {
    /// Its name in the template.
    id: String,
    name: &'a IamName,
    path: &'a IamPath,
    policy: Value,
    trust: Option<(Value, u32)>,
}

fn all(desired: &Desired) -> Vec<Holder<'_>> {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let identities = desired.identities.iter().map(|identity| Holder {
        id: capital(identity.kind.word()),
        name: &identity.name,
        path: &identity.path,
        policy: policy::document(identity.kind, desired),
        trust: match &identity.form {
            Form::User => None,
            Form::Role { trusted, mfa, session_seconds } => {
                Some((policy::trust(desired, trusted, *mfa), *session_seconds))
            }
        },
    });
    let nas = desired.nas.iter().enumerate().map(|(number, nas)| Holder {
        id: if desired.nas.len() == 1 { "Nas".into() } else { format!("Nas{}", number + 1) },
        name: &nas.name,
        path: &nas.path,
        policy: policy::nas(desired, &nas.program),
        trust: None,
    });
    identities.chain(nas).collect()
}

/// Adds them.
pub(super) fn add(template: &mut Template, desired: &Desired) {
    if let Boundary::Managed { path, name } = &desired.boundary {
        let properties = json!({
            "ManagedPolicyName": name, "Path": path, "PolicyDocument": document(&policy::boundary(desired), desired),
        });
        template.resource("Boundary", "AWS::IAM::ManagedPolicy", properties);
    }
    let holders = all(desired);
    if holders.iter().any(|holder| holder.trust.is_none()) {
        let parameter = json!({
            "Type": "String", "Default": "false", "AllowedValues": ["true", "false"],
            "Description": "Make an access key for each user, and keep its secret in Secrets Manager.",
        });
        template.parameters.insert("CreateAccessKeys".into(), parameter);
    }
    for holder in &holders {
        one(template, desired, holder);
    }
}

fn one(template: &mut Template, desired: &Desired, holder: &Holder<'_>) {
    let id = &holder.id;
    let parameter = format!("{id}Name");
    let kind = if holder.trust.is_none() { "user" } else { "role" };
    template.parameter(&parameter, &format!("Name of the {kind}."), holder.name.as_str());
    let mut properties = json!({
        "Path": holder.path,
        "Policies": [{ "PolicyName": "darkslide", "PolicyDocument": document(&holder.policy, desired) }],
        "Tags": tags(desired),
    });
    match &desired.boundary {
        Boundary::None => {}
        Boundary::Managed { .. } => properties["PermissionsBoundary"] = json!({ "Ref": "Boundary" }),
        Boundary::Existing { arn } => properties["PermissionsBoundary"] = json!(arn),
    }
    let arn = json!({ "Fn::GetAtt": [id, "Arn"] });
    template.output(&format!("{id}Arn"), "Its ARN.", arn);
    if let Some((trust, seconds)) = &holder.trust {
        properties["RoleName"] = json!({ "Ref": parameter });
        properties["AssumeRolePolicyDocument"] = document(trust, desired);
        properties["MaxSessionDuration"] = json!(seconds);
        template.resource(id, "AWS::IAM::Role", properties);
        return;
    }
    properties["UserName"] = json!({ "Ref": parameter });
    template.resource(id, "AWS::IAM::User", properties);
    let (key, secret) = (format!("{id}Key"), format!("{id}Secret"));
    template.resource(&key, "AWS::IAM::AccessKey", json!({ "UserName": { "Ref": id } }));
    let text = format!("{{\"accessKeyId\":\"${{{key}}}\",\"secretAccessKey\":\"${{{key}.SecretAccessKey}}\"}}");
    let properties = json!({
        "Description": { "Fn::Sub": format!("Access key of ${{{parameter}}}") },
        "SecretString": { "Fn::Sub": text },
        "Tags": tags(desired),
    });
    template.resource(&secret, "AWS::SecretsManager::Secret", properties);
    template.output(&format!("{id}SecretArn"), "Where its key lies in Secrets Manager.", json!({ "Ref": secret }));
    for name in [&key, &secret] {
        template.resources[name]["Condition"] = json!("WithKeys");
    }
    template.outputs[&format!("{id}SecretArn")]["Condition"] = json!("WithKeys");
}

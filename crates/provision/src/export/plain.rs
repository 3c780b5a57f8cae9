//! Policy documents as they are, for those who put them in by hand.

use serde_json::Value;

use super::{ExportFile, resource_policies};
use crate::desired::{Desired, Form};
use crate::policy;

/// A file for each document.
pub(super) fn files(desired: &Desired) -> Vec<ExportFile> {
    let mut all: Vec<(String, Value)> = Vec::new();
    for identity in &desired.identities {
        all.push((identity.kind.word().to_string(), policy::document(identity.kind, desired)));
        if let Form::Role { trusted, mfa, .. } = &identity.form {
            all.push((format!("{}-trust", identity.kind), policy::trust(desired, trusted, *mfa)));
        }
    }
    for nas in &desired.nas {
        all.push((nas.name.to_string(), policy::nas(desired, &nas.program)));
    }
    all.extend(resource_policies(desired));
    all.into_iter()
        .map(|(name, document)| ExportFile { name: format!("{name}.json"), content: pretty(&document) })
        .collect()
}

/// A document with its elements in the order that readers of policies know.
fn pretty(document: &Value) -> String {
    let known = ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let mut out = String::from("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n");
    let statements = document["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (number, statement) in statements.iter().enumerate() {
        let fields: Vec<String> = known
            .iter()
            .filter_map(|name| statement.get(*name).map(|value| (name, value)))
            .map(|(name, value)| format!("      \"{name}\": {}", format!("{value:#}").replace('\n', "\n      ")))
            .collect();
        let comma = if number + 1 < statements.len() { "," } else { "" };
        out.push_str(&format!("    {{\n{}\n    }}{comma}\n", fields.join(",\n")));
    }
    out.push_str("  ]\n}\n");
    out
}

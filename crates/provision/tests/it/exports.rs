//! Exports, read by programs that are not ours: cfn-lint, an HCL parser, `terraform fmt`, parliament.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkslide_provision::desired::{
    Boundary, BucketName, Desired, Form, Frequency, IamName, IamPath, InventoryDesired, LockDesired, LockMode, Mfa,
    NasProgram, NasUser, RetrievalLimit, Tiering, Transition, VaultName,
};
use darkslide_provision::export::{Export, Format, export, of_nas};
use darkslide_provision::{IdentityKind, policy};
use serde_json::Value;

use crate::table::desired;

/// All that can be wanted.
fn everything() -> Desired {
    let mut all = desired();
    let bucket = all.bucket.as_mut().unwrap();
    bucket.lock = Some(LockDesired { mode: LockMode::Governance, days: 30 });
    bucket.tiering = Some(Tiering::default());
    bucket.old_versions.archive_days = Some(1);
    bucket.old_versions.expire_days = 200;
    let class = darkslide_words::StorageClass::DeepArchive;
    bucket.transitions = vec![Transition { below: "packs/".into(), days: 1, class }];
    bucket.inventory = Some(InventoryDesired {
        bucket: BucketName::new("lists-of-the-studio").unwrap(),
        prefix: "photographs".into(),
        frequency: Frequency::Weekly,
    });
    all.vaults[0].keep_days = Some(30);
    all.vaults[0].lock_days = Some(365);
    all.thaw_events.emails = vec!["a@example.org".into()];
    all.boundary =
        Boundary::Managed { path: IamPath::new("/photographs/").unwrap(), name: IamName::new("cap").unwrap() };
    all.retrieval = Some(RetrievalLimit::FreeTier);
    all.nas.clear();
    let restorer = all.identities.iter_mut().find(|identity| identity.kind == IdentityKind::Restorer).unwrap();
    restorer.form = Form::Role {
        trusted: vec!["arn:aws:iam::123456789012:user/anna".into()],
        mfa: Mfa::Required,
        session_seconds: 7_200,
    };
    all
}

fn nas(program: NasProgram) -> Desired {
    let user =
        NasUser { name: IamName::new("nas-user").unwrap(), path: IamPath::new("/automation/").unwrap(), program };
    of_nas(&desired(), user)
}

fn qnap() -> Desired {
    nas(NasProgram::QnapGlacier { vault: VaultName::new("QNAP-Vault").unwrap() })
}

fn hyper_backup() -> Desired {
    nas(NasProgram::HyperBackup { bucket: BucketName::new("nas-backups").unwrap() })
}

fn file<'a>(export: &'a Export, name: &str) -> &'a str {
    let found = export.files.iter().find(|file| file.name == name);
    &found
        .unwrap_or_else(|| panic!("no {name} in {:?}", export.files.iter().map(|f| &f.name).collect::<Vec<_>>()))
        .content
}

/// A Python that has the programs: the one that the test command names (then it must be there), or the one that
/// it made earlier.
fn python() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/exports/bin/python");
    let named = std::env::var_os("EXPORT_CHECK_PYTHON").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "EXPORT_CHECK_PYTHON names {}, which is not there", named.display());
    }
    let found = named.or(Some(beside)).filter(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "ci.sh has not set EXPORT_CHECK_PYTHON");
        eprintln!("SKIPPED: nothing that reads exports; `ci.sh` installs it, or set EXPORT_CHECK_PYTHON");
    }
    found
}

/// What the programs find in these exports.
fn findings(python: &Path, exports: &[(&str, Export)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, export) in exports {
        for file in &export.files {
            let path = folder.path().join(name).join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.content).unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_exports.py");
    let done = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.success(), said)
}

#[test]
fn other_programs_find_no_fault() {
    let Some(python) = python() else { return };
    let mut users = everything();
    users.boundary = Boundary::None;
    users.identities.iter_mut().for_each(|identity| identity.form = Form::User);
    let exports: Vec<(&str, Export)> = vec![
        ("all-terraform", export(&everything(), Format::Terraform)),
        ("all-template", export(&everything(), Format::CloudFormation)),
        ("all-policies", export(&everything(), Format::Policy)),
        ("users-terraform", export(&users, Format::Terraform)),
        ("users-template", export(&users, Format::CloudFormation)),
        ("users-policies", export(&users, Format::Policy)),
        ("qnap-terraform", export(&qnap(), Format::Terraform)),
        ("qnap-template", export(&qnap(), Format::CloudFormation)),
        ("qnap-policies", export(&qnap(), Format::Policy)),
        ("hyper-terraform", export(&hyper_backup(), Format::Terraform)),
        ("hyper-template", export(&hyper_backup(), Format::CloudFormation)),
        ("hyper-policies", export(&hyper_backup(), Format::Policy)),
    ];
    let (good, said) = findings(&python, &exports);
    assert!(good, "{said}");
}

#[test]
fn other_programs_do_find_faults() {
    let Some(python) = python() else { return };
    let broken = |name: &str, from: &str, to: &str, format: Format| {
        let mut export = export(&everything(), format);
        let file = export.files.iter_mut().find(|file| file.name == name).unwrap();
        assert!(file.content.contains(from), "{name} has no {from}");
        file.content = file.content.replacen(from, to, 1);
        let (good, said) = findings(&python, &[("broken", export)]);
        assert!(!good, "{from} for {to} in {name} was not found");
        said
    };
    broken("main.tf", "jsonencode({", "jsonencode({{", Format::Terraform);
    broken("main.tf", "  block_public_acls ", "  block_public_acls  ", Format::Terraform);
    broken("template.json", "DEEP_ARCHIVE", "DEEPER_ARCHIVE", Format::CloudFormation);
    broken("writer.json", "s3:PutObject", "s3:PutTheObject", Format::Policy);
}

#[test]
fn no_account_and_no_partition_stands_in_templates() {
    for desired in [everything(), qnap(), hyper_backup()] {
        for format in [Format::Terraform, Format::CloudFormation] {
            for file in export(&desired, format).files {
                // But for the one who may take the role on, whom the configuration names.
                let content = file.content.replace("arn:aws:iam::123456789012:user/anna", "");
                assert!(!content.contains("123456789012"), "{}: an account", file.name);
                assert!(!content.contains("arn:aws:"), "{}: a partition", file.name);
            }
        }
    }
}

#[test]
fn secrets_are_marked_and_made_only_where_asked_for() {
    let export_of = |format| export(&qnap(), format);
    let terraform = export_of(Format::Terraform);
    let outputs = file(&terraform, "outputs.tf");
    let secret = outputs.split("\noutput ").find(|part| part.starts_with("\"nas_secret_access_key\"")).unwrap();
    assert!(secret.contains("sensitive   = true"), "{secret}");
    assert!(file(&terraform, "variables.tf").contains("create_access_keys"));
    assert!(file(&terraform, "main.tf").contains("var.create_access_keys ? 1 : 0"));
    let template: Value = serde_json::from_str(file(&export_of(Format::CloudFormation), "template.json")).unwrap();
    assert_eq!(template["Parameters"]["CreateAccessKeys"]["Default"], "false");
    for name in ["NasKey", "NasSecret"] {
        assert_eq!(template["Resources"][name]["Condition"], "WithKeys");
    }
    for (name, output) in template["Outputs"].as_object().unwrap() {
        assert!(!output.to_string().contains("SecretAccessKey"), "the output {name} shows a secret");
    }
}

#[test]
fn what_a_format_cannot_say_is_said() {
    let template = export(&everything(), Format::CloudFormation);
    assert!(template.left_out.iter().any(|left| left.contains("vault photographs")), "{:?}", template.left_out);
    assert!(file(&template, "README.md").contains("CloudFormation has no resource for Amazon Glacier"));
    assert!(file(&template, "template.json").contains("LeftOut"));
    let terraform = export(&everything(), Format::Terraform);
    assert!(file(&terraform, "main.tf").contains("aws_glacier_vault_lock"));
    assert!(file(&terraform, "README.md").contains("limit on retrievals"));
    assert!(export(&qnap(), Format::CloudFormation).left_out.is_empty());
}

#[test]
fn plain_policies_are_the_documents() {
    let all = everything();
    let policies = export(&all, Format::Policy);
    for identity in &all.identities {
        let written: Value = serde_json::from_str(file(&policies, &format!("{}.json", identity.kind))).unwrap();
        assert_eq!(written, policy::document(identity.kind, &all), "{}", identity.kind);
    }
    let bucket: Value = serde_json::from_str(file(&policies, "bucket.json")).unwrap();
    assert_eq!(Some(bucket), policy::bucket(&all));
}

#[test]
fn the_readme_leads_from_init_to_destroy() {
    let readme = export(&qnap(), Format::Terraform);
    let readme = file(&readme, "README.md");
    let places = ["terraform init", "workspace new", "terraform plan", "terraform apply", "terraform destroy"]
        .map(|step| readme.find(step).unwrap_or_else(|| panic!("{step} is missing")));
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
    assert!(readme.contains("QNAP"));
}

#[test]
fn qnap_is_told_its_vault_and_nothing_else() {
    let policies = export(&qnap(), Format::Policy);
    let document: Value = serde_json::from_str(file(&policies, "nas-user.json")).unwrap();
    let program = NasProgram::QnapGlacier { vault: VaultName::new("QNAP-Vault").unwrap() };
    assert_eq!(document, policy::nas(&desired(), &program));
    let terraform = export(&qnap(), Format::Terraform);
    let main = file(&terraform, "main.tf");
    let resources: Vec<&str> = main.lines().filter(|line| line.starts_with("resource ")).collect();
    assert_eq!(resources.len(), 3, "{resources:?}");
    assert_eq!(main.matches("\"glacier:").count(), 22);
    assert!(main.contains(":vaults/${var.vault_name}\""), "{main}");
}

//! What goes beside an export: how to use it, and what it leaves out.

use super::Format;
use crate::desired::{Desired, NasProgram};

/// The README.
pub(super) fn text(desired: &Desired, format: Format, left_out: &[String]) -> String {
    let mut text = match format {
        Format::Terraform => terraform(desired),
        Format::CloudFormation => cloudformation(),
        Format::Policy => plain(desired),
    };
    for nas in &desired.nas {
        text.push_str(of_program(&nas.program));
    }
    if !left_out.is_empty() {
        text.push_str("\n## What this leaves out\n\n");
        for one in left_out {
            text.push_str(&format!("- {one}\n"));
        }
    }
    text
}

fn terraform(desired: &Desired) -> String {
    let label = desired.nas.first().map_or("writer", |_| "nas");
    let label = if desired.identities.is_empty() { label } else { "writer" };
    format!(
        "# The cloud side of a Darkslide repository, for Terraform

Needs Terraform 1.5 or OpenTofu 1.6 and credentials that may make what is in `main.tf`. Set names, region and
profile in `settings/example.tfvars`, or in a copy of it.

```
terraform init
terraform workspace new example
terraform plan -var-file=settings/example.tfvars
terraform apply -var-file=settings/example.tfvars
```

One workspace for each repository or NAS. `terraform workspace select example` goes back to one.

## Keys

No access key is made unless `create_access_keys` is true, since its secret would then lie in Terraform's state.
Make the key apart, and it lies nowhere but where you put it:

```
aws iam create-access-key --user-name \"$(terraform output -raw {label}_arn | sed 's,.*/,,')\"
```

With `-var create_access_keys=true` Terraform makes it. Then keep the state in an encrypted backend, and read the
secret, an output that is marked as sensitive, with

```
terraform output -raw {label}_access_key_id
terraform output -raw {label}_secret_access_key
```

## Taking it down

```
terraform destroy -var-file=settings/example.tfvars
```

The bucket and vaults have `prevent_destroy`: what holds photographs is not taken down by a slip. Empty them,
and take that line out first.
"
    )
}

fn cloudformation() -> String {
    "# The cloud side of a Darkslide repository, for CloudFormation

```
aws cloudformation deploy --stack-name darkslide --template-file template.json \\
  --capabilities CAPABILITY_NAMED_IAM --no-execute-changeset
```

shows what would change; without `--no-execute-changeset` it is done. Names are parameters
(`--parameter-overrides BucketName=…`).

## Keys

No access key is made unless the parameter `CreateAccessKeys` is `true`. Then its secret goes to Secrets Manager,
which costs something each month, and the outputs say where it lies: an output itself could be read by everybody
who may look at the stack.

```
aws secretsmanager get-secret-value --query SecretString --output text --secret-id ARN
```

Without it, `aws iam create-access-key --user-name NAME` makes a key that lies nowhere else.

## Taking it down

```
aws cloudformation delete-stack --stack-name darkslide
```

The bucket stays (`DeletionPolicy: Retain`): what holds photographs is not taken down by a slip.
"
    .to_string()
}

fn plain(desired: &Desired) -> String {
    let mut text = String::from(
        "# Policies of a Darkslide repository

One document in each file. They name the account, region, bucket and vaults that they were made for.

```
",
    );
    for identity in &desired.identities {
        let kind = if matches!(identity.form, crate::desired::Form::User) { "user" } else { "role" };
        text.push_str(&format!(
            "aws iam put-{kind}-policy --{kind}-name {} --policy-name darkslide --policy-document file://{}.json\n",
            identity.name, identity.kind
        ));
    }
    for nas in &desired.nas {
        let name = &nas.name;
        text.push_str(&format!(
            "aws iam create-user --user-name {name} --path {}\n\
             aws iam put-user-policy --user-name {name} --policy-name darkslide --policy-document file://{name}.json\n\
             aws iam create-access-key --user-name {name}\n",
            nas.path
        ));
    }
    if let Some(bucket) = &desired.bucket {
        let bucket = &bucket.name;
        text.push_str(&format!("aws s3api put-bucket-policy --bucket {bucket} --policy file://bucket.json\n"));
    }
    text.push_str("```\n");
    text
}

fn of_program(program: &NasProgram) -> &'static str {
    match program {
        NasProgram::QnapGlacier { .. } => {
            "
## QNAP's Glacier app

The app makes the vault itself and takes none that exists: do not make it before. Put id and secret of the key
into the app, and the region and vault name that stand here. Notifications, access policy, lock and tags come
afterwards, with `darkslide cloud apply` or `darkslide vault`.

The user may delete archives, as the app demands. A vault lock keeps archives from being deleted young.
"
        }
        NasProgram::HyperBackup { .. } => {
            "
## Synology Hyper Backup

Make the bucket first. The user may delete objects, since Hyper Backup rotates its versions: turn on versioning in
the bucket, so that what a thief deletes can be brought back.
"
        }
    }
}

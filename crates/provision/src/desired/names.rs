//! Names in AWS, each with its alphabet and length. A value of one of these types is always well formed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that AWS would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: {rule}")]
pub struct NameError {
    /// As given.
    pub given: String,
    /// What it should have been.
    pub what: &'static str,
    /// How such a name looks.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the name.
            pub fn new(given: impl Into<String>) -> Result<Self, NameError> {
                let given = given.into();
                let check: fn(&str) -> bool = $check;
                match check(&given) {
                    true => Ok(Self(given)),
                    false => Err(NameError { given, what: $what, rule: $rule }),
                }
            }

            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                Self::new(given)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

fn all(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

name!(
    /// Number of an account.
    AccountId,
    "account number",
    "twelve digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);
name!(
    /// A region, such as `eu-central-1`.
    Region,
    "region",
    "such as eu-central-1",
    |text| (5..=32).contains(&text.len())
        && text.contains('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);
name!(
    /// A bucket's name.
    BucketName,
    "name of a bucket",
    "3 to 63 of a-z, 0-9, `-`, `.`, with a letter or digit at both ends, and no number of the internet",
    |text| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        (3..=63).contains(&bytes.len())
            && bytes.iter().all(|b| plain(*b) || matches!(b, b'-' | b'.'))
            && plain(bytes[0])
            && plain(bytes[bytes.len() - 1])
            && !text.contains("..")
            && text.parse::<std::net::Ipv4Addr>().is_err()
    }
);
name!(
    /// A vault's name.
    VaultName,
    "name of a vault",
    "1 to 255 of A-Z, a-z, 0-9, `_`, `-`, `.`",
    |text| (1..=255).contains(&text.len()) && all(text, "_-.")
);
name!(
    /// Name of a queue or topic.
    QueueName,
    "name of a queue or topic",
    "1 to 80 of A-Z, a-z, 0-9, `_`, `-`",
    |text| (1..=80).contains(&text.len()) && all(text, "_-")
);
name!(
    /// Name of a user, role or policy.
    IamName,
    "name in IAM",
    "1 to 64 of A-Z, a-z, 0-9, and +=,.@_-",
    |text| (1..=64).contains(&text.len()) && all(text, "+=,.@_-")
);
name!(
    /// Path of a user, role or policy.
    IamPath,
    "path in IAM",
    "`/`, or one that begins and ends with `/`, such as /photographs/",
    |text| text.starts_with('/') && text.ends_with('/') && !text.contains("//") && text.len() <= 512 && all(text, "/+=,.@_-")
);
name!(
    /// Where in a bucket a repository lies.
    #[derive(Default)]
    KeyPrefix,
    "prefix of a repository",
    "empty, or ending in `/`, without `*`, `?`, `$` and spaces",
    |text| text.is_empty() || (text.ends_with('/') && !text.starts_with('/') && all(text, "/!_.'()-"))
);

impl Default for IamPath {
    fn default() -> Self {
        Self("/".into())
    }
}

impl Region {
    /// The partition that the region belongs to.
    pub fn partition(&self) -> Partition {
        match self.as_str() {
            text if text.starts_with("cn-") => Partition::China,
            text if text.starts_with("us-gov-") => Partition::GovCloud,
            text if text.starts_with("eusc-") => Partition::Europe,
            _ => Partition::Aws,
        }
    }
}

/// A part of AWS with accounts of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partition {
    /// `aws`.
    #[serde(rename = "aws")]
    Aws,
    /// `aws-cn`.
    #[serde(rename = "aws-cn")]
    China,
    /// `aws-us-gov`.
    #[serde(rename = "aws-us-gov")]
    GovCloud,
    /// `aws-eusc`, the European sovereign one.
    #[serde(rename = "aws-eusc")]
    Europe,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::Europe => "aws-eusc",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_aws_checks_them() {
        for good in ["abc", "a.b-c", "photos-2026", &"a".repeat(63)] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "-abc", "abc-", "a..b", "Abc", "a_b_c", "10.0.0.1", &"a".repeat(64)] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
        for (good, bad) in [("/", ""), ("/a/", "/a"), ("/a/b/", "a/"), ("/x.y/", "//")] {
            assert!(IamPath::new(good).is_ok() && IamPath::new(bad).is_err(), "{good} {bad}");
        }
        assert!(AccountId::new("123456789012").is_ok() && AccountId::new("12345678901x").is_err());
        assert!(
            KeyPrefix::new("photos/").is_ok() && KeyPrefix::new("photos").is_err() && KeyPrefix::new("a*/").is_err()
        );
        assert!(VaultName::new("QNAP-Glacier_Vault.1").is_ok() && VaultName::new("a b").is_err());
    }

    #[test]
    fn the_region_tells_the_partition() {
        for (region, partition) in [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
        {
            assert_eq!(Region::new(region).unwrap().partition().to_string(), partition);
        }
    }
}

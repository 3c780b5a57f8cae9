//! What policies decide, case by case.

use std::collections::BTreeMap;

use super::*;

const ANNA: PrincipalOf<'static> =
    PrincipalOf::User { account: "123456789012", arn: "arn:aws:iam::123456789012:user/staff/anna" };
const OBJECT: &str = "arn:aws:s3:::photos/2026/a.age";

/// Condition keys from pairs; a key given twice has two values.
fn context(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in pairs {
        context.entry(key.to_lowercase()).or_default().push((*value).to_string());
    }
    context
}

fn identity(json: &str) -> Vec<PolicyDocument> {
    vec![PolicyDocument::parse_identity(json).unwrap()]
}

/// Asks as Anna, with policies of her own only.
fn ask(policies: &[PolicyDocument], action: &str, resource: &str, pairs: &[(&str, &str)]) -> Decision {
    let context = context(pairs);
    evaluate(policies, None, None, &Request { action, resource, principal: ANNA, context: &context })
}

/// True if Anna may put an object under a condition.
fn met(condition: &str, pairs: &[(&str, &str)]) -> bool {
    let json = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{condition}}}}}"#
    );
    ask(&identity(&json), "s3:PutObject", OBJECT, pairs) == Decision::Allow
}

fn reason(json: &str) -> String {
    PolicyDocument::parse(json).unwrap_err().to_string()
}

const WRITER: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Sid":"Put","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/2026/*",
  "Condition":{"StringEquals":{"s3:x-amz-storage-class":["DEEP_ARCHIVE","STANDARD"]},
               "Null":{"s3:if-none-match":"false"}}},
 {"Sid":"Mpu","Effect":"Allow","Action":["s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],
  "Resource":"arn:aws:s3:::photos/2026/*"},
 {"Sid":"List","Effect":"Allow","Action":["s3:ListBucket","s3:ListBucketMultipartUploads","s3:GetBucketLocation"],
  "Resource":"arn:aws:s3:::photos"},
 {"Sid":"NoDestroy","Effect":"Deny","Action":["s3:DeleteObject","s3:DeleteObjectVersion","s3:PutLifecycleConfiguration",
  "s3:PutBucketVersioning","s3:BypassGovernanceRetention","s3:PutObjectRetention","s3:PutObjectLegalHold",
  "s3:PutBucketPolicy"],"Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"]}]}"#;

#[test]
fn a_writer_puts_new_objects_in_its_classes_and_nothing_else() {
    let writer = identity(WRITER);
    let deep = ("s3:x-amz-storage-class", "DEEP_ARCHIVE");
    let create = ("s3:if-none-match", "*");
    assert_eq!(ask(&writer, "s3:PutObject", OBJECT, &[deep, create]), Decision::Allow);
    assert_eq!(ask(&writer, "S3:putobject", OBJECT, &[deep, create]), Decision::Allow, "actions in any case");
    // Would overwrite; the wrong class; the class not given, as by the steps of a multipart upload.
    assert_eq!(ask(&writer, "s3:PutObject", OBJECT, &[deep]), Decision::ImplicitDeny);
    let ir = ("s3:x-amz-storage-class", "GLACIER_IR");
    assert_eq!(ask(&writer, "s3:PutObject", OBJECT, &[ir, create]), Decision::ImplicitDeny);
    assert_eq!(ask(&writer, "s3:PutObject", OBJECT, &[create]), Decision::ImplicitDeny);
    // Elsewhere, and with the prefix in other case.
    for other in ["arn:aws:s3:::photos/2025/a", "arn:aws:s3:::Photos/2026/a", "arn:aws:s3:::photos2/2026/a"] {
        assert_eq!(ask(&writer, "s3:PutObject", other, &[deep, create]), Decision::ImplicitDeny, "{other}");
    }
    assert_eq!(ask(&writer, "s3:GetObject", OBJECT, &[]), Decision::ImplicitDeny);
    assert_eq!(ask(&writer, "s3:ListBucket", "arn:aws:s3:::photos", &[]), Decision::Allow);
    assert_eq!(ask(&writer, "s3:ListBucket", OBJECT, &[]), Decision::ImplicitDeny);
    assert_eq!(ask(&writer, "s3:AbortMultipartUpload", OBJECT, &[]), Decision::Allow);
    assert_eq!(ask(&writer, "s3:DeleteObject", OBJECT, &[]), Decision::ExplicitDeny);
    assert_eq!(ask(&writer, "s3:PutLifecycleConfiguration", "arn:aws:s3:::photos", &[]), Decision::ExplicitDeny);
}

#[test]
fn an_explicit_deny_wins_wherever_it_stands() {
    let all = identity(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}}"#;
    let no_delete = PolicyDocument::parse_identity(deny).unwrap();
    let bucket = PolicyDocument::parse_resource(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#,
    )
    .unwrap();
    let plain = context(&[("aws:securetransport", "false")]);
    let tls = context(&[("aws:securetransport", "true")]);
    let delete = Request { action: "s3:DeleteObject", resource: OBJECT, principal: ANNA, context: &tls };
    let get = Request { action: "s3:GetObject", context: &plain, ..delete };

    assert_eq!(evaluate(&all, None, None, &delete), Decision::Allow);
    let both = [all[0].clone(), no_delete.clone()];
    assert_eq!(evaluate(&both, None, None, &delete), Decision::ExplicitDeny);
    assert_eq!(evaluate(&all, Some(&no_delete), None, &delete), Decision::ExplicitDeny);
    assert_eq!(evaluate(&all, None, Some(&bucket), &get), Decision::ExplicitDeny);
    let get_by_tls = Request { context: &tls, ..get };
    assert_eq!(evaluate(&all, None, Some(&bucket), &get_by_tls), Decision::Allow);
}

#[test]
fn a_boundary_caps_and_never_grants() {
    let all = identity(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#);
    let boundary = PolicyDocument::parse_identity(
        r#"{"Statement":{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::photos*"}}"#,
    )
    .unwrap();
    let none = context(&[]);
    let get = Request { action: "s3:GetObject", resource: OBJECT, principal: ANNA, context: &none };
    let put = Request { action: "s3:PutObject", ..get };
    assert_eq!(evaluate(&all, Some(&boundary), None, &get), Decision::Allow);
    assert_eq!(evaluate(&all, Some(&boundary), None, &put), Decision::ImplicitDeny);
    assert_eq!(evaluate(&[], Some(&boundary), None, &get), Decision::ImplicitDeny);

    // A bucket policy that names the user reaches past the boundary; one that names anyone does not.
    let bucket = |principal: &str| {
        PolicyDocument::parse_resource(&format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{principal},"Action":"s3:PutObject","Resource":"*"}}}}"#
        ))
        .unwrap()
    };
    let anna = bucket(r#"{"AWS":"arn:aws:iam::123456789012:user/staff/anna"}"#);
    assert_eq!(evaluate(&[], Some(&boundary), Some(&anna), &put), Decision::Allow);
    assert_eq!(evaluate(&[], Some(&boundary), Some(&bucket("\"*\"")), &put), Decision::ImplicitDeny);
    assert_eq!(evaluate(&[], None, Some(&bucket("\"*\"")), &put), Decision::Allow);
    // The account delegates to its users' policies.
    let account = bucket(r#"{"AWS":["123456789012"]}"#);
    assert_eq!(evaluate(&[], None, Some(&account), &put), Decision::ImplicitDeny);
    assert_eq!(evaluate(&all, None, Some(&account), &put), Decision::Allow);
    let bob = bucket(r#"{"AWS":"arn:aws:iam::123456789012:user/bob"}"#);
    assert_eq!(evaluate(&[], None, Some(&bob), &put), Decision::ImplicitDeny);
    let service = bucket(r#"{"Service":["s3.amazonaws.com"]}"#);
    assert_eq!(evaluate(&[], None, Some(&service), &put), Decision::ImplicitDeny);
}

#[test]
fn nobody_is_anyone_and_has_no_policies() {
    let all = identity(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let none = context(&[]);
    let get = Request { action: "s3:GetObject", resource: OBJECT, principal: PrincipalOf::Anonymous, context: &none };
    assert_eq!(evaluate(&all, None, None, &get), Decision::ImplicitDeny);
    let public = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"*"}}"#;
    let public = PolicyDocument::parse_resource(public).unwrap();
    assert_eq!(evaluate(&[], None, Some(&public), &get), Decision::Allow);
}

#[test]
fn not_principal_spares_a_user_listed_with_the_account() {
    let deny = |list: &str| {
        PolicyDocument::parse_resource(&format!(
            r#"{{"Statement":{{"Effect":"Deny","NotPrincipal":{{"AWS":[{list}]}},"Action":"s3:*","Resource":"*"}}}}"#
        ))
        .unwrap()
    };
    let all = identity(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let none = context(&[]);
    let get = Request { action: "s3:GetObject", resource: OBJECT, principal: ANNA, context: &none };
    let decide = |list: &str| evaluate(&all, None, Some(&deny(list)), &get);
    let (anna, root) = (r#""arn:aws:iam::123456789012:user/staff/anna""#, r#""arn:aws:iam::123456789012:root""#);
    assert_eq!(decide(&format!("{anna},{root}")), Decision::Allow);
    assert_eq!(decide(anna), Decision::ExplicitDeny);
    assert_eq!(decide(root), Decision::ExplicitDeny);
}

#[test]
fn not_action_and_not_resource_take_the_rest() {
    let policy = identity(
        r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","NotAction":["s3:Delete*","iam:*"],"Resource":"*"},
            {"Effect":"Deny","Action":"s3:PutObject","NotResource":"arn:aws:s3:::photos/2026/*"}]}"#,
    );
    assert_eq!(ask(&policy, "s3:GetObject", OBJECT, &[]), Decision::Allow);
    assert_eq!(ask(&policy, "s3:DeleteObject", OBJECT, &[]), Decision::ImplicitDeny);
    assert_eq!(ask(&policy, "s3:PutObject", OBJECT, &[]), Decision::Allow);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/2025/a", &[]), Decision::ExplicitDeny);
}

#[test]
fn wildcards_stay_in_their_part_of_an_arn() {
    let may = |pattern: &str, resource: &str| {
        let json = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:GetObject","Resource":"{pattern}"}}}}"#);
        ask(&identity(&json), "s3:GetObject", resource, &[]) == Decision::Allow
    };
    assert!(may("arn:aws:s3:::photos/*", "arn:aws:s3:::photos/a/b:c"));
    assert!(may("arn:aws:s3:::photos/????/*.age", OBJECT));
    assert!(may("arn:*:s3:::*", OBJECT));
    assert!(!may("arn:aws:s3:::photos/*", "arn:aws:s3:::photos"));
    assert!(!may("arn:aws:s3:::photos/???/*", OBJECT));
    assert!(!may("arn:aws:*:::photos/x", "arn:aws:s3:::other/:::photos/x"), "parts are matched one by one");
    assert!(!may("arn:aws:*:::photos/x*", OBJECT));
    let short = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:photos"}}"#;
    assert!(reason(short).contains("ARN format"));
    // Takes no exponential time.
    let stars = format!("arn:aws:s3:::{}b", "a*".repeat(40));
    assert!(!may(&stars, &format!("arn:aws:s3:::{}", "a".repeat(4_000))));
}

#[test]
fn variables_are_filled_in_and_taken_literally() {
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",
        "Resource":["arn:aws:s3:::photos/${aws:username}/*","arn:aws:s3:::photos/${s3:prefix, 'all'}/x",
                    "arn:aws:s3:::photos/${*}${?}${$}"]}}"#;
    let policy = identity(own);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/anna/a", &[]), Decision::Allow);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/bob/a", &[]), Decision::ImplicitDeny);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/all/x", &[]), Decision::Allow);
    let star = [("s3:prefix", "*")];
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/any/x", &star), Decision::ImplicitDeny);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/*/x", &star), Decision::Allow);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/*?$", &[]), Decision::Allow);
    assert_eq!(ask(&policy, "s3:PutObject", "arn:aws:s3:::photos/ab$", &[]), Decision::ImplicitDeny);

    let home = r#"{"StringLike":{"s3:prefix":["","home/${AWS:UserName}/*"]}}"#;
    assert!(met(home, &[("s3:prefix", "home/anna/2026")]));
    assert!(!met(home, &[("s3:prefix", "home/bob/2026")]));
    // A variable the request does not carry makes no match, and the old version has no variables.
    assert!(!met(r#"{"StringEquals":{"s3:prefix":"${aws:sourceip}"}}"#, &[("s3:prefix", "")]));
    let old =
        identity(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}/*"}}"#);
    assert_eq!(ask(&old, "s3:PutObject", "arn:aws:s3:::anna/a", &[]), Decision::ImplicitDeny);
    assert_eq!(ask(&old, "s3:PutObject", "arn:aws:s3:::${aws:username}/a", &[]), Decision::Allow);
}

#[test]
fn string_operators() {
    let p = |v| [("s3:prefix", v)];
    assert!(met(r#"{"StringEquals":{"S3:Prefix":["a","b"]}}"#, &p("b")), "keys in any case");
    assert!(!met(r#"{"StringEquals":{"s3:prefix":"a"}}"#, &p("A")));
    assert!(!met(r#"{"StringEquals":{"s3:prefix":"a*"}}"#, &p("ab")), "no wildcards in equality");
    assert!(met(r#"{"StringEqualsIgnoreCase":{"s3:prefix":"a"}}"#, &p("A")));
    assert!(!met(r#"{"StringNotEqualsIgnoreCase":{"s3:prefix":"a"}}"#, &p("A")));
    assert!(met(r#"{"StringLike":{"s3:prefix":"a*c?"}}"#, &p("abccd")));
    assert!(!met(r#"{"StringLike":{"s3:prefix":"a*c?"}}"#, &p("abc")));
    // Several values of a negated operator: none of them may match.
    assert!(met(r#"{"StringNotEquals":{"s3:prefix":["a","b"]}}"#, &p("c")));
    assert!(!met(r#"{"StringNotEquals":{"s3:prefix":["a","b"]}}"#, &p("b")));
    assert!(!met(r#"{"StringNotLike":{"s3:prefix":["a*","b*"]}}"#, &p("bc")));
    // All keys and all operators have to hold.
    let two = r#"{"StringEquals":{"s3:prefix":"a","s3:delimiter":"/"},"Bool":{"aws:SecureTransport":true}}"#;
    assert!(met(two, &[("s3:prefix", "a"), ("s3:delimiter", "/"), ("aws:securetransport", "true")]));
    assert!(!met(two, &[("s3:prefix", "a"), ("s3:delimiter", "/"), ("aws:securetransport", "false")]));
    assert!(!met(two, &[("s3:prefix", "a"), ("aws:securetransport", "true")]));
}

#[test]
fn a_missing_key_fails_what_asks_for_it_and_passes_what_forbids_it() {
    for positive in ["StringEquals", "StringLike", "ArnLike", "StringEqualsIgnoreCase"] {
        assert!(!met(&format!(r#"{{"{positive}":{{"s3:x":"arn:aws:s3:::a"}}}}"#), &[]), "{positive}");
        assert!(met(&format!(r#"{{"{positive}IfExists":{{"s3:x":"arn:aws:s3:::a"}}}}"#), &[]), "{positive}");
    }
    assert!(!met(r#"{"StringEqualsIfExists":{"s3:x":"a"}}"#, &[("s3:x", "b")]));
    for negated in ["StringNotEquals", "StringNotLike", "ArnNotLike", "ArnNotEquals"] {
        assert!(met(&format!(r#"{{"{negated}":{{"s3:x":"arn:aws:s3:::a"}}}}"#), &[]), "{negated}");
    }
    assert!(met(r#"{"NumericNotEquals":{"s3:x":"1"}}"#, &[]));
    assert!(!met(r#"{"NumericLessThan":{"s3:x":"1"}}"#, &[]));
    assert!(met(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, &[]));
    assert!(!met(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, &[]));
    assert!(!met(r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, &[]));
    assert!(met(r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#, &[]));
    assert!(met(r#"{"Null":{"s3:if-none-match":"true"}}"#, &[]));
    assert!(!met(r#"{"Null":{"s3:if-none-match":true}}"#, &[("s3:if-none-match", "*")]));
    assert!(met(r#"{"Null":{"s3:if-none-match":"false"}}"#, &[("s3:if-none-match", "*")]));
}

#[test]
fn set_operators() {
    let keys = |values: &[&'static str]| -> Vec<(&str, &str)> { values.iter().map(|v| ("aws:tagkeys", *v)).collect() };
    let all = r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#;
    assert!(met(all, &keys(&["a", "b"])));
    assert!(met(all, &keys(&["a"])));
    assert!(!met(all, &keys(&["a", "c"])));
    assert!(met(all, &[]), "of no values all pass");
    let any = r#"{"ForAnyValue:StringLike":{"aws:TagKeys":["a*"]}}"#;
    assert!(met(any, &keys(&["c", "ab"])));
    assert!(!met(any, &keys(&["c"])));
    assert!(!met(any, &[]), "of no values none passes");
    let all_not = r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a"]}}"#;
    assert!(met(all_not, &keys(&["b", "c"])));
    assert!(!met(all_not, &keys(&["a", "c"])));
    let any_not = r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a"]}}"#;
    assert!(met(any_not, &keys(&["a", "c"])));
    assert!(!met(any_not, &keys(&["a"])));
}

#[test]
fn numbers_dates_and_addresses() {
    let days = |n| [("s3:object-lock-remaining-retention-days", n)];
    let at_least = r#"{"NumericGreaterThanEquals":{"s3:object-lock-remaining-retention-days":"30"}}"#;
    assert!(met(at_least, &days("30")) && met(at_least, &days("100")) && !met(at_least, &days("9")));
    assert!(!met(at_least, &days("many")));
    assert!(met(r#"{"NumericLessThan":{"s3:TlsVersion":1.3}}"#, &[("s3:tlsversion", "1.2")]));
    assert!(met(r#"{"NumericEquals":{"s3:max-keys":"10"}}"#, &[("s3:max-keys", "10.0")]));

    let now = |t| [("aws:currenttime", t)];
    let until = r#"{"DateLessThan":{"aws:CurrentTime":"2026-12-01T00:00:00Z"}}"#;
    assert!(met(until, &now("2026-11-30T23:59:59Z")) && !met(until, &now("2026-12-01T00:00:00Z")));
    assert!(met(r#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-12-01"}}"#, &now("2026-12-01T00:00:00Z")));
    assert!(met(
        r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-12-01T01:00:00+02:00"}}"#,
        &now("2026-12-01T00:00:00Z")
    ));
    assert!(met(r#"{"DateEquals":{"aws:EpochTime":"2026-01-01"}}"#, &[("aws:epochtime", "1767225600")]));

    let home = r#"{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8::/32"]}}"#;
    let ip = |a| [("aws:sourceip", a)];
    assert!(met(home, &ip("192.0.2.7")) && met(home, &ip("2001:db8:1::1")));
    assert!(!met(home, &ip("192.0.3.7")) && !met(home, &ip("2001:db9::1")) && !met(home, &ip("::c000:207")));
    assert!(met(r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.7"}}"#, &ip("192.0.2.8")));
    assert!(met(r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, &ip("8.8.8.8")));

    let from = r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:photos"}}"#;
    assert!(met(from, &[("aws:sourcearn", "arn:aws:s3:::photos")]));
    assert!(!met(from, &[("aws:sourcearn", "arn:aws:sns:::photos")]));
    assert!(met(r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/staff/*"}}"#, &[]), "follows from who asks");
}

#[test]
fn malformed_documents_are_refused_with_a_reason() {
    let with = |statement: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let cases = [
        ("{".to_string(), "not valid JSON"),
        ("[]".to_string(), "JSON object"),
        (r#"{"Version":"2012-10-17"}"#.to_string(), "at least one statement"),
        (r#"{"Version":"2012-10-17","Statement":[]}"#.to_string(), "at least one statement"),
        (r#"{"Version":"2012-10-18","Statement":[]}"#.to_string(), "the version must be"),
        (r#"{"version":"2012-10-17","Statement":[]}"#.to_string(), "Unknown field version"),
        (
            with(r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Resource":"arn:aws:s3:::a"}"#),
            "the key Resource stands twice",
        ),
        (with(r#"{"Action":"s3:*","Resource":"*"}"#), "Missing required field Effect"),
        (with(r#"{"Effect":"allow","Action":"s3:*","Resource":"*"}"#), "Effect must be"),
        (with(r#"{"Effect":"Allow","Resource":"*"}"#), "Missing required field Action"),
        (with(r#"{"Effect":"Allow","Action":"s3:*"}"#), "Missing required field Resource"),
        (with(r#"{"Effect":"Allow","Action":"PutObject","Resource":"*"}"#), "prefaced by a vendor"),
        (with(r#"{"Effect":"Allow","Action":"s3:*","Resource":"photos"}"#), "ARN format"),
        (with(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#), "list of strings"),
        (with(r#"{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}"#), "exclude each other"),
        (with(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Conditions":{}}"#), "Unknown field Conditions"),
        (with(r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username"}"#), "not closed"),
        (with(r#"{"Effect":"Allow","Principal":"anna","Action":"s3:*","Resource":"*"}"#), "Invalid principal"),
        (
            with(r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::*:user/a"},"Action":"s3:*","Resource":"*"}"#),
            "Invalid principal",
        ),
    ];
    for (json, wanted) in cases {
        assert!(reason(&json).contains(wanted), "{json}: {}", reason(&json));
    }
    let condition = |condition: &str| {
        with(&format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{condition}}}"#))
    };
    for bad in [
        r#"{"StringEqual":{"s3:prefix":"a"}}"#,
        r#"{"NullIfExists":{"s3:prefix":"true"}}"#,
        r#"{"ForSomeValues:StringEquals":{"s3:prefix":"a"}}"#,
    ] {
        assert!(reason(&condition(bad)).contains("Invalid Condition type"), "{bad}");
    }
    for bad in [
        r#"{"NumericEquals":{"s3:max-keys":"ten"}}"#,
        r#"{"Bool":{"aws:SecureTransport":"yes"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/33"}}"#,
        r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#,
    ] {
        assert!(reason(&condition(bad)).contains("cannot compare"), "{bad}");
    }
    assert!(reason(&condition(r#"{"StringEquals":{"prefix":"a"}}"#)).contains("vendor"));
    let twice = r#"{"Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},
                                 {"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    assert!(reason(twice).contains("statement 2: Sid `A` stands twice"));
    let anyone = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    assert!(PolicyDocument::parse_identity(anyone).unwrap_err().to_string().contains("must not specify a principal"));
    assert!(
        PolicyDocument::parse_resource(WRITER).unwrap_err().to_string().contains("Missing required field Principal")
    );
}

/// Wildcards as they are defined, however slow.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|n| naive(rest, &text[n..])),
        ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && naive(rest, &text[1..]),
    }
}

proptest::proptest! {
    #[test]
    fn wildcards_match_as_their_definition_does(pattern in "[ab*?]{0,7}", text in "[ab]{0,9}") {
        let condition = format!(r#"{{"StringLike":{{"s3:prefix":"{pattern}"}}}}"#);
        let letters = |text: &str| text.chars().collect::<Vec<char>>();
        proptest::prop_assert_eq!(met(&condition, &[("s3:prefix", &text)]), naive(&letters(&pattern), &letters(&text)));
    }
}

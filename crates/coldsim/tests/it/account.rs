//! IAM, STS, SNS, SQS and Budgets: what is made counts at once, and nothing more is allowed.

use std::time::Duration;

use darkslide_coldsim::{ColdSim, Options};
use darkslide_words::{Clock, SystemClock, Time};
use s3s::crypto::{Checksum, Sha1};

use crate::client::{Bench, Client, Reply, START};

/// A form of the query protocol.
fn form(action: &str, fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let fields = fields.iter().map(|(name, value)| format!("&{name}={}", encode(value)));
    format!("Action={action}{}", fields.collect::<String>())
}

/// Asks a service as somebody.
fn ask(client: &Client, service: &'static str, action: &str, fields: &[(&str, &str)]) -> Reply {
    let client = Client { service, ..client.clone() };
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    client.call("POST", "/", &headers, form(action, fields).as_bytes())
}

fn iam(bench: &Bench, action: &str, fields: &[(&str, &str)]) -> Reply {
    ask(&bench.client, "iam", action, fields)
}

fn done(bench: &Bench, action: &str, fields: &[(&str, &str)]) -> Reply {
    let reply = iam(bench, action, fields);
    assert_eq!(reply.status, 200, "{action}: {}", reply.text());
    reply
}

fn refused(bench: &Bench, action: &str, fields: &[(&str, &str)], status: u16, code: &str) {
    let reply = iam(bench, action, fields);
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{action}: {}", reply.text());
}

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn allow(actions: &str, resource: &str) -> String {
    policy(&format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"{resource}"}}"#))
}

/// A new user, with a key that signs for it.
fn user(bench: &Bench, name: &str) -> Client {
    done(bench, "CreateUser", &[("UserName", name)]);
    key(bench, name)
}

fn key(bench: &Bench, name: &str) -> Client {
    let reply = done(bench, "CreateAccessKey", &[("UserName", name)]);
    let (id, secret) = (reply.element("AccessKeyId").unwrap(), reply.element("SecretAccessKey").unwrap());
    Client::new(bench.server.addr(), &id, &secret)
}

fn status(client: &Client, method: &str, target: &str) -> u16 {
    client.call(method, target, &[], b"").status
}

#[test]
fn a_new_key_works_at_once_and_only_as_far_as_its_policies() {
    let bench = Bench::new();
    bench.put("data/k", "STANDARD", b"x");
    let writer = user(&bench, "writer");
    assert_eq!(status(&writer, "GET", "/photos/data/k"), 403);
    let read = allow(r#""s3:GetObject""#, "arn:aws:s3:::photos/data/*");
    let put = [("UserName", "writer"), ("PolicyName", "read"), ("PolicyDocument", read.as_str())];
    done(&bench, "PutUserPolicy", &put);
    assert_eq!(status(&writer, "GET", "/photos/data/k"), 200);
    assert_eq!(status(&writer, "DELETE", "/photos/data/k"), 403);
    let got = done(&bench, "GetUserPolicy", &put[..2]);
    assert!(got.element("PolicyDocument").unwrap().starts_with("%7B%22Version"), "{}", got.text());
    done(&bench, "DeleteUserPolicy", &put[..2]);
    assert_eq!(status(&writer, "GET", "/photos/data/k"), 403);
    let who = ask(&writer, "sts", "GetCallerIdentity", &[]);
    assert_eq!(who.element("Arn").unwrap(), "arn:aws:iam::123456789012:user/writer");
}

#[test]
fn keys_are_two_and_can_be_put_to_sleep() {
    let bench = Bench::new();
    let first = user(&bench, "writer");
    let all = allow(r#""s3:*""#, "*");
    let put = [("UserName", "writer"), ("PolicyName", "p"), ("PolicyDocument", all.as_str())];
    done(&bench, "PutUserPolicy", &put);
    let second = key(&bench, "writer");
    refused(&bench, "CreateAccessKey", &[("UserName", "writer")], 409, "LimitExceeded");
    assert_eq!((status(&first, "GET", "/photos"), status(&second, "GET", "/photos")), (200, 200));
    let of_first = [("UserName", "writer"), ("AccessKeyId", first.id.as_str()), ("Status", "Inactive")];
    done(&bench, "UpdateAccessKey", &of_first);
    let sleeping = first.call("GET", "/photos", &[], b"");
    assert_eq!((sleeping.status, sleeping.code().as_str()), (403, "InvalidAccessKeyId"));
    let used = done(&bench, "GetAccessKeyLastUsed", &[("AccessKeyId", &second.id)]);
    assert_eq!(used.element("ServiceName").unwrap(), "s3");
    refused(&bench, "DeleteUser", &[("UserName", "writer")], 409, "DeleteConflict");
    done(&bench, "DeleteAccessKey", &of_first[..2]);
    assert!(!done(&bench, "ListAccessKeys", &[("UserName", "writer")]).text().contains(&first.id));
    refused(&bench, "DeleteAccessKey", &of_first[..2], 404, "NoSuchEntity");
    let never = key(&bench, "writer");
    let used = done(&bench, "GetAccessKeyLastUsed", &[("AccessKeyId", &never.id)]);
    assert_eq!((used.element("ServiceName").unwrap().as_str(), used.element("LastUsedDate")), ("N/A", None));
}

#[test]
fn managed_policies_have_versions_and_boundaries_cap() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", b"x");
    let reader = user(&bench, "reader");
    let (read, all) = (allow(r#""s3:GetObject""#, "*"), allow(r#""s3:*""#, "*"));
    let made = done(&bench, "CreatePolicy", &[("PolicyName", "read"), ("Path", "/x/"), ("PolicyDocument", &read)]);
    let arn = made.element("Arn").unwrap();
    assert_eq!(arn, "arn:aws:iam::123456789012:policy/x/read");
    refused(&bench, "CreatePolicy", &[("PolicyName", "read"), ("PolicyDocument", &read)], 409, "EntityAlreadyExists");
    let attach = [("UserName", "reader"), ("PolicyArn", arn.as_str())];
    done(&bench, "AttachUserPolicy", &attach);
    assert_eq!((status(&reader, "GET", "/photos/k"), status(&reader, "GET", "/photos")), (200, 403));
    refused(&bench, "DeletePolicy", &[("PolicyArn", &arn)], 409, "DeleteConflict");
    let version = [("PolicyArn", arn.as_str()), ("PolicyDocument", &all), ("SetAsDefault", "true")];
    assert_eq!(done(&bench, "CreatePolicyVersion", &version).element("VersionId").unwrap(), "v2");
    assert_eq!(status(&reader, "GET", "/photos"), 200);
    for _ in 3..=5 {
        done(&bench, "CreatePolicyVersion", &version[..2]);
    }
    refused(&bench, "CreatePolicyVersion", &version[..2], 409, "LimitExceeded");
    refused(&bench, "DeletePolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v2")], 409, "DeleteConflict");
    let cap = done(&bench, "CreatePolicy", &[("PolicyName", "cap"), ("PolicyDocument", &read)]).element("Arn").unwrap();
    let boundary = [("UserName", "reader"), ("PermissionsBoundary", cap.as_str())];
    done(&bench, "PutUserPermissionsBoundary", &boundary);
    assert_eq!((status(&reader, "GET", "/photos/k"), status(&reader, "GET", "/photos")), (200, 403));
    done(&bench, "DeleteUserPermissionsBoundary", &boundary[..1]);
    assert_eq!(status(&reader, "GET", "/photos"), 200);
    done(&bench, "DetachUserPolicy", &attach);
    assert_eq!(status(&reader, "GET", "/photos/k"), 403);
}

#[test]
fn documents_are_checked_and_bounded() {
    let bench = Bench::new();
    user(&bench, "u");
    let long = allow(&format!("{}\"s3:GetObject\"", "\"s3:GetObjectVersion\",".repeat(100)), "*");
    let put = |document: &str| {
        iam(&bench, "PutUserPolicy", &[("UserName", "u"), ("PolicyName", "p"), ("PolicyDocument", document)])
    };
    assert_eq!(put("{}").code(), "MalformedPolicyDocument");
    assert_eq!(put(&long).code(), "LimitExceeded");
    done(&bench, "CreatePolicy", &[("PolicyName", "long"), ("PolicyDocument", &long)]);
    let longer = allow(&format!("{}\"s3:GetObject\"", "\"s3:GetObjectVersion\",".repeat(300)), "*");
    refused(&bench, "CreatePolicy", &[("PolicyName", "longer"), ("PolicyDocument", &longer)], 409, "LimitExceeded");
    refused(&bench, "GetUser", &[("UserName", "nobody")], 404, "NoSuchEntity");
    refused(&bench, "CreateUser", &[("UserName", "a b")], 400, "ValidationError");
    refused(&bench, "NoSuchAction", &[], 400, "InvalidAction");
}

#[test]
fn nobody_gives_themselves_rights() {
    let bench = Bench::new();
    let plain = user(&bench, "plain");
    let all = allow(r#""s3:*""#, "*");
    let own = [("UserName", "plain"), ("PolicyName", "p"), ("PolicyDocument", all.as_str())];
    assert_eq!(ask(&plain, "iam", "PutUserPolicy", &own).code(), "AccessDenied");
    assert_eq!(ask(&plain, "sns", "CreateTopic", &[("Name", "t")]).code(), "AuthorizationError");
    // A helper may make users, but only under a boundary.
    let statement = r#"{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy"],
        "Resource":"arn:aws:iam::123456789012:user/d/*",
        "Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/cap"}}}"#;
    let helps = policy(statement);
    done(&bench, "CreatePolicy", &[("PolicyName", "cap"), ("PolicyDocument", &all)]);
    done(&bench, "PutUserPolicy", &[("UserName", "plain"), ("PolicyName", "p"), ("PolicyDocument", &helps)]);
    let create = |fields: &[(&str, &str)]| ask(&plain, "iam", "CreateUser", fields).status;
    let cap = ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/cap");
    assert_eq!(create(&[("UserName", "new"), ("Path", "/d/")]), 403);
    assert_eq!(create(&[("UserName", "new"), cap]), 403);
    assert_eq!(create(&[("UserName", "new"), ("Path", "/d/"), cap]), 200);
    let capped = [("UserName", "new"), ("PolicyName", "p"), ("PolicyDocument", all.as_str())];
    assert_eq!(ask(&plain, "iam", "PutUserPolicy", &capped).status, 200);
}

/// The code that a second factor shows now, worked out apart from the simulator.
fn code(seed: &[u8]) -> String {
    let step = (SystemClock::default().now().seconds() / 30).to_be_bytes();
    let mut block = seed.to_vec();
    block.resize(64, 0);
    let with = |byte: u8| block.iter().map(|b| b ^ byte).collect::<Vec<u8>>();
    let inner = Sha1::checksum(&[with(0x36), step.to_vec()].concat());
    let sum = Sha1::checksum(&[with(0x5c), inner.to_vec()].concat());
    let at = usize::from(sum[19] & 15);
    let number = u32::from_be_bytes(sum[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn unbase32(text: &str) -> Vec<u8> {
    let value = |c: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap() as u64;
    let groups: Vec<char> = text.chars().collect();
    groups
        .chunks(8)
        .flat_map(|group| group.iter().fold(0_u64, |n, c| n << 5 | value(*c)).to_be_bytes()[3..].to_vec())
        .collect()
}

/// Calls S3 with the credentials of a session.
fn in_session(bench: &Bench, reply: &Reply, target: &str) -> u16 {
    let part = |name: &str| reply.element(name).unwrap();
    let client = Client::new(bench.server.addr(), &part("AccessKeyId"), &part("SecretAccessKey"));
    assert_eq!(client.call("GET", target, &[], b"").code(), "InvalidToken");
    client.call("GET", target, &[("x-amz-security-token", &part("SessionToken"))], b"").status
}

#[test]
fn a_role_is_taken_on_with_a_second_factor() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", b"x");
    let anna = user(&bench, "anna");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"AWS":"arn:aws:iam::123456789012:user/anna"},
        "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}"#;
    let role = [("RoleName", "restorer"), ("AssumeRolePolicyDocument", trust), ("MaxSessionDuration", "7200")];
    let arn = done(&bench, "CreateRole", &role).element("Arn").unwrap();
    let read = allow(r#""s3:GetObject","s3:ListBucket""#, "*");
    done(&bench, "PutRolePolicy", &[("RoleName", "restorer"), ("PolicyName", "p"), ("PolicyDocument", &read)]);
    let assume = |who: &Client, more: &[(&str, &str)]| {
        let fields = [&[("RoleArn", arn.as_str()), ("RoleSessionName", "here")][..], more].concat();
        ask(who, "sts", "AssumeRole", &fields)
    };
    assert_eq!(assume(&anna, &[]).code(), "AccessDenied");
    let device = done(&bench, "CreateVirtualMFADevice", &[("VirtualMFADeviceName", "anna")]);
    let serial = device.element("SerialNumber").unwrap();
    let seed = device.element("Base32StringSeed").unwrap();
    let seed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, seed).unwrap();
    let seed = unbase32(&String::from_utf8(seed).unwrap());
    let now = code(&seed);
    let enable =
        [("UserName", "anna"), ("SerialNumber", &serial), ("AuthenticationCode1", &now), ("AuthenticationCode2", &now)];
    done(&bench, "EnableMFADevice", &enable);
    let with = |code: &str| assume(&anna, &[("SerialNumber", &serial), ("TokenCode", code)]);
    let wrong = if now == "000000" { "111111" } else { "000000" };
    assert_eq!(with(wrong).code(), "AccessDenied");
    let session = with(&now);
    assert_eq!(session.status, 200, "{}", session.text());
    assert_eq!(in_session(&bench, &session, "/photos/k"), 200);
    assert_eq!(in_session(&bench, &session, "/photos?versions"), 403);
    // Somebody else has no part in it, whatever their policies say.
    let bob = user(&bench, "bob");
    let assumes = allow(r#""sts:*""#, "*");
    done(&bench, "PutUserPolicy", &[("UserName", "bob"), ("PolicyName", "p"), ("PolicyDocument", &assumes)]);
    assert_eq!(assume(&bob, &[]).code(), "AccessDenied");
    // A policy of the session cuts the role's.
    let narrow = allow(r#""s3:GetObject""#, "arn:aws:s3:::photos/other");
    let cut = assume(&anna, &[("SerialNumber", &serial), ("TokenCode", &now), ("Policy", &narrow)]);
    assert_eq!(in_session(&bench, &cut, "/photos/k"), 403);
    let unknown = trust.replace("user/anna", "user/nobody");
    let bad = [("RoleName", "r2"), ("AssumeRolePolicyDocument", unknown.as_str())];
    refused(&bench, "CreateRole", &bad, 400, "MalformedPolicyDocument");
}

#[test]
fn a_trusted_account_still_has_to_allow_it() {
    let bench = Bench::new();
    let anna = user(&bench, "anna");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"AWS":"arn:aws:iam::123456789012:root"}}]}"#;
    let arn = done(&bench, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", trust)]).element("Arn");
    let arn = arn.unwrap();
    let fields = [("RoleArn", arn.as_str()), ("RoleSessionName", "here")];
    assert_eq!(ask(&anna, "sts", "AssumeRole", &fields).status, 403);
    let may = allow(r#""sts:AssumeRole""#, &arn);
    done(&bench, "PutUserPolicy", &[("UserName", "anna"), ("PolicyName", "p"), ("PolicyDocument", &may)]);
    assert_eq!(ask(&anna, "sts", "AssumeRole", &fields).status, 200);
    let longer = [&fields[..], &[("DurationSeconds", "7200")]].concat();
    assert_eq!(ask(&anna, "sts", "AssumeRole", &longer).code(), "ValidationError");
}

#[test]
fn simulation_tells_what_would_happen() {
    let bench = Bench::new();
    user(&bench, "writer");
    let statements = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*",
        "Condition":{"StringEquals":{"s3:x-amz-storage-class":"DEEP_ARCHIVE"}}},
        {"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"}"#;
    let document = policy(statements);
    done(&bench, "PutUserPolicy", &[("UserName", "writer"), ("PolicyName", "p"), ("PolicyDocument", &document)]);
    let ask_about = |action: &str, class: Option<&str>| {
        let mut fields = vec![
            ("PolicySourceArn", "arn:aws:iam::123456789012:user/writer"),
            ("ActionNames.member.1", action),
            ("ResourceArns.member.1", "arn:aws:s3:::photos/k"),
        ];
        if let Some(class) = class {
            fields.push(("ContextEntries.member.1.ContextKeyName", "s3:x-amz-storage-class"));
            fields.push(("ContextEntries.member.1.ContextKeyValues.member.1", class));
            fields.push(("ContextEntries.member.1.ContextKeyType", "string"));
        }
        done(&bench, "SimulatePrincipalPolicy", &fields)
    };
    let decision = |reply: &Reply| reply.element("EvalDecision").unwrap();
    assert_eq!(decision(&ask_about("s3:PutObject", Some("DEEP_ARCHIVE"))), "allowed");
    assert_eq!(decision(&ask_about("s3:PutObject", Some("STANDARD"))), "implicitDeny");
    let missing = ask_about("s3:PutObject", None);
    assert_eq!(decision(&missing), "implicitDeny");
    assert!(missing.text().contains("<MissingContextValues><member>s3:x-amz-storage-class</member>"));
    let denied = ask_about("s3:DeleteObject", None);
    assert_eq!(decision(&denied), "explicitDeny");
    assert_eq!(denied.element("SourcePolicyId").unwrap(), "p");
    let boundary = allow(r#""s3:GetObject""#, "*");
    let custom = done(
        &bench,
        "SimulateCustomPolicy",
        &[
            ("PolicyInputList.member.1", allow(r#""s3:*""#, "*").as_str()),
            ("PermissionsBoundaryPolicyInputList.member.1", boundary.as_str()),
            ("ActionNames.member.1", "s3:PutObject"),
        ],
    );
    assert_eq!(decision(&custom), "implicitDeny");
    assert_eq!(custom.element("AllowedByPermissionsBoundary").unwrap(), "false");
}

/// A call of the queues.
fn sqs(client: &Client, operation: &str, body: &str) -> Reply {
    let client = Client { service: "sqs", ..client.clone() };
    let target = format!("AmazonSQS.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    client.call("POST", "/", &headers, body.as_bytes())
}

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:thaws";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:thaws";

fn may_send(service: &str, action: &str, resource: &str, source: &str) -> String {
    policy(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"{action}","Resource":"{resource}",
        "Condition":{{"ArnLike":{{"aws:SourceArn":"{source}"}},"StringEquals":{{"aws:SourceAccount":"123456789012"}}}}}}"#
    ))
}

#[test]
fn events_go_through_a_topic_into_a_queue_where_both_policies_allow_it() {
    let bench = Bench::new();
    bench.put("k", "GLACIER", b"x");
    sqs(&bench.client, "CreateQueue", r#"{"QueueName":"thaws"}"#);
    let sns = |action: &str, fields: &[(&str, &str)]| {
        let reply = ask(&bench.client, "sns", action, fields);
        assert_eq!(reply.status, 200, "{action}: {}", reply.text());
        reply
    };
    assert_eq!(sns("CreateTopic", &[("Name", "thaws")]).element("TopicArn").unwrap(), TOPIC);
    sns("Subscribe", &[("TopicArn", TOPIC), ("Protocol", "sqs"), ("Endpoint", QUEUE)]);
    let xml = format!(
        "<NotificationConfiguration><TopicConfiguration><Topic>{TOPIC}</Topic><Event>s3:ObjectRestore:*</Event>\
         </TopicConfiguration></NotificationConfiguration>"
    );
    assert_eq!(bench.configure("notification", &xml).status, 400);
    let of_topic = may_send("s3.amazonaws.com", "sns:Publish", TOPIC, "arn:aws:s3:::photos");
    let set = |value: &str| {
        sns("SetTopicAttributes", &[("TopicArn", TOPIC), ("AttributeName", "Policy"), ("AttributeValue", value)])
    };
    set(&of_topic.replace(":::photos", ":::other"));
    assert_eq!(bench.configure("notification", &xml).status, 400);
    set(&of_topic);
    assert_eq!(bench.configure("notification", &xml).status, 200);
    assert_eq!(bench.sim.take_messages("thaws").len(), 0);
    let of_queue =
        may_send("sns.amazonaws.com", "sqs:SendMessage", QUEUE, TOPIC).replace('"', "\\\"").replace('\n', "");
    let url = format!("{}/123456789012/thaws", bench.server.url());
    let body = format!(r#"{{"QueueUrl":"{url}","Attributes":{{"Policy":"{of_queue}"}}}}"#);
    assert_eq!(sqs(&bench.client, "SetQueueAttributes", &body).status, 200);
    assert_eq!(bench.restore("k", "Standard", Some(1)).status, 202);
    bench.sim.advance(Duration::from_secs(6 * 3_600));
    let messages = bench.sim.take_messages("thaws");
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[1].contains("ObjectRestore:Completed") && messages[1].contains(TOPIC), "{}", messages[1]);
}

#[test]
fn queues_have_tags_and_are_encrypted() {
    let bench = Bench::new();
    let made = sqs(&bench.client, "CreateQueue", r#"{"QueueName":"q","tags":{"by":"darkslide"}}"#);
    assert_eq!(made.status, 200, "{}", made.text());
    let url = format!("{}/123456789012/q", bench.server.url());
    let of = |more: &str| format!(r#"{{"QueueUrl":"{url}"{more}}}"#);
    assert_eq!(sqs(&bench.client, "ListQueueTags", &of("")).text(), r#"{"Tags":{"by":"darkslide"}}"#);
    sqs(&bench.client, "TagQueue", &of(r#","Tags":{"x":"y"}"#));
    sqs(&bench.client, "UntagQueue", &of(r#","TagKeys":["by"]"#));
    assert_eq!(sqs(&bench.client, "ListQueueTags", &of("")).text(), r#"{"Tags":{"x":"y"}}"#);
    let got = sqs(&bench.client, "GetQueueAttributes", &of(r#","AttributeNames":["All"]"#)).text();
    assert!(got.contains(r#""SqsManagedSseEnabled":"true""#), "{got}");
}

#[test]
fn budgets_are_kept() {
    let bench = Bench::new();
    let call = |operation: &str, body: &str| {
        let client = Client { service: "budgets", ..bench.client.clone() };
        let target = format!("AWSBudgetServiceGateway.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
        client.call("POST", "/", &headers, body.as_bytes())
    };
    let create = r#"{"AccountId":"123456789012","Budget":{"BudgetName":"photos","BudgetType":"COST","TimeUnit":"MONTHLY",
        "BudgetLimit":{"Amount":"20","Unit":"USD"}},"NotificationsWithSubscribers":[{"Notification":
        {"NotificationType":"ACTUAL","ComparisonOperator":"GREATER_THAN","Threshold":80},
        "Subscribers":[{"SubscriptionType":"EMAIL","Address":"a@example.org"}]}]}"#;
    let describe = r#"{"AccountId":"123456789012","BudgetName":"photos"}"#;
    assert!(call("DescribeBudget", describe).text().contains("NotFoundException"));
    assert_eq!(call("CreateBudget", create).status, 200);
    assert!(call("CreateBudget", create).text().contains("DuplicateRecordException"));
    assert!(call("DescribeBudget", describe).text().contains(r#""Amount":"20""#));
    assert!(call("DescribeNotificationsForBudget", describe).text().contains(r#""Threshold":80.0"#));
    assert_eq!(call("DeleteBudget", describe).status, 200);
    assert_eq!(call("DeleteBudget", describe).status, 400);
}

#[test]
fn users_and_topics_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(folder.path().to_path_buf()), ..Options::new(Time::from_parts(START, 0)) };
    let bench = Bench::with(options.clone());
    let writer = user(&bench, "writer");
    let list = allow(r#""s3:ListBucket""#, "*");
    done(&bench, "PutUserPolicy", &[("UserName", "writer"), ("PolicyName", "p"), ("PolicyDocument", &list)]);
    drop(bench);
    let sim = ColdSim::open(options, std::sync::Arc::new(SystemClock::default())).unwrap();
    let server = sim.start("127.0.0.1:0".parse().unwrap()).unwrap();
    let again = Client { addr: server.addr(), ..writer };
    assert_eq!(again.call("GET", "/photos", &[], b"").status, 200);
}

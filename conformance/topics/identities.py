"""Who may do what: users, keys, policies and roles of IAM, sessions of STS, topics of SNS, queues of SQS."""

import json

from botocore.exceptions import ClientError

from checks import Target, answer, check, eventually

EVALUATION = "Policy evaluation logic"


def _iam(t: Target):
    return t.client("iam")


def _policy(actions, resource="*", effect="Allow", **more) -> str:
    statement = {"Effect": effect, "Action": actions, "Resource": resource} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _user(t: Target, name: str, *policies: str, **how):
    """A new user with policies, and what it may send to S3."""
    iam = _iam(t)
    iam.create_user(UserName=name, **how)
    for number, document in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=document)
    return _key(t, iam.create_access_key(UserName=name)["AccessKey"])


def _key(t: Target, key: dict, **more):
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]} | more
    return t.client(**keys), keys


def _put(t: Target, s3, key: str, **how) -> str:
    return answer(lambda: s3.put_object(Bucket=t.bucket, Key=key, Body=b"x", **how))


def _get(t: Target, s3, key: str) -> str:
    return answer(lambda: s3.get_object(Bucket=t.bucket, Key=key))


@check("iam-new-key", "200; 403 AccessDenied", "CreateAccessKey; PutUserPolicy")
def _(t: Target):
    """A new key works at once, as far as its user's policies go."""
    s3, _ = _user(t, "new-key", _policy("s3:PutObject", f"arn:aws:s3:::{t.bucket}/new/*"))
    return f"{_put(t, s3, 'new/a')}; {_put(t, s3, 'old/a')}"


@check("iam-class-and-create-only", "200; 403 AccessDenied; 403 AccessDenied", "Condition keys for Amazon S3")
def _(t: Target):
    """Conditions on the storage class and on `If-None-Match` hold."""
    condition = {"StringEquals": {"s3:x-amz-storage-class": "STANDARD_IA"}, "Null": {"s3:if-none-match": "false"}}
    s3, _ = _user(t, "conditions", _policy("s3:PutObject", f"arn:aws:s3:::{t.bucket}/*", Condition=condition))
    good = _put(t, s3, "conditions/a", StorageClass="STANDARD_IA", IfNoneMatch="*")
    return f"{good}; {_put(t, s3, 'conditions/b', StorageClass='STANDARD_IA')}; {_put(t, s3, 'conditions/c', IfNoneMatch='*')}"


@check("iam-deny-wins", "403 AccessDenied", EVALUATION)
def _(t: Target):
    """An explicit deny holds against an allow."""
    t.put("denied")
    s3, _ = _user(t, "denied", _policy("s3:*"), _policy("s3:GetObject", effect="Deny"))
    return _get(t, s3, "denied")


@check("iam-boundary", "200; 403 AccessDenied", "Permissions boundaries for IAM entities")
def _(t: Target):
    """A boundary caps what policies allow."""
    t.put("bounded")
    cap = _iam(t).create_policy(PolicyName="cap", PolicyDocument=_policy("s3:GetObject"))["Policy"]["Arn"]
    s3, _ = _user(t, "bounded", _policy("s3:*"), PermissionsBoundary=cap)
    return f"{_get(t, s3, 'bounded')}; {_put(t, s3, 'bounded/other')}"


@check("iam-managed-version", "403 AccessDenied, then 200", "CreatePolicyVersion")
def _(t: Target):
    """Of a managed policy the default version counts."""
    iam = _iam(t)
    arn = iam.create_policy(PolicyName="versions", PolicyDocument=_policy("s3:GetObject"))["Policy"]["Arn"]
    s3, _ = _user(t, "versions")
    iam.attach_user_policy(UserName="versions", PolicyArn=arn)
    before = _put(t, s3, "versions/a")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=_policy("s3:PutObject"), SetAsDefault=True)
    return f"{before}, then {_put(t, s3, 'versions/a')}"


@check("iam-third-key", "409 LimitExceeded", "CreateAccessKey")
def _(t: Target):
    """A user has two keys at most."""
    _user(t, "keys")
    iam = _iam(t)
    iam.create_access_key(UserName="keys")
    return answer(lambda: iam.create_access_key(UserName="keys"))


@check("iam-inactive-key", "403 InvalidAccessKeyId", "UpdateAccessKey")
def _(t: Target):
    """A key that is switched off opens nothing."""
    s3, keys = _user(t, "sleeping", _policy("s3:*"))
    _iam(t).update_access_key(UserName="sleeping", AccessKeyId=keys["aws_access_key_id"], Status="Inactive")
    return _put(t, s3, "sleeping/a")


@check("iam-malformed", "400 MalformedPolicyDocument", "PutUserPolicy")
def _(t: Target):
    """What is no policy is refused."""
    iam = _iam(t)
    iam.create_user(UserName="malformed")
    return answer(lambda: iam.put_user_policy(UserName="malformed", PolicyName="p", PolicyDocument='{"a": 1}'))


@check("iam-inline-limit", "409 LimitExceeded", "IAM and AWS STS quotas")
def _(t: Target):
    """A user's own policies have 2,048 characters together."""
    iam = _iam(t)
    iam.create_user(UserName="long")
    long = _policy(["s3:GetObjectVersionAttributes"] * 80)
    return answer(lambda: iam.put_user_policy(UserName="long", PolicyName="p", PolicyDocument=long))


@check("iam-delete-conflict", "409 DeleteConflict", "DeleteUser")
def _(t: Target):
    """A user with a key is not deleted."""
    _user(t, "conflict")
    return answer(lambda: _iam(t).delete_user(UserName="conflict"))


@check("iam-twice", "409 EntityAlreadyExists", "CreateUser")
def _(t: Target):
    """A name is given once."""
    _user(t, "twice")
    return answer(lambda: _iam(t).create_user(UserName="twice"))


@check("iam-nobody", "404 NoSuchEntity", "GetUser")
def _(t: Target):
    """Who is not there is told so."""
    return answer(lambda: _iam(t).get_user(UserName="nobody"))


@check("iam-last-used", "N/A, then s3", "GetAccessKeyLastUsed")
def _(t: Target):
    """When a key was used last, and for what, is remembered."""
    s3, keys = _user(t, "used", _policy("s3:*"))
    ask = lambda: _iam(t).get_access_key_last_used(AccessKeyId=keys["aws_access_key_id"])["AccessKeyLastUsed"]  # noqa: E731
    before = ask()["ServiceName"]
    _put(t, s3, "used/a")
    return f"{before}, then {ask()['ServiceName']}"


@check("iam-document-back", "the same", "GetUserPolicy")
def _(t: Target):
    """A policy comes back as it was given."""
    document = _policy("s3:PutObject", "arn:aws:s3:::a/b+c d/*")
    _user(t, "document", document)
    got = _iam(t).get_user_policy(UserName="document", PolicyName="p0")["PolicyDocument"]
    return "the same" if got == json.loads(document) else str(got)


@check("iam-simulate", "allowed, implicitDeny, explicitDeny", "SimulatePrincipalPolicy")
def _(t: Target):
    """The simulation decides as requests are decided."""
    condition = {"StringEquals": {"s3:x-amz-storage-class": "DEEP_ARCHIVE"}}
    _user(t, "simulated", _policy("s3:PutObject", Condition=condition), _policy("s3:DeleteObject", effect="Deny"))
    arn = _iam(t).get_user(UserName="simulated")["User"]["Arn"]

    def ask(action: str, storage_class: str) -> str:
        entry = {"ContextKeyName": "s3:x-amz-storage-class", "ContextKeyValues": [storage_class], "ContextKeyType": "string"}
        got = _iam(t).simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[action], ResourceArns=[f"arn:aws:s3:::{t.bucket}/a"], ContextEntries=[entry]
        )
        return got["EvaluationResults"][0]["EvalDecision"]

    asked = [("s3:PutObject", "DEEP_ARCHIVE"), ("s3:PutObject", "STANDARD"), ("s3:DeleteObject", "STANDARD")]
    return ", ".join(ask(*one) for one in asked)


@check("sts-who", "user/who", "GetCallerIdentity")
def _(t: Target):
    """A key tells whose it is, whatever its user may do."""
    _, keys = _user(t, "who")
    return t.client("sts", **keys).get_caller_identity()["Arn"].rpartition(":")[2]


def _role(t: Target, name: str, trusted: str, **condition) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": trusted}}
    if condition:
        statement["Condition"] = condition
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = _iam(t)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_policy("s3:GetObject"))
    return role["Arn"]


def _assume(t: Target, keys: dict, arn: str):
    return t.client("sts", **keys).assume_role(RoleArn=arn, RoleSessionName="conformance")["Credentials"]


@check("sts-role", "200; 403 AccessDenied", "AssumeRole")
def _(t: Target):
    """A role that trusts a user gives its session what the role may do, and nothing else."""
    t.put("role/a")
    _, keys = _user(t, "assumes", _policy("sts:AssumeRole"))
    arn = _role(t, "taken-on", _iam(t).get_user(UserName="assumes")["User"]["Arn"])
    given = _assume(t, keys, arn)
    s3, _ = _key(t, given, aws_session_token=given["SessionToken"])
    return f"{_get(t, s3, 'role/a')}; {_put(t, s3, 'role/b')}"


@check("sts-role-untrusted", "403 AccessDenied", "AssumeRole")
def _(t: Target):
    """Who is not trusted does not take the role on, whatever their policies allow."""
    _, keys = _user(t, "stranger", _policy("sts:AssumeRole"))
    _user(t, "friend")
    arn = _role(t, "of-friends", _iam(t).get_user(UserName="friend")["User"]["Arn"])
    return answer(lambda: {"ResponseMetadata": {"HTTPStatusCode": 200}} if _assume(t, keys, arn) else {})


@check("sts-role-mfa", "403 AccessDenied", "Using MFA with roles")
def _(t: Target):
    """Without a second factor a role that asks for one is not taken on."""
    _, keys = _user(t, "one-factor", _policy("sts:AssumeRole"))
    trusted = _iam(t).get_user(UserName="one-factor")["User"]["Arn"]
    arn = _role(t, "of-two-factors", trusted, Bool={"aws:MultiFactorAuthPresent": "true"})
    return answer(lambda: {"ResponseMetadata": {"HTTPStatusCode": 200}} if _assume(t, keys, arn) else {})


@check("sts-token", "400 InvalidToken", "Using temporary credentials")
def _(t: Target):
    """A session's key without its token opens nothing."""
    _, keys = _user(t, "tokens", _policy("sts:AssumeRole"))
    given = _assume(t, keys, _role(t, "tokens", _iam(t).get_user(UserName="tokens")["User"]["Arn"]))
    s3, _ = _key(t, given, aws_session_token="bm9uc2Vuc2U=")
    return _get(t, s3, "role/a")


def _topic(t: Target, name: str) -> tuple:
    sns, sqs = t.client("sns"), t.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return sns, sqs, topic, url, arn


def _lets(sqs, url: str, arn: str, topic: str) -> None:
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    condition = {"ArnLike": {"aws:SourceArn": topic}}
    policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": arn, "Condition": condition}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


def _messages(sqs, url: str, seconds: float) -> list:
    return eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []), seconds)


@check("sns-to-queue", "Notification: thawed", "Fanout to Amazon SQS queues")
def _(t: Target):
    """What is published to a topic reaches the queue that listens and lets it."""
    sns, sqs, topic, url, arn = _topic(t, "conformance-fanout")
    _lets(sqs, url, arn, topic)
    sns.publish(TopicArn=topic, Message="thawed")
    told = json.loads(_messages(sqs, url, 10)[0]["Body"])
    return f"{told['Type']}: {told['Message']}"


@check("sns-queue-shut", "nothing", "Fanout to Amazon SQS queues")
def _(t: Target):
    """A queue whose policy does not let the topic gets nothing."""
    sns, sqs, topic, url, _ = _topic(t, "conformance-shut")
    sns.publish(TopicArn=topic, Message="thawed")
    told = _messages(sqs, url, 1)
    return f"{len(told)} messages" if told else "nothing"


@check("sns-topic-attributes", "the same; 404 NotFound", "GetTopicAttributes")
def _(t: Target):
    """A topic's policy comes back, and what is no topic is told so."""
    sns, _, topic, _, _ = _topic(t, "conformance-attributes")
    wanted = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    document = json.dumps({"Version": "2012-10-17", "Statement": [wanted]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    got = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    gone = answer(lambda: sns.get_topic_attributes(TopicArn=f"{topic}-gone"))
    return f"{'the same' if json.loads(got) == json.loads(document) else got}; {gone}"


@check("notification-topic", "ObjectRestore", "PutBucketNotificationConfiguration")
def _(t: Target):
    """A bucket's events go to a topic whose policy lets S3, and to no other."""
    sns, _, topic, _, _ = _topic(t, "conformance-events")
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectRestore:*"]}]}
    bucket = t.new_bucket("events")
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    t.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    got = t.s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]
    return " ".join(event.split(":")[1] for one in got for event in one["Events"])


@check("notification-topic-shut", "400 InvalidArgument", "Granting permissions to publish event notification messages")
def _(t: Target):
    """A topic that does not let S3 is refused as a destination."""
    _, _, topic, _, _ = _topic(t, "conformance-not-told")
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectRestore:*"]}]}
    bucket = t.new_bucket("not-told")
    how = {"Bucket": bucket, "NotificationConfiguration": wanted}
    return answer(lambda: t.s3.put_bucket_notification_configuration(**how))


@check("queue-tags", "darkslide; gone", "TagQueue; DeleteQueue")
def _(t: Target):
    """A queue has tags, and is gone when it is deleted."""
    sqs = t.client("sqs")
    url = sqs.create_queue(QueueName="conformance-tags", tags={"by": "darkslide"})["QueueUrl"]
    tags = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    sqs.delete_queue(QueueUrl=url)
    try:
        sqs.get_queue_url(QueueName="conformance-tags")
        return f"{tags.get('by')}; there"
    except ClientError:
        return f"{tags.get('by')}; gone"

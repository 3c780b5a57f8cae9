"""What is set for a whole bucket: lifecycle, tiering, policy, encryption, notifications."""

import json

from checks import NotTried, Target, answer, check, eventually
from topics.restores import ask, cold

LIFECYCLE = "PutBucketLifecycleConfiguration"
TIERING = "PutBucketIntelligentTieringConfiguration"


def _rule(**what) -> dict:
    return {"ID": "rule", "Status": "Enabled", "Filter": {"Prefix": "packs/"}} | what


def _lifecycle(t: Target, bucket: str, rule: dict) -> str:
    how = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": [rule]}}
    return answer(lambda: t.s3.put_bucket_lifecycle_configuration(**how))


@check("lifecycle", "0 days to DEEP_ARCHIVE, noncurrent 30, abort 3", LIFECYCLE)
def _(t: Target):
    """A rule is kept as it was given."""
    rule = _rule(
        Transitions=[{"Days": 0, "StorageClass": "DEEP_ARCHIVE"}],
        NoncurrentVersionExpiration={"NoncurrentDays": 30},
        AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3},
    )
    _lifecycle(t, t.bucket, rule)
    got = t.s3.get_bucket_lifecycle_configuration(Bucket=t.bucket)["Rules"][0]
    move = got.get("Transitions", [{}])[0]
    old = got.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    abort = got.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return f"{move.get('Days')} days to {move.get('StorageClass')}, noncurrent {old}, abort {abort}"


@check("lifecycle-none", "404 NoSuchLifecycleConfiguration", "GetBucketLifecycleConfiguration")
def _(t: Target):
    """Where there is none, there is none."""
    return answer(lambda: t.s3.get_bucket_lifecycle_configuration(Bucket=t.versioned))


@check("lifecycle-too-early", "400 InvalidArgument", LIFECYCLE)
def _(t: Target):
    """Nothing moves to STANDARD_IA before 30 days."""
    return _lifecycle(t, t.new_bucket("too-early"), _rule(Transitions=[{"Days": 5, "StorageClass": "STANDARD_IA"}]))


@check("lifecycle-acts", "DEEP_ARCHIVE; small STANDARD", "Transitioning objects using Amazon S3 Lifecycle")
def _(t: Target):
    """After its days an object moves; one below 128 KiB does not unless a rule says so."""
    if not t.server.pass_hours:
        raise NotTried("its clock cannot be moved")
    bucket = t.new_bucket("lifecycle-acts")
    _lifecycle(t, bucket, _rule(Transitions=[{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]))
    t.put("packs/large", bytes(200_000), bucket)
    t.put("packs/small", bytes(1000), bucket)
    t.server.pass_hours(24 * 4)
    large, small = (t.head(f"packs/{size}", bucket).get("StorageClass", "STANDARD") for size in ("large", "small"))
    return f"{large}; small {small}"


def _tiering(t: Target, days: int) -> str:
    wanted = {
        "Id": "tiering",
        "Status": "Enabled",
        "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": days}, {"AccessTier": "DEEP_ARCHIVE_ACCESS", "Days": 180}],
    }
    how = {"Bucket": t.bucket, "Id": "tiering", "IntelligentTieringConfiguration": wanted}
    return answer(lambda: t.s3.put_bucket_intelligent_tiering_configuration(**how))


@check("tiering", "200, ARCHIVE_ACCESS 90, DEEP_ARCHIVE_ACCESS 180, 1 listed", TIERING)
def _(t: Target):
    """The archive tiers of Intelligent-Tiering are kept as they were given."""
    seen = _tiering(t, 90)
    got = t.s3.get_bucket_intelligent_tiering_configuration(Bucket=t.bucket, Id="tiering")
    tiers = got["IntelligentTieringConfiguration"].get("Tierings", [])
    told = ", ".join(sorted(f"{tier['AccessTier']} {tier['Days']}" for tier in tiers)) or "no tiers"
    listed = t.s3.list_bucket_intelligent_tiering_configurations(Bucket=t.bucket)
    return f"{seen}, {told}, {len(listed.get('IntelligentTieringConfigurationList', []))} listed"


@check("tiering-too-early", "400 InvalidArgument", TIERING)
def _(t: Target):
    """Archive Access begins after 90 days at the earliest."""
    return _tiering(t, 30)


def _policy(t: Target, bucket: str, text: str) -> str:
    return answer(lambda: t.s3.put_bucket_policy(Bucket=bucket, Policy=text))


def _denying(bucket: str) -> str:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/shut/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [deny]})


@check("policy", "same", "GetBucketPolicy")
def _(t: Target):
    """A policy is kept as it was given."""
    bucket = t.new_bucket("policy")
    _policy(t, bucket, _denying(bucket))
    got = json.loads(t.s3.get_bucket_policy(Bucket=bucket)["Policy"])
    return "same" if got == json.loads(_denying(bucket)) else "another"


@check("policy-denies", "403 AccessDenied, open", "Policy evaluation logic")
def _(t: Target):
    """A Deny in a bucket's policy holds against whoever is allowed otherwise."""
    bucket = t.new_bucket("policy-denies")
    t.put("shut/1", bucket=bucket)
    t.put("free/1", b"open", bucket)
    _policy(t, bucket, _denying(bucket))
    seen = answer(lambda: t.s3.get_object(Bucket=bucket, Key="shut/1"))
    return f"{seen}, {t.read('free/1', bucket).decode()}"


@check("policy-malformed", "400 MalformedPolicy", "Error responses")
def _(t: Target):
    """What is no policy is refused."""
    return _policy(t, t.bucket, json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}))


@check("public-access-block", "all four", "PutPublicAccessBlock")
def _(t: Target):
    """The four switches against publication are kept."""
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    wanted = dict.fromkeys(names, True)
    t.s3.put_public_access_block(Bucket=t.bucket, PublicAccessBlockConfiguration=wanted)
    got = t.s3.get_public_access_block(Bucket=t.bucket)["PublicAccessBlockConfiguration"]
    return "all four" if got == wanted else str(got)


@check("encryption-default", "AES256", "Setting default server-side encryption behavior")
def _(t: Target):
    """A new bucket encrypts with the keys of S3."""
    got = t.s3.get_bucket_encryption(Bucket=t.new_bucket("encryption"))["ServerSideEncryptionConfiguration"]
    return got["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]


def _queue(t: Target) -> tuple:
    sqs = t.client("sqs")
    url = sqs.create_queue(QueueName="conformance-thaws")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    # The queue has to let S3 in: S3 looks before it takes the configuration.
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return sqs, url, arn


def _notify(t: Target, arn: str) -> list:
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectRestore:*"]}]}
    t.s3.put_bucket_notification_configuration(Bucket=t.bucket, NotificationConfiguration=wanted)
    return t.s3.get_bucket_notification_configuration(Bucket=t.bucket).get("QueueConfigurations", [])


@check("notification", "s3:ObjectRestore:*", "PutBucketNotificationConfiguration")
def _(t: Target):
    """A bucket can be told to report its restores to a queue."""
    return " ".join(event for one in _notify(t, _queue(t)[2]) for event in one["Events"])


@check("notification-restore", "ObjectRestore:Completed ObjectRestore:Post", "Event message structure")
def _(t: Target):
    """Beginning and end of a restore arrive in the queue."""
    sqs, url, arn = _queue(t)
    _notify(t, arn)
    ask(t, cold(t, "told/restore"))
    if t.server.pass_hours:
        t.server.pass_hours(13)
    told = set()

    def receive() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for record in json.loads(message["Body"]).get("Records", []):
                if record["s3"]["object"]["key"] == "told/restore":
                    told.add(record["eventName"])
        return len(told) > 1

    eventually(receive, t.server.thaw_seconds)
    return " ".join(sorted(told)) or "nothing"

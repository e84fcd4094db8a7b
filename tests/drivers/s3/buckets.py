"""Stories about buckets, lists and their configuration."""

import json


def service(s):
    s.bucket()
    s.bucket("b")
    assert {one["Name"] for one in s.call("list_buckets")["Buckets"]} >= set(s.buckets)


def life_of_a_bucket(s):
    bucket = s.bucket()
    s.call("get_bucket_location", Bucket=bucket)
    s.call("put_object", Bucket=bucket, Key="a", Body=b"x")
    s.call("delete_bucket", 409, "BucketNotEmpty", Bucket=bucket)
    s.call("delete_object", 204, Bucket=bucket, Key="a")
    s.call("delete_bucket", 204, Bucket=bucket)
    s.call("list_objects_v2", 404, "NoSuchBucket", Bucket=bucket)


def filled(s):
    bucket = s.bucket()
    for key in ("a", "b/1", "b/2", "c & d/1", "e", "ü"):
        s.call("put_object", Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def lists_of_version_1(s):
    bucket = filled(s)
    assert len(s.call("list_objects", Bucket=bucket)["Contents"]) == 6
    found = s.call("list_objects", Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["b/", "c & d/"]
    assert [one["Key"] for one in s.call("list_objects", Bucket=bucket, Prefix="b/")["Contents"]] == ["b/1", "b/2"]
    page = s.call("list_objects", Bucket=bucket, MaxKeys=2)
    assert page["IsTruncated"] and len(page["Contents"]) == 2
    assert s.call("list_objects", Bucket=bucket, MaxKeys=2, Marker="b/1")["Contents"][0]["Key"] == "b/2"
    s.call("list_objects", Bucket=bucket, EncodingType="url")
    s.call("list_objects", Bucket=bucket, MaxKeys=0)


def lists_of_version_2(s):
    bucket = filled(s)
    assert s.call("list_objects_v2", Bucket=bucket)["KeyCount"] == 6
    s.call("list_objects_v2", Bucket=bucket, Delimiter="/", FetchOwner=True)
    s.call("list_objects_v2", Bucket=bucket, Prefix="c & d/")
    assert s.call("list_objects_v2", Bucket=bucket, StartAfter="b/2")["Contents"][0]["Key"] == "c & d/1"
    keys, more = [], {}
    while more is not None:
        page = s.call("list_objects_v2", Bucket=bucket, MaxKeys=2, **more)
        keys += [one["Key"] for one in page["Contents"]]
        more = {"ContinuationToken": page["NextContinuationToken"]} if page["IsTruncated"] else None
    assert keys == ["a", "b/1", "b/2", "c & d/1", "e", "ü"]


def tags_of_a_bucket(s):
    bucket = s.bucket()
    s.call("get_bucket_tagging", 404, Bucket=bucket)
    s.call("put_bucket_tagging", (200, 204), Bucket=bucket, Tagging={"TagSet": [{"Key": "data", "Value": "phi"}]})
    assert s.call("get_bucket_tagging", Bucket=bucket)["TagSet"] == [{"Key": "data", "Value": "phi"}]
    s.call("delete_bucket_tagging", (200, 204), Bucket=bucket)


def policies(s):
    bucket = s.bucket()
    s.call("get_bucket_policy", 404, "NoSuchBucketPolicy", Bucket=bucket)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::*/kept/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s.call("put_bucket_policy", (200, 204), Bucket=bucket, Policy=policy)
    assert json.loads(s.call("get_bucket_policy", Bucket=bucket)["Policy"])["Statement"] == [statement]
    s.call("get_bucket_policy_status", Bucket=bucket)
    s.call("delete_bucket_policy", (200, 204), Bucket=bucket)


def cross_origins(s):
    bucket = s.bucket()
    s.call("get_bucket_cors", 404, Bucket=bucket)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://ward.example"], "MaxAgeSeconds": 60}
    s.call("put_bucket_cors", Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert len(s.call("get_bucket_cors", Bucket=bucket)["CORSRules"]) == 1
    s.call("delete_bucket_cors", 204, Bucket=bucket)


def lifecycles(s):
    bucket = s.bucket()
    s.call("get_bucket_lifecycle_configuration", 404, "NoSuchLifecycleConfiguration", Bucket=bucket)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 30}}
    s.call("put_bucket_lifecycle_configuration", Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s.call("get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"][0]["ID"] == "old"
    s.call("delete_bucket_lifecycle", 204, Bucket=bucket)


def public_access(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a", Body=b"x")
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    s.call("put_public_access_block", Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s.call("get_public_access_block", Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    s.call("put_object_acl", 403, "AccessDenied", Bucket=bucket, Key="a", ACL="public-read")
    s.call("delete_public_access_block", (200, 204), Bucket=bucket)


def locks(s):
    bucket = s.bucket(ObjectLockEnabledForBucket=True)
    assert s.call("get_object_lock_configuration", Bucket=bucket)["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
    version = s.call("put_object", Bucket=bucket, Key="a", Body=b"x")["VersionId"]
    s.call("put_object_legal_hold", Bucket=bucket, Key="a", LegalHold={"Status": "ON"})
    assert s.call("get_object_legal_hold", Bucket=bucket, Key="a")["LegalHold"]["Status"] == "ON"
    s.call("delete_object", 403, "AccessDenied", Bucket=bucket, Key="a", VersionId=version)
    s.call("put_object_legal_hold", Bucket=bucket, Key="a", LegalHold={"Status": "OFF"})
    s.call("delete_object", 204, Bucket=bucket, Key="a", VersionId=version)


STORIES = [
    service,
    life_of_a_bucket,
    lists_of_version_1,
    lists_of_version_2,
    tags_of_a_bucket,
    policies,
    cross_origins,
    lifecycles,
    public_access,
    locks,
]

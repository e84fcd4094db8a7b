"""Stories about objects: each makes what it needs, and says of each call what any store answers."""

import hashlib

BODY = b"a line of text\n" * 100
ODD_KEYS = ["plain", "a b+c", "ü/日本", "semi;colon,comma", "p%20ercent", "quote'\"", "tilde~star*", "deep/er/and/deeper.csv", "query?=&#hash"]


def put_and_get(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a.txt", Body=BODY, ContentType="text/plain")
    assert s.call("get_object", Bucket=bucket, Key="a.txt")["Body"] == BODY
    s.call("put_object", Bucket=bucket, Key="a.txt", Body=b"another")
    assert s.call("get_object", Bucket=bucket, Key="a.txt")["Body"] == b"another"


def empty_object(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="empty", Body=b"")
    assert s.call("get_object", Bucket=bucket, Key="empty")["Body"] == b""
    s.call("head_object", Bucket=bucket, Key="empty")


def keys_of_all_kinds(s):
    bucket = s.bucket()
    for key in ODD_KEYS:
        s.call("put_object", Bucket=bucket, Key=key, Body=key.encode())
        assert s.call("get_object", Bucket=bucket, Key=key)["Body"] == key.encode()
    assert {one["Key"] for one in s.call("list_objects_v2", Bucket=bucket)["Contents"]} == set(ODD_KEYS)


def head(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a.txt", Body=BODY)
    assert s.call("head_object", Bucket=bucket, Key="a.txt")["ContentLength"] == len(BODY)
    s.call("head_object", 404, Bucket=bucket, Key="none")
    s.call("head_bucket", Bucket=bucket)
    s.call("head_bucket", 404, Bucket=f"{bucket}-none")


def headers_and_metadata(s):
    bucket = s.bucket()
    kept = {
        "ContentType": "text/csv; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a b.csv"',
        "ContentEncoding": "identity",
        "ContentLanguage": "en",
        "Metadata": {"ward": "seven", "run-id": "42"},
    }
    s.call("put_object", Bucket=bucket, Key="a.csv", Body=BODY, **kept)
    found = s.call("get_object", Bucket=bucket, Key="a.csv")
    assert {name: found[name] for name in kept} == kept, found
    s.call("head_object", Bucket=bucket, Key="a.csv")


def overridden_headers(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a.csv", Body=BODY)
    found = s.call(
        "get_object",
        Bucket=bucket,
        Key="a.csv",
        ResponseContentType="text/x-other",
        ResponseContentDisposition="inline",
        ResponseCacheControl="no-store",
        ResponseContentLanguage="de",
    )
    assert found["ContentType"] == "text/x-other" and found["ContentDisposition"] == "inline"


def ranges(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a.txt", Body=BODY)
    for range, wanted in (("0-9", BODY[:10]), ("10-", BODY[10:]), ("-5", BODY[-5:]), ("1490-9999", BODY[1490:])):
        assert s.call("get_object", 206, Bucket=bucket, Key="a.txt", Range=f"bytes={range}")["Body"] == wanted
    s.call("get_object", 416, "InvalidRange", Bucket=bucket, Key="a.txt", Range="bytes=5000-6000")


def conditions(s):
    bucket = s.bucket()
    tag = s.call("put_object", Bucket=bucket, Key="a.txt", Body=BODY)["ETag"]
    assert tag.strip('"') == hashlib.md5(BODY).hexdigest()
    s.call("get_object", Bucket=bucket, Key="a.txt", IfMatch=tag)
    s.call("get_object", 412, "PreconditionFailed", Bucket=bucket, Key="a.txt", IfMatch='"0"')
    s.call("get_object", 304, Bucket=bucket, Key="a.txt", IfNoneMatch=tag)
    s.call("get_object", Bucket=bucket, Key="a.txt", IfNoneMatch='"0"')
    s.call("get_object", 304, Bucket=bucket, Key="a.txt", IfModifiedSince="2099-01-01T00:00:00Z")
    s.call("get_object", Bucket=bucket, Key="a.txt", IfModifiedSince="2001-01-01T00:00:00Z")
    s.call("get_object", 412, Bucket=bucket, Key="a.txt", IfUnmodifiedSince="2001-01-01T00:00:00Z")
    s.call("head_object", 412, Bucket=bucket, Key="a.txt", IfMatch='"0"')


def delete(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a.txt", Body=BODY)
    s.call("delete_object", 204, Bucket=bucket, Key="a.txt")
    s.call("get_object", 404, "NoSuchKey", Bucket=bucket, Key="a.txt")
    s.call("delete_object", 204, Bucket=bucket, Key="a.txt")


def delete_many(s):
    bucket = s.bucket()
    for key in ("a", "b", "c & d"):
        s.call("put_object", Bucket=bucket, Key=key, Body=b"x")
    some = {"Objects": [{"Key": "a"}, {"Key": "c & d"}, {"Key": "never was"}]}
    s.call("delete_objects", Bucket=bucket, Delete=some)
    s.call("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert s.call("list_objects_v2", Bucket=bucket)["KeyCount"] == 0


def copies(s):
    bucket, other = s.bucket(), s.bucket("b")
    s.call("put_object", Bucket=bucket, Key="a b.txt", Body=BODY, Metadata={"ward": "seven"})
    source = {"Bucket": bucket, "Key": "a b.txt"}
    s.call("copy_object", Bucket=other, Key="copy", CopySource=source)
    assert s.call("get_object", Bucket=other, Key="copy")["Metadata"] == {"ward": "seven"}
    s.call("copy_object", Bucket=other, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"ward": "nine"})
    assert s.call("get_object", Bucket=other, Key="new")["Metadata"] == {"ward": "nine"}
    s.call("copy_object", 404, "NoSuchKey", Bucket=other, Key="no", CopySource={"Bucket": bucket, "Key": "none"})


def copies_on_condition(s):
    bucket = s.bucket()
    tag = s.call("put_object", Bucket=bucket, Key="a", Body=BODY)["ETag"]
    source = {"Bucket": bucket, "Key": "a"}
    s.call("copy_object", Bucket=bucket, Key="b", CopySource=source, CopySourceIfMatch=tag)
    # Ceph 16 copies whatever these say; AWS answers 412.
    s.call("copy_object", (200, 412), Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch='"0"')
    s.call("copy_object", (200, 412), Bucket=bucket, Key="d", CopySource=source, CopySourceIfNoneMatch=tag)


def tags(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a", Body=b"x", Tagging="ward=seven&kind=a%20b")
    s.call("get_object", Bucket=bucket, Key="a")
    assert len(s.call("get_object_tagging", Bucket=bucket, Key="a")["TagSet"]) == 2
    s.call("put_object_tagging", Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v & w"}]})
    assert s.call("get_object_tagging", Bucket=bucket, Key="a")["TagSet"] == [{"Key": "k", "Value": "v & w"}]
    s.call("delete_object_tagging", 204, Bucket=bucket, Key="a")
    s.call("get_object_tagging", Bucket=bucket, Key="a")


def versions(s):
    bucket = s.bucket()
    s.call("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s.call("get_bucket_versioning", Bucket=bucket)["Status"] == "Enabled"
    first = s.call("put_object", Bucket=bucket, Key="a", Body=b"one")["VersionId"]
    s.call("put_object", Bucket=bucket, Key="a", Body=b"two")
    assert s.call("get_object", Bucket=bucket, Key="a")["Body"] == b"two"
    assert s.call("get_object", Bucket=bucket, Key="a", VersionId=first)["Body"] == b"one"
    s.call("head_object", Bucket=bucket, Key="a", VersionId=first)
    marker = s.call("delete_object", 204, Bucket=bucket, Key="a")["VersionId"]
    s.call("get_object", 404, "NoSuchKey", Bucket=bucket, Key="a")
    found = s.call("list_object_versions", Bucket=bucket)
    assert len(found["Versions"]) == 2 and len(found["DeleteMarkers"]) == 1
    s.call("delete_object", 204, Bucket=bucket, Key="a", VersionId=marker)
    assert s.call("get_object", Bucket=bucket, Key="a")["Body"] == b"two"
    s.call("copy_object", Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a", "VersionId": first})
    assert s.call("get_object", Bucket=bucket, Key="b")["Body"] == b"one"
    s.call("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": "a", "VersionId": first}]})
    s.call("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s.call("put_object", Bucket=bucket, Key="a", Body=b"three")


def access_lists(s):
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a", Body=b"x")
    s.call("get_object_acl", Bucket=bucket, Key="a")
    s.call("put_object_acl", Bucket=bucket, Key="a", ACL="public-read")
    assert len(s.call("get_object_acl", Bucket=bucket, Key="a")["Grants"]) == 2
    s.call("get_bucket_acl", Bucket=bucket)


STORIES = [
    put_and_get,
    empty_object,
    keys_of_all_kinds,
    head,
    headers_and_metadata,
    overridden_headers,
    ranges,
    conditions,
    delete,
    delete_many,
    copies,
    copies_on_condition,
    tags,
    versions,
    access_lists,
]

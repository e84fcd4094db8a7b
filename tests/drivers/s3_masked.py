"""What an agent of S3 can try to get of what is masked: each line of JSON says whether it was held, and one has all that was received.

    AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… S3_URL=https://127.0.0.1:9443 S3_CA=ca.pem python s3_masked.py masked
"""

import gzip
import hashlib
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROWS = 400
SSNS = [f"{100 + row}-45-{1000 + row}" for row in range(ROWS)]
TABLE = ("id,ssn,ward\n" + "".join(f"{row},{ssn},w{row % 7}\n" for row, ssn in enumerate(SSNS))).encode()
BUCKET = "masked-lake"
received = []


def client():
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, signature_version="s3v4")
    return boto3.client("s3", endpoint_url=os.environ["S3_URL"], verify=os.environ["S3_CA"], region_name="us-east-1", config=config)


def say(name, **what):
    print(json.dumps({"name": name, **what}), flush=True)


def held(name, condition, **what):
    say(name, held=bool(condition), **what)


def tried(name, call, code=None, **parameters):
    """A call; everything that it gives is kept. With `code` it has to be refused by that code."""
    try:
        answer = call(**parameters)
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
            received.append(answer["Body"].decode(errors="replace"))
        received.append(json.dumps(answer, default=repr))
        held(name, code is None, got="an answer")
        return answer
    except ClientError as error:
        received.append(json.dumps(error.response, default=repr))
        got = error.response["Error"]["Code"]
        held(name, got == code, got=got)
        return error.response


def masked():
    s3 = client()
    md5 = hashlib.md5(TABLE).hexdigest()
    packed = gzip.compress(TABLE, mtime=0)
    tried("create", s3.create_bucket, Bucket=BUCKET)
    own = dict(Bucket=BUCKET, Key="patients/a.csv")
    beside = {"md5chksum": md5, "uid": md5, "mode": SSNS[0], "mtime": "1"}
    words = dict(ContentType=f"text/csv; md5={md5}", ContentDisposition=f'attachment; filename="{md5}"', CacheControl=md5)
    tried("put", s3.put_object, Body=TABLE, Metadata=beside, Tagging=f"md5={md5}", **words, **own)
    tried("put packed", s3.put_object, Bucket=BUCKET, Key="patients/b.csv.gz", Body=packed)
    del received[:]
    got = tried("get", s3.get_object, **own)
    held("lines", got["Body"].count(b"\n") == ROWS + 1 and got["Body"].count(b"tok_") == ROWS)
    held("length", got["ContentLength"] == len(got["Body"]))
    held("metadata", got["Metadata"] == {"mtime": "1"}, got=got["Metadata"])
    words = (got["ContentType"], got["ContentDisposition"], got.get("CacheControl"))
    held("words of its writer", words == ("text/csv", "attachment", None), got=words)
    tried("tags", s3.get_object_tagging, code="AccessDenied", **own)
    head = tried("head", s3.head_object, **own)
    held("head is true", head["ContentLength"] == len(got["Body"]))
    part = tried("range", s3.get_object, Range="bytes=100-299", **own)
    held("range is of what is given", part["Body"] == got["Body"][100:300] and part["ContentRange"].endswith(str(len(got["Body"]))))
    tried("range behind the end", s3.get_object, code="InvalidRange", Range="bytes=99999999-", **own)
    unpacked = tried("get packed", s3.get_object, Bucket=BUCKET, Key="patients/b.csv.gz")
    text = gzip.decompress(unpacked["Body"])
    received.append(text.decode())
    held("packed lines", text.count(b"tok_") == ROWS)
    listed = tried("list", s3.list_objects_v2, Bucket=BUCKET)
    held("list has the tag of the object", listed["Contents"][0]["ETag"] == got["ETag"] == head["ETag"])
    guessed = {"Key": "patients/guess.csv", "Bucket": BUCKET}
    copied = tried("copy to guess", s3.copy_object, CopySource=f"{BUCKET}/patients/a.csv", **guessed)
    for body in (TABLE, TABLE.replace(b"-45-", b"-54-")):
        tried("put a guess", s3.put_object, Body=body, **guessed)
        # The hash of what it sent itself.
        del received[-1]
        tags = {version["ETag"] for version in s3.list_object_versions(Bucket=BUCKET, Prefix=guessed["Key"])["Versions"]}
        tags.add(s3.head_object(**guessed)["ETag"])
        held("tags have nothing of the content", not any(tag in json.dumps(copied, default=repr) for tag in tags) or len(tags) == 1)
    held("list has no hash", md5 not in json.dumps(listed, default=repr))
    tried("versions", s3.list_object_versions, Bucket=BUCKET)
    tried("attributes", s3.get_object_attributes, code="AccessDenied", ObjectAttributes=["ETag", "Checksum"], **own)
    tried("part", s3.get_object, code="AccessDenied", PartNumber=1, **own)
    tried("copy out", s3.copy_object, code="AccessDenied", Bucket=BUCKET, Key="open/a.csv", CopySource=f"{BUCKET}/patients/a.csv")
    copied = tried("copy", s3.copy_object, Bucket=BUCKET, Key="patients/c.csv", CopySource=f"{BUCKET}/patients/a.csv")
    held("copy has no hash", md5 not in json.dumps(copied, default=repr))
    guess = dict(Bucket=BUCKET, Key="patients/d.csv", CopySource=f"{BUCKET}/patients/a.csv", CopySourceIfMatch=md5)
    tried("guess by a copy", s3.copy_object, code="AccessDenied", **guess)
    tried("guess by a put", s3.put_object, code="AccessDenied", Body=b"x", IfMatch=md5, **own)
    tried("guess by a get", s3.get_object, code="PreconditionFailed", IfMatch=md5, **own)
    tried("not modified", s3.get_object, code="304", IfNoneMatch=got["ETag"], **own)
    tried("not modified since", s3.get_object, code="304", IfModifiedSince=head["LastModified"], **own)
    upload = tried("upload", s3.create_multipart_upload, Bucket=BUCKET, Key="patients/e.csv")["UploadId"]
    piece = dict(Bucket=BUCKET, Key="patients/e.csv", UploadId=upload, PartNumber=1)
    source = dict(CopySource=f"{BUCKET}/patients/a.csv", CopySourceRange="bytes=12-12")
    tried("one byte", s3.upload_part_copy, code="AccessDenied", **piece, **source)
    uploads = tried("uploads", s3.list_multipart_uploads, Bucket=BUCKET)
    held("uploads have no id", upload not in json.dumps(uploads, default=repr))
    behind = dict(KeyMarker="patients/e.csv", UploadIdMarker="2~L")
    tried("uploads behind a mark", s3.list_multipart_uploads, Bucket=BUCKET, **behind)
    held("an id is bound", len(upload.rsplit(".", 1)[-1]) == 32, got=upload)
    bare = dict(Bucket=BUCKET, Key="patients/e.csv", UploadId=upload.rsplit(".", 1)[0])
    parts = {"Parts": [{"PartNumber": 1, "ETag": md5}]}
    tried("complete an upload of somebody", s3.complete_multipart_upload, code="AccessDenied", MultipartUpload=parts, **bare)
    tried("abort an upload of somebody", s3.abort_multipart_upload, code="AccessDenied", **bare)
    tried("parts", s3.list_parts, code="AccessDenied", Bucket=BUCKET, Key="patients/e.csv", UploadId=upload)
    part = tried("part of a table", s3.upload_part, Body=TABLE, **piece)
    del received[-1]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    tried("complete", s3.complete_multipart_upload, Bucket=BUCKET, Key="patients/e.csv", UploadId=upload, MultipartUpload=parts)
    tried("write back", s3.put_object, code="AccessDenied", Bucket=BUCKET, Key="patients/f.csv", Body=got["Body"])
    # Of a large one the answer comes before its end, and still arrives.
    large = got["Body"] + b"0,1,2\n" * (4 << 20)
    tried("write back at length", s3.put_object, code="AccessDenied", Bucket=BUCKET, Key="patients/f.csv", Body=large)
    tried("to no bucket", s3.put_object, code="NoSuchBucket", Bucket="no-such-bucket", Key="open/a", Body=b"x" * (24 << 20))
    tried("unnamed", s3.put_object, Bucket=BUCKET, Key="other/a", Body=b"x")
    tried("read unnamed", s3.get_object, code="AccessDenied", Bucket=BUCKET, Key="other/a")
    tried("grant", s3.put_object_acl, code="AccessDenied", ACL="public-read", **own)
    tried("key with an identifier", s3.put_object, Bucket=BUCKET, Key=f"open/ssn-{SSNS[7]}.csv", Body=b"x")
    asked = tried("delete", s3.delete_object, code="AccessDenied", **own)
    held("delete names the question", asked["ResponseMetadata"]["HTTPHeaders"].get("x-exhibit-approval", "") in asked["Error"]["Message"])
    rule = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "patients/"}, "Expiration": {"Days": 1}}
    expiry = dict(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    asked = tried("expiry is a delete", s3.put_bucket_lifecycle_configuration, code="AccessDenied", **expiry)
    held("expiry is asked about", "x-exhibit-approval" in asked["ResponseMetadata"]["HTTPHeaders"])
    rules = [{**rule, "ID": f"{number}-{'a' * 200}"} for number in range(200)]
    expiry["LifecycleConfiguration"] = {"Rules": rules}
    long = tried("nobody is asked about what is not shown", s3.put_bucket_lifecycle_configuration, code="AccessDenied", **expiry)
    held("it says so", "too long to be shown" in long["Error"]["Message"], got=long["Error"]["Message"])
    held("no hash anywhere", all(md5 not in text for text in received))
    say("canaries", values=SSNS)
    say("received", text="\n".join(received))


{"masked": masked}[sys.argv[1]]()

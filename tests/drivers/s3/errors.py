"""What a store refuses: wrong signatures, wrong bodies, and requests about what is not there. The code counts, not the status alone."""

import base64
import hashlib
import time

import sigv4

BODY = b"a line of text\n"
SHA256 = hashlib.sha256(BODY).hexdigest()


def in_headers(s, payload=SHA256, **key):
    return lambda method, url, headers, body: (url, sigv4.in_headers(s.key(**key), method, url, headers, payload), body)


def in_query(s, expires=300, **key):
    return lambda method, url, headers, body: (*sigv4.in_query(s.key(**key), method, url, headers, expires), body)


def holding(s):
    """A bucket with an object."""
    bucket = s.bucket()
    s.call("put_object", Bucket=bucket, Key="a", Body=BODY)
    return bucket


def absent(s, bucket):
    s.call("get_object", 404, "NoSuchKey", Bucket=bucket, Key="never")


def wrong_secret(s):
    bucket = holding(s)
    s.raw("GET", f"{bucket}/a", 403, "SignatureDoesNotMatch", sign=in_headers(s, sigv4.EMPTY, secret="0" * 40))
    s.raw("PUT", f"{bucket}/never", 403, "SignatureDoesNotMatch", body=BODY, sign=in_headers(s, secret="0" * 40))
    absent(s, bucket)


def wrong_secret_in_query(s):
    bucket = holding(s)
    s.raw("GET", f"{bucket}/a", 403, "SignatureDoesNotMatch", sign=in_query(s, secret="0" * 40))
    s.raw("PUT", f"{bucket}/never", 403, "SignatureDoesNotMatch", body=BODY, sign=in_query(s, secret="0" * 40))
    absent(s, bucket)


def unknown_key(s):
    bucket = holding(s)
    s.raw("GET", f"{bucket}/a", 403, "InvalidAccessKeyId", sign=in_headers(s, sigv4.EMPTY, access="NOBODY0000NOBODY0000"))
    s.raw("GET", f"{bucket}/a", 403, "InvalidAccessKeyId", sign=in_query(s, access="NOBODY0000NOBODY0000"))


def anonymous(s):
    bucket = holding(s)
    s.raw("GET", f"{bucket}/a", 403, "AccessDenied")
    s.raw("PUT", f"{bucket}/never", 403, "AccessDenied", body=BODY)
    s.raw("DELETE", f"{bucket}/a", 403, "AccessDenied")
    absent(s, bucket)


def another_body(s):
    bucket = holding(s)
    other = hashlib.sha256(b"another body").hexdigest()
    s.raw("PUT", f"{bucket}/never", 400, "XAmzContentSHA256Mismatch", body=BODY, sign=in_headers(s, other))
    absent(s, bucket)


def another_md5(s):
    bucket = holding(s)
    headers = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}  # of nothing
    s.raw("PUT", f"{bucket}/never", 400, "BadDigest", headers, BODY, in_headers(s))
    absent(s, bucket)
    s.raw("PUT", f"{bucket}/never", 400, "InvalidDigest", {"content-md5": "no digest"}, BODY, in_headers(s))
    absent(s, bucket)


def forged_chunk(s):
    bucket = holding(s)

    def sign(method, url, headers, body):
        return (url, *sigv4.in_chunks(s.key(), method, url, headers, body, forge=True))

    s.raw("PUT", f"{bucket}/never", 403, "SignatureDoesNotMatch", body=BODY, sign=sign)
    absent(s, bucket)


def expired(s):
    bucket = holding(s)
    s.raw("GET", f"{bucket}/a", 403, "AccessDenied", sign=in_query(s, 60, now=time.time() - 120))
    s.raw("PUT", f"{bucket}/never", 403, "AccessDenied", body=BODY, sign=in_query(s, 60, now=time.time() - 120))
    absent(s, bucket)


def wrong_clock(s):
    bucket = holding(s)
    for off in (-3600, 3600):
        s.raw("GET", f"{bucket}/a", 403, "RequestTimeTooSkewed", sign=in_headers(s, sigv4.EMPTY, now=time.time() + off))


def changed_query(s):
    bucket = holding(s)

    def sign(method, url, headers, body):
        url, headers = sigv4.in_query(s.key(), method, url, headers)
        return url + "&response-content-type=text/html", headers, body

    s.raw("GET", f"{bucket}/a", 403, "SignatureDoesNotMatch", sign=sign)


def changed_path(s):
    bucket = holding(s)

    def sign(method, url, headers, body):
        signed, headers = sigv4.in_query(s.key(), method, url, headers)
        return signed.replace("/a?", "/b?"), headers, body

    s.raw("GET", f"{bucket}/a", 403, "SignatureDoesNotMatch", sign=sign)


def changed_method(s):
    bucket = holding(s)
    sign = lambda method, url, headers, body: in_query(s)("GET", url, headers, body)
    s.raw("DELETE", f"{bucket}/a", 403, "SignatureDoesNotMatch", sign=sign)
    s.call("get_object", Bucket=bucket, Key="a")


def no_such_bucket(s):
    bucket = f"{s.prefix}-none"
    s.call("get_object", 404, "NoSuchBucket", Bucket=bucket, Key="a")
    s.call("put_object", 404, "NoSuchBucket", Bucket=bucket, Key="a", Body=BODY)
    s.call("list_objects_v2", 404, "NoSuchBucket", Bucket=bucket)
    s.call("delete_bucket", 404, "NoSuchBucket", Bucket=bucket)


def no_such_version(s):
    bucket = holding(s)
    s.call("get_object", (400, 404), Bucket=bucket, Key="a", VersionId="3HL4kqtJlcpXroDTDmJ-rmSpXd3dIbrH")


def no_such_upload(s):
    bucket = holding(s)
    upload = {"Bucket": bucket, "Key": "big", "UploadId": "2~none"}
    s.call("upload_part", 404, "NoSuchUpload", PartNumber=1, Body=BODY, **upload)
    s.call("abort_multipart_upload", 404, "NoSuchUpload", **upload)
    s.call("list_parts", 404, ("NoSuchUpload", "NoSuchKey"), **upload)


def malformed_xml(s):
    bucket = holding(s)
    body = b"<Not><Closed>"
    headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    sign = in_headers(s, hashlib.sha256(body).hexdigest())
    for what in ("tagging", "cors", "lifecycle"):
        s.raw("PUT", f"{bucket}?{what}", 400, "MalformedXML", headers, body, sign)
    # Ceph says no more than 400.
    s.raw("POST", f"{bucket}?delete", 400, None, headers, body, sign)


def names_that_no_bucket_has(s):
    for name in ("ab", "-x-", "a..b", "A" * 64):
        s.raw("PUT", name, 400, "InvalidBucketName", sign=in_headers(s, sigv4.EMPTY))


STORIES = [
    wrong_secret,
    wrong_secret_in_query,
    unknown_key,
    anonymous,
    another_body,
    another_md5,
    forged_chunk,
    expired,
    wrong_clock,
    changed_query,
    changed_path,
    changed_method,
    no_such_bucket,
    no_such_version,
    no_such_upload,
    malformed_xml,
]
IN_PATHS_ALONE = [names_that_no_bucket_has]

"""Stories about uploads in parts, and the forms in which a body is sent."""

import base64
import hashlib
import io
import zlib

import sigv4

PART = bytes(range(256)) * (5 * 4096)  # 5 MiB, the least that a part has unless it is the last
SIZES = {"empty": 0, "small": 1000, "chunks": 200_000}


def started(s, **parameters):
    bucket = s.bucket()
    found = s.call("create_multipart_upload", Bucket=bucket, Key="big", **parameters)
    return {"Bucket": bucket, "Key": "big", "UploadId": found["UploadId"]}


def done(parts):
    return {"Parts": [{"PartNumber": number, "ETag": part["ETag"]} for number, part in parts]}


def in_parts(s):
    upload = started(s, ContentType="text/csv", Metadata={"ward": "seven"})
    one = s.call("upload_part", PartNumber=1, Body=PART, **upload)
    two = s.call("upload_part", PartNumber=2, Body=b"the end", **upload)
    assert len(s.call("list_parts", **upload)["Parts"]) == 2
    assert len(s.call("list_multipart_uploads", Bucket=upload["Bucket"])["Uploads"]) == 1
    s.call("complete_multipart_upload", MultipartUpload=done([(1, one), (2, two)]), **upload)
    place = {"Bucket": upload["Bucket"], "Key": "big"}
    assert s.call("get_object", **place)["Body"] == PART + b"the end"
    assert s.call("head_object", **place)["ETag"].endswith('-2"')
    assert s.call("get_object", 206, Range=f"bytes={len(PART) - 2}-{len(PART) + 2}", **place)["Body"] == PART[-2:] + b"the"


def aborted(s):
    upload = started(s)
    s.call("upload_part", PartNumber=1, Body=b"x", **upload)
    s.call("abort_multipart_upload", 204, **upload)
    s.call("list_parts", 404, ("NoSuchUpload", "NoSuchKey"), **upload)
    s.call("upload_part", 404, "NoSuchUpload", PartNumber=1, Body=b"x", **upload)
    s.call("get_object", 404, "NoSuchKey", Bucket=upload["Bucket"], Key="big")


def wrong_parts(s):
    upload = started(s)
    one = s.call("upload_part", PartNumber=1, Body=b"too small", **upload)
    two = s.call("upload_part", PartNumber=2, Body=b"the end", **upload)
    finish = lambda status, code, parts: s.call("complete_multipart_upload", status, code, MultipartUpload=done(parts), **upload)
    finish(400, "EntityTooSmall", [(1, one), (2, two)])
    finish(400, "InvalidPart", [(1, {"ETag": '"0"'})])


def parts_out_of_order(s):
    upload = started(s)
    parts = [(number, s.call("upload_part", PartNumber=number, Body=PART, **upload)) for number in (1, 2)]
    # Ceph 16 sorts them; AWS refuses them.
    s.call("complete_multipart_upload", (200, 400), (None, "InvalidPartOrder"), MultipartUpload=done(parts[::-1]), **upload)


def parts_that_are_copies(s):
    bucket = s.bucket("b")
    s.call("put_object", Bucket=bucket, Key="source", Body=PART + b"tail")
    source = {"Bucket": bucket, "Key": "source"}
    upload = started(s)
    parts = []
    for number, range in ((1, f"bytes=0-{len(PART) - 1}"), (2, f"bytes={len(PART)}-{len(PART) + 3}")):
        found = s.call("upload_part_copy", PartNumber=number, CopySource=source, CopySourceRange=range, **upload)
        parts.append((number, found["CopyPartResult"]))
    s.call("complete_multipart_upload", MultipartUpload=done(parts), **upload)
    assert s.call("get_object", Bucket=upload["Bucket"], Key="big")["Body"] == PART + b"tail"


def text(size):
    return (b"0123456789abcde\n" * (size // 16 + 1))[:size]


def put_by_sdk(parameters=lambda body: {}):
    """A story that puts a body of each size as boto3 sends it with parameters that follow from it, as an object and as a part."""

    def story(s):
        bucket = s.bucket()
        for name, size in SIZES.items():
            s.call("put_object", Bucket=bucket, Key=name, Body=io.BytesIO(text(size)), **parameters(text(size)))
            assert s.call("get_object", Bucket=bucket, Key=name)["Body"] == text(size)
        upload = {"Bucket": bucket, "Key": "part", "UploadId": s.call("create_multipart_upload", Bucket=bucket, Key="part")["UploadId"]}
        part = s.call("upload_part", PartNumber=1, Body=io.BytesIO(text(1000)), **parameters(text(1000)), **upload)
        s.call("complete_multipart_upload", MultipartUpload=done([(1, part)]), **upload)
        assert s.call("get_object", Bucket=bucket, Key="part")["Body"] == text(1000)

    return story


def put_in_chunks(trailer=False, sizes=("small", "chunks")):
    """The same in chunks that are signed one by one, which boto3 does not send and AWS's other SDKs do."""

    def story(s):
        bucket = s.bucket()

        def sign(method, url, headers, body):
            return (url, *sigv4.in_chunks(s.key(), method, url, headers, body, trailer))

        for name, size in ((name, SIZES[name]) for name in sizes):
            s.raw("PUT", f"{bucket}/{name}", 200, body=text(size), sign=sign)
            assert s.call("get_object", Bucket=bucket, Key=name)["Body"] == text(size)

    return story


STORIES = [in_parts, aborted, wrong_parts, parts_out_of_order, parts_that_are_copies]

def encoded(digest):
    return base64.b64encode(digest).decode()


def md5(body):
    return {"ContentMD5": encoded(hashlib.md5(body).digest())}


def crc32(body):
    return {"ChecksumCRC32": encoded(zlib.crc32(body).to_bytes(4, "big"))}


def sha256(body):
    return {"ChecksumSHA256": encoded(hashlib.sha256(body).digest())}


# name: the story, what boto3 is told, and whether it goes by TLS, which boto3 makes its choice by.
PAYLOADS = {
    "sha256": (put_by_sdk(), {"payload_signing": True}, False),
    "sha256_by_tls": (put_by_sdk(), {"payload_signing": True}, True),
    "unsigned": (put_by_sdk(), {"payload_signing": False}, True),
    "content_md5": (put_by_sdk(md5), {}, False),
    "checksum_crc32": (put_by_sdk(crc32), {}, False),
    "checksum_sha256": (put_by_sdk(sha256), {"payload_signing": False}, True),
    "signed_chunks": (put_in_chunks(), {}, False),
    "signed_chunks_by_tls": (put_in_chunks(), {}, True),
    "signed_chunks_of_nothing": (put_in_chunks(sizes=["empty"]), {}, False),
    "signed_chunks_and_trailer": (put_in_chunks(True), {}, False),
    "unsigned_chunks_and_trailer": (put_by_sdk(lambda body: {"ChecksumAlgorithm": "CRC32"}), {"checksum": "when_supported"}, True),
}

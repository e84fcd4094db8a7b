"""AWS Signature Version 4 in the forms that boto3 does not send, or sends on no endpoint of one's own.

Headers, queries, and bodies in chunks with and without a trailer, at any time, with any key, over any body; nothing of botocore.
Specification: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import base64
import hashlib
import hmac
import time
import zlib
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
CHUNK_BYTES = 65536
EMPTY = hashlib.sha256(b"").hexdigest()
# What HTTP libraries and hops add or change.
NOT_SIGNED = ("authorization", "connection", "content-length", "expect", "user-agent", "accept-encoding", "transfer-encoding")


class Key:
    """Who signs, and for where."""

    def __init__(self, access, secret, region="us-east-1", service="s3", now=None):
        self.access, self.secret = access, secret
        self.time = time.gmtime(now)
        self.day = time.strftime("%Y%m%d", self.time)
        self.scope = f"{self.day}/{region}/{service}/aws4_request"
        key = b"AWS4" + secret.encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.signing = key

    @property
    def timestamp(self):
        return time.strftime("%Y%m%dT%H%M%SZ", self.time)

    def sign(self, text):
        return hmac.new(self.signing, text.encode(), hashlib.sha256).hexdigest()


def canonical(method, url, headers, payload, signed):
    parts = urlsplit(url)
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    lines = [method, quote(unquote(parts.path, "latin-1").encode("latin-1"), safe="/-_.~")]
    lines.append("&".join(f"{name}={value}" for name, value in query))
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    return "\n".join([*lines, "", ";".join(signed), payload])


def string_to_sign(key, request):
    return "\n".join([ALGORITHM, key.timestamp, key.scope, hashlib.sha256(request.encode()).hexdigest()])


def own(url, headers):
    """Headers that are signed, by their names in lower case."""
    kept = {name.lower(): value for name, value in headers.items()}
    for name in ("authorization", "x-amz-date", "x-amz-content-sha256", "date"):
        kept.pop(name, None)
    return {**kept, "host": urlsplit(url).netloc}


def in_headers(key, method, url, headers, payload):
    """The headers of the request; `payload` is what `x-amz-content-sha256` says."""
    headers = {**own(url, headers), "x-amz-content-sha256": payload, "x-amz-date": key.timestamp}
    signed = sorted(name for name in headers if name not in NOT_SIGNED)
    signature = key.sign(string_to_sign(key, canonical(method, url, headers, payload, signed)))
    headers["authorization"] = f"{ALGORITHM} Credential={key.access}/{key.scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    return headers


def in_query(key, method, url, headers, expires=300):
    """The URL and the headers of the request."""
    headers = own(url, headers)
    signed = sorted(name for name in headers if name not in NOT_SIGNED)
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{key.access}/{key.scope}",
        "X-Amz-Date": key.timestamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(signed),
    }
    added = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items())
    url += ("&" if urlsplit(url).query else "?") + added
    signature = key.sign(string_to_sign(key, canonical(method, url, headers, "UNSIGNED-PAYLOAD", signed)))
    return f"{url}&X-Amz-Signature={signature}", headers


def in_chunks(key, method, url, headers, body, trailer=False, forge=False):
    """The headers and the bytes of a body whose chunks are signed one by one; `forge` breaks the last signature."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {**headers, "x-amz-decoded-content-length": str(len(body)), "content-encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    headers = in_headers(key, method, url, headers, payload)
    signature = headers["authorization"].rsplit("=", 1)[1]
    sent = b""
    pieces = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)] + [b""]
    for piece in pieces:
        what = [f"{ALGORITHM}-PAYLOAD", key.timestamp, key.scope, signature, EMPTY, hashlib.sha256(piece).hexdigest()]
        signature = key.sign("\n".join(what))
        shown = signature[:-1] + ("0" if signature[-1] != "0" else "1") if forge and not piece else signature
        sent += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece + (b"\r\n" if piece or not trailer else b"")
    if trailer:
        checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        line = f"x-amz-checksum-crc32:{checksum}\n"
        what = [f"{ALGORITHM}-TRAILER", key.timestamp, key.scope, signature, hashlib.sha256(line.encode()).hexdigest()]
        sent += f"x-amz-checksum-crc32:{checksum}\r\nx-amz-trailer-signature:{key.sign(chr(10).join(what))}\r\n\r\n".encode()
    return headers, sent

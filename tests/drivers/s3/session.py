"""Clients of a store as cases use them: boto3 in each style and form, raw requests, and what both were answered.

Nothing is retried and no checksum is added unless a case asks for it, so that each call is one request and both sides see the same.
"""

import re
import socket

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

import sigv4

TIMEOUT_S = 60


class Wrong(Exception):
    """The store did something else than the case wants of any store."""


class Body:
    """A body that was read whole, to be read again by boto3."""

    def __init__(self, data):
        self.data = data

    def read(self, amount=None, **_):
        amount = len(self.data) if amount is None else amount
        piece, self.data = self.data[:amount], self.data[amount:]
        return piece

    def stream(self, amount=65536, **_):
        while self.data:
            yield self.read(amount)


class Store:
    """Where it is and who asks."""

    def __init__(self, options, access, secret):
        self.plain, self.tls, self.authority = options.endpoint, options.tls_endpoint, options.authority
        self.domain, self.region = options.domain, options.region
        self.access, self.secret, self.user = access, secret, options.user
        # One for all clients: it reads the model of S3, which takes longer than most cases.
        self.sdk = boto3.session.Session(access, secret, region_name=options.region)
        self.resolve()

    def resolve(self):
        """Names below the store's domain are at this machine; no resolver knows them."""
        known = socket.getaddrinfo
        of_store = lambda host: str(host) == self.domain or str(host).endswith("." + self.domain)
        socket.getaddrinfo = lambda host, *rest, **more: known("127.0.0.1" if of_store(host) else host, *rest, **more)

    def url(self, style, tls=False):
        url = self.tls if tls else self.plain
        return url.replace("127.0.0.1", self.domain) if style == "virtual" else url


class Session:
    """One case's client and transcript. `signature` is `header` (boto3's own) or `query` (the same requests, presigned)."""

    def __init__(self, store, transcript, prefix, style="path", signature="header", tls=False, **config):
        self.store, self.transcript, self.prefix = store, transcript, prefix
        self.style, self.signature, self.tls = style, signature, tls
        self.endpoint = store.url(style, tls)
        self.buckets = []
        self.last = None
        self.http = URLLib3Session(verify=store.authority if self.endpoint.startswith("https") else True, timeout=TIMEOUT_S)
        self.client = self.made(**config)

    def made(self, payload_signing=None, checksum="when_required"):
        s3 = {"addressing_style": self.style}
        if payload_signing is not None:
            s3["payload_signing_enabled"] = payload_signing
        config = Config(
            signature_version="s3v4",
            s3=s3,
            retries={"total_max_attempts": 1, "mode": "standard"},
            request_checksum_calculation=checksum,
            response_checksum_validation="when_required",
            inject_host_prefix=False,
        )
        client = self.store.sdk.client("s3", endpoint_url=self.endpoint, config=config)
        client.meta.events.register("before-send.s3", self.before_send)
        return client

    def key(self, **changes):
        return sigv4.Key(**{"access": self.store.access, "secret": self.store.secret, "region": self.store.region, **changes})

    def before_send(self, request, **_):
        """Sends what boto3 made, or the same request signed in its query, and keeps the answer."""
        method, url, headers, body = request.method, request.url, dict(request.headers.items()), request.body
        if self.signature == "query":
            texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
            texts.pop("Expect", None)
            url, headers = sigv4.in_query(self.key(), method, url, texts)
        return self.send(method, url, headers, body)

    def send(self, method, url, headers, body=b""):
        response = self.http.send(AWSPreparedRequest(method, url, headers, body, False))
        content = response.content
        self.transcript.exchange(method, url, response.status_code, response.headers, content)
        self.last = (response.status_code, dict(response.headers.items()), content)
        return AWSResponse(url, response.status_code, response.headers, Body(content))

    def call(self, operation, expect=200, code=None, **parameters):
        """Calls boto3; gives its result when there is one. The status, and the code of an error, have to be the expected ones."""
        self.last = None
        try:
            result = getattr(self.client, operation)(**parameters)
            if "Body" in result:
                result["Body"] = result["Body"].read()
        except ClientError as error:
            result = error.response
        self.hold(operation, expect, code)
        return result

    def raw(self, method, path, expect, code=None, headers=None, body=b"", sign=None):
        """A request that boto3 would not send; `sign(method, url, headers, body)` gives URL, headers and body."""
        url = self.at(path)
        headers = dict(headers or {})
        if sign is not None:
            url, headers, body = sign(method, url, headers, body)
        self.send(method, url, headers, body)
        self.hold(f"{method} {path}", expect, code)
        return self.last

    def at(self, path):
        """The URL of `bucket/key?query` in the session's style."""
        if self.style == "path":
            return f"{self.endpoint}/{path}"
        bucket, rest = re.match("([^/?]*)/?(.*)", path).groups()
        scheme, host = self.endpoint.split("://")
        return f"{scheme}://{bucket}.{host}/{rest}"

    def hold(self, what, expect, code):
        if self.last is None:
            raise Wrong(f"{what}: nothing was sent")
        status, _, body = self.last
        expected, codes = (one if isinstance(one, tuple) else (one,) for one in (expect, code))
        found = re.search(rb"<Code>([^<]*)</Code>", body)
        found = found.group(1).decode() if found else None
        if status not in expected or (code is not None and found not in codes):
            raise Wrong(f"{what}: {status} {found}, not {expect} {code or ''}: {body[:300]!r}")

    def bucket(self, name="a", **parameters):
        """Makes a bucket of this case."""
        name = f"{self.prefix}-{name}"
        self.call("create_bucket", Bucket=name, **parameters)
        self.buckets.append(name)
        return name

    def clean(self):
        """Deletes the case's buckets and what is in them; not part of its transcript."""
        kept, self.transcript.exchanges = self.transcript.exchanges, []
        self.signature = "header"
        client = self.made()
        for bucket in self.buckets:
            try:
                self.empty(client, bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucket":
                    raise
        self.transcript.exchanges = kept

    def empty(self, client, bucket):
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        found = client.list_object_versions(Bucket=bucket)
        for version in found.get("Versions", []) + found.get("DeleteMarkers", []):
            client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        client.delete_bucket(Bucket=bucket)

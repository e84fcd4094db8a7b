"""Writes boto3.json: requests as boto3 and the AWS CLI send them, for proxy/s3/tests/recorded.rs.

Run by hand with boto3 and awscli installed: python3 proxy/s3/tests/recorded/record.py > proxy/s3/tests/recorded/boto3.json
Each request is what came over the socket: names and values of its header lines in their order, the target as sent, and the body
without HTTP's own chunks. The credentials are those of AWS's examples, and no store is asked.
"""

import base64
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
import warnings

import boto3
import urllib3
from botocore.config import Config

KEY, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "token/+=="
OBJECT = bytes(range(256)) * 2
warnings.simplefilter("ignore")
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: resolve("localhost" if host == "bucket.localhost" else host, *rest, **named)
urllib3.disable_warnings()


class Recorder:
    """A server that takes a request, keeps it and answers with nothing in particular."""

    def __init__(self, context):
        self.kept = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context = context
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.keep, args=(connection,), daemon=True).start()

    def keep(self, connection):
        try:
            stream = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            file = stream.makefile("rwb")
            method, target, _ = file.readline().decode().split(" ")
            headers = []
            while (line := file.readline().decode("latin-1").rstrip("\r\n")) != "":
                headers.append(line.split(": ", 1))
            by_name = {name.lower(): value for name, value in headers}
            if by_name.get("expect") == "100-continue":
                file.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                file.flush()
            body = b""
            if by_name.get("transfer-encoding") == "chunked":
                while (size := int(file.readline(), 16)) > 0:
                    body += file.read(size)
                    file.readline()
                file.readline()
            else:
                body = file.read(int(by_name.get("content-length", "0")))
            self.kept.append((method, target, headers, body))
            file.write(b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
            file.flush()
            file.close()
            stream.close()
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)


def tls(directory):
    key, certificate = f"{directory}/key.pem", f"{directory}/certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def main():
    directory = tempfile.mkdtemp()
    plain, sealed = Recorder(None), Recorder(tls(directory))
    written = []

    def client(scheme, style="path", token=None, **settings):
        recorder = plain if scheme == "http" else sealed
        return boto3.client(
            "s3", endpoint_url=f"{scheme}://localhost:{recorder.port}", region_name="us-east-1", verify=False,
            aws_access_key_id=KEY, aws_secret_access_key=SECRET, aws_session_token=token,
            config=Config(s3={"addressing_style": style}, retries={"max_attempts": 1}, **settings),
        )

    def record(name, call, object=None, expected="taken"):
        before = len(plain.kept), len(sealed.kept)
        try:
            call()
        except Exception as error:  # the answers are no answers; what was sent is what counts
            print(name, type(error).__name__, file=sys.stderr)
        kept = plain.kept[before[0]:] + sealed.kept[before[1]:]
        assert kept, name
        method, target, headers, body = kept[0]
        written.append({
            "name": name, "expected": expected, "method": method, "target": target, "headers": headers,
            "body": base64.b64encode(body).decode(), "object": base64.b64encode(body if object is None else object).decode(),
        })

    key = "a b/ü+~$&=@:,;'()*!/%2F/../x?#"
    for scheme in ["http", "https"]:
        s3 = client(scheme)
        record(f"{scheme} put", lambda: s3.put_object(Bucket="bucket", Key=key, Body=OBJECT, Metadata={"a": "b  c"}), OBJECT)
        record(f"{scheme} put of a file", lambda: s3.put_object(Bucket="bucket", Key="k", Body=io.BytesIO(OBJECT)), OBJECT)
        record(f"{scheme} put of nothing", lambda: s3.put_object(Bucket="bucket", Key="k", Body=b""), b"")
        for algorithm in ["CRC32", "SHA1", "SHA256"]:
            record(f"{scheme} put {algorithm}", lambda: s3.put_object(
                Bucket="bucket", Key="k", Body=OBJECT, ChecksumAlgorithm=algorithm, ContentType="text/plain"), OBJECT)
        record(f"{scheme} put MD5", lambda: s3.put_object(
            Bucket="bucket", Key="k", Body=b"abc", ContentMD5="kAFQmDzST7DWlj99KOF/cg=="), b"abc")
        record(f"{scheme} part", lambda: s3.upload_part(Bucket="bucket", Key="k", PartNumber=1, UploadId="u+/=", Body=OBJECT), OBJECT)
        record(f"{scheme} get", lambda: s3.get_object(Bucket="bucket", Key=key, Range="bytes=0-9"))
        record(f"{scheme} list", lambda: s3.list_objects_v2(Bucket="bucket", Prefix="ü a/+", Delimiter="/", StartAfter="~*"))
        record(f"{scheme} delete", lambda: s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key}]}))
        record(f"{scheme} copy", lambda: s3.copy_object(Bucket="bucket", Key="k", CopySource={"Bucket": "b", "Key": key}))
        record(f"{scheme} lifecycle", lambda: s3.get_bucket_lifecycle_configuration(Bucket="bucket"))
    token = client("https", token=TOKEN)
    record("token", lambda: token.put_object(Bucket="bucket", Key="k", Body=OBJECT), OBJECT)
    virtual = client("http", style="virtual")
    record("virtual host", lambda: virtual.get_object(Bucket="bucket", Key=key))

    def fetch(url, method="GET", body=None, headers=None):
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        urllib.request.urlopen(request, timeout=5).read()

    version_4 = client("http", signature_version="s3v4")
    get = version_4.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": key, "ResponseContentType": "text/plain; a=b"})
    record("presigned get", lambda: fetch(get))
    put = version_4.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "k"})
    record("presigned put", lambda: fetch(put, "PUT", OBJECT, {"Content-Type": "text/plain"}), OBJECT)
    record("presigned with another method", lambda: fetch(put), expected="SignatureDoesNotMatch")
    temporary = client("http", token=TOKEN, signature_version="s3v4")
    get = temporary.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"})
    record("presigned with a token", lambda: fetch(get))
    get = client("http").generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"})
    record("presigned as boto3 does it untold", lambda: fetch(get), expected="InvalidRequest")
    record("Version 2", lambda: client("http", signature_version="s3").get_object(Bucket="bucket", Key="k"), expected="InvalidRequest")

    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
    }
    file = f"{directory}/object"
    with open(file, "wb") as out:
        out.write(OBJECT)

    def cli(scheme, *arguments):
        port = plain.port if scheme == "http" else sealed.port
        command = ["aws", "--no-verify-ssl", "--endpoint-url", f"{scheme}://localhost:{port}", *arguments]
        subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)

    for scheme in ["http", "https"]:
        record(f"{scheme} aws s3 cp", lambda: cli(scheme, "s3", "cp", file, f"s3://bucket/{key}"), OBJECT)
        record(f"{scheme} aws s3 ls", lambda: cli(scheme, "s3", "ls", "s3://bucket/a b+/"))
    json.dump(written, sys.stdout, indent=1, ensure_ascii=True)
    sys.stdout.write("\n")


main()

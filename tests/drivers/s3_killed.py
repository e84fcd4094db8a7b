"""A client of the kill campaign: one load until it is killed or its server is, each answer told as it comes.

    WIRE_URL=https://127.0.0.1:9443 WIRE_CA=ca.pem WIRE_KEY=id:secret python s3_killed.py puts|deletes|parts|lists FIRST COUNT

At the store itself, `prepare` makes the bucket, and `found` tells of every version, marker of a deletion and open upload in it. Elsewhere a line tells which answer it is (by the store's id of the request, which is in its head), and how many bytes of the body have come, with
the SHA-256 of them.
"""

import hashlib
import json
import sys
import time
from urllib.parse import quote
from xml.etree import ElementTree

import s3_wire

BUCKET = "killed"
CONNECT_S = 30
PIECE_BYTES = 65536


def content(key):
    """What an object has, which follows from its key: some are longer than one piece of an answer."""
    lines = 20_000 if int(key[-1:]) % 5 == 0 else 100
    return f"{key} of the campaign\n".encode() * lines


def connected():
    """A client whose server takes connections; whoever starts it goes on when the first of its listeners does."""
    begun = time.monotonic()
    while True:
        client = s3_wire.of_environment()
        try:
            client.wire.connect()
            return client
        except OSError:
            if time.monotonic() - begun > CONNECT_S:
                raise
            time.sleep(0.05)


class Told:
    """A client that tells of what it is answered."""

    def __init__(self):
        self.client = connected()

    def ask(self, method, path, body=b"", **headers):
        answer = self.client.begin(method, path, headers, body)
        known = {name.lower(): value for name, value in answer.getheaders()}
        seen, received = hashlib.sha256(), b""
        told = {"id": known.get("x-amz-request-id"), "status": answer.status, "version": known.get("x-amz-version-id"), "etag": known.get("etag")}
        while True:
            piece = answer.read1(PIECE_BYTES)
            seen.update(piece)
            received += piece
            print(json.dumps({**told, "bytes": len(received), "sha256": seen.hexdigest()}), flush=True)
            if not piece:
                break
        if answer.length:
            raise EOFError("the answer was cut off")
        answer.close()
        return answer.status, known, received


def puts(told, key):
    told.ask("PUT", f"/{BUCKET}/{key}", content(key))
    told.ask("GET", f"/{BUCKET}/{key}")


def deletes(told, key):
    _, known, _ = told.ask("PUT", f"/{BUCKET}/{key}", content(key))
    told.ask("DELETE", f"/{BUCKET}/{key}")
    told.ask("GET", f"/{BUCKET}/{key}?versionId={known.get('x-amz-version-id', '')}")


def parts(told, key):
    _, _, body = told.ask("POST", f"/{BUCKET}/{key}?uploads=")
    upload = body.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
    _, known, _ = told.ask("PUT", f"/{BUCKET}/{key}?partNumber=1&uploadId={upload}", content(key))
    document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{known.get('etag', '')}</ETag></Part></CompleteMultipartUpload>"
    told.ask("POST", f"/{BUCKET}/{key}?uploadId={upload}", document.encode())
    told.ask("GET", f"/{BUCKET}/{key}")


def lists(told, key):
    told.ask("PUT", f"/{BUCKET}/{key}", content(key))
    told.ask("GET", f"/{BUCKET}?list-type=2&max-keys=50&prefix=lists")
    told.ask("HEAD", f"/{BUCKET}/{key}")


def prepare(client):
    versioned = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    for path, body in ((f"/{BUCKET}", b""), (f"/{BUCKET}?versioning=", versioned)):
        status, _, said = client.ask("PUT", path, body=body)
        assert status == 200, said


def found(client):
    after = ""
    while after is not None:
        status, _, body = client.ask("GET", f"/{BUCKET}?versions=&max-keys=1000{after}")
        assert status == 200, body
        page = ElementTree.fromstring(body)
        text = lambda of, name: of.findtext(f"{{*}}{name}")
        for kind in ("Version", "DeleteMarker"):
            for one in page.findall(f"{{*}}{kind}"):
                print(json.dumps({"kind": kind, "key": text(one, "Key"), "bytes": text(one, "Size")}))
        is_more = text(page, "IsTruncated") == "true"
        after = f"&key-marker={quote(text(page, 'NextKeyMarker'), safe='')}&version-id-marker={text(page, 'NextVersionIdMarker')}" if is_more else None
    status, _, body = client.ask("GET", f"/{BUCKET}?uploads=&max-uploads=1000")
    page = ElementTree.fromstring(body)
    assert status == 200 and page.findtext("{*}IsTruncated") == "false", body
    for one in page.findall("{*}Upload"):
        print(json.dumps({"kind": "Upload", "key": one.findtext("{*}Key"), "bytes": None}))


def main(load, first="0", count="0"):
    if load in ("prepare", "found"):
        return {"prepare": prepare, "found": found}[load](s3_wire.of_environment())
    told = Told()
    for number in range(int(first), int(first) + int(count)):
        {"puts": puts, "deletes": deletes, "parts": parts, "lists": lists}[load](told, f"{load}/{number:06}")


if __name__ == "__main__":
    main(*sys.argv[1:])

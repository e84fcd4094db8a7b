"""Uploads of which a byte, a size, a hash, a signature or the end is wrong, in each form that S3 has for a body, raw and by the standard
library alone; and the same uploads as they should be.

    GATEWAY=https://127.0.0.1:9443 GATEWAY_CA=ca.pem GATEWAY_KEY=id:secret STORE=http://127.0.0.1:7480 STORE_KEY=id:secret \\
        python s3_mutated.py prepare|send|control|list

`send` says of each what was answered, `list` what is in the store. Mutations are made twice: behind the signature, which then is wrong,
and before it, where everything else has to find them.
"""

import base64
import hashlib
import http.client
import json
import os
import queue
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from urllib.parse import quote, urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "s3"))
import sigv4  # noqa: E402

MUTATED, CONTROLS = "mutated", "controls"
THREADS = 8
TIMEOUT_S = 30
# The form of the body, and where the signature stands.
PAYLOADS = ("hex", "unsigned", "chunks", "chunks-trailer", "unsigned-trailer")
FORMS = [(payload, carrier) for payload in PAYLOADS for carrier in ("header", "query")]
NAMES = {
    "unsigned": "UNSIGNED-PAYLOAD",
    "chunks": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "chunks-trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "unsigned-trailer": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}
SMALL, SMALL_CHUNK = b"id,ssn\n1,123-45-6789\n2,987-65-4321\n", 20
LARGE, LARGE_CHUNK = bytes(range(251)) * 840, 65536  # three whole chunks and a part of one
HUGE, HUGE_CHUNK = bytes(range(256)) * 24576, 1 << 20  # 6 MiB: the store has most of it before its end comes


def encoded(digest):
    return base64.b64encode(digest).decode()


def flipped(text, at, bit=1):
    """One bit of it is another."""
    data = bytearray(text if isinstance(text, bytes) else text.encode())
    data[at] ^= bit
    return bytes(data) if isinstance(text, bytes) else data.decode("latin-1")


class Upload:
    """One request as it goes over the wire. `cut` is the bytes of the body after which the connection breaks, and how."""

    def __init__(self, what, target, headers, body, cut=None, method="PUT"):
        self.what, self.target, self.headers, self.body, self.cut, self.method = what, target, dict(headers), body, cut, method

    def changed(self, what, **changes):
        made = Upload(f"{self.what}: {what}", self.target, self.headers, self.body, self.cut, self.method)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def bytes(self):
        headers = dict(self.headers)
        if "transfer-encoding" not in headers:
            headers.setdefault("content-length", str(len(self.body)))
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        for name, values in headers.items():
            lines += [f"{name}: {value}" for value in (values if isinstance(values, list) else [values])]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + (self.body if self.cut is None else self.body[: self.cut[0]])


def sign(key, carrier, url, headers, payload, expires="300"):
    """Target, headers and signature of a PUT."""
    if carrier == "header":
        headers = sigv4.in_headers(key, "PUT", url, headers, payload)
        signature = headers["authorization"].rsplit("=", 1)[1]
    else:
        headers = sigv4.own(url, headers)
        if payload != NAMES["unsigned"]:
            headers["x-amz-content-sha256"] = payload
        signed = sorted(name for name in headers if name not in sigv4.NOT_SIGNED)
        parameters = {
            "X-Amz-Algorithm": sigv4.ALGORITHM,
            "X-Amz-Credential": f"{key.access}/{key.scope}",
            "X-Amz-Date": key.timestamp,
            "X-Amz-Expires": expires,
            "X-Amz-SignedHeaders": ";".join(signed),
        }
        url += ("&" if "?" in url else "?") + "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items())
        signature = key.sign(sigv4.string_to_sign(key, sigv4.canonical("PUT", url, headers, payload, signed)))
        url += f"&X-Amz-Signature={signature}"
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else ""), headers, signature


def framed(key, payload, signature, pieces, checksum, name="x-amz-checksum-crc32"):
    """The bytes of a body in chunks, and where in them signatures, sizes and the trailer are."""
    sent = b""
    signs = payload != "unsigned-trailer"
    for piece in pieces:
        line = f"{len(piece):x}"
        if signs:
            what = [f"{sigv4.ALGORITHM}-PAYLOAD", key.timestamp, key.scope, signature, sigv4.EMPTY, hashlib.sha256(piece).hexdigest()]
            signature = key.sign("\n".join(what))
            line += f";chunk-signature={signature}"
        sent += line.encode() + b"\r\n" + piece + (b"\r\n" if piece or payload == "chunks" else b"")
    if payload == "chunks":
        return sent
    sent += f"{name}:{checksum}\r\n".encode()
    if signs:
        what = [f"{sigv4.ALGORITHM}-TRAILER", key.timestamp, key.scope, signature]
        what.append(hashlib.sha256(f"{name}:{checksum}\n".encode()).hexdigest())
        sent += f"x-amz-trailer-signature:{key.sign(chr(10).join(what))}\r\n".encode()
    return sent + b"\r\n"


class Maker:
    """Makes uploads of one form; everything that it is told otherwise is what it signs."""

    def __init__(self, gateway, key, payload, carrier, bucket=MUTATED, upload=None):
        self.gateway, self.key, self.payload, self.carrier, self.bucket = gateway, key, payload, carrier, bucket
        self.of_parts = upload
        self.count = 0

    def place(self):
        """An object of its own, or a part of the upload that is open."""
        if self.of_parts is None:
            return f"{self.gateway}/{self.bucket}/{self.payload}-{self.carrier}/{self.count}"
        return f"{self.gateway}/{self.bucket}/parts?partNumber={self.count}&uploadId={quote(self.of_parts, safe='-_.~')}"

    def upload(self, what, body=SMALL, chunk=SMALL_CHUNK, key=None, expires="300", **told):
        self.count += 1
        key = key or self.key
        url = self.place()
        headers = {"content-type": "text/csv", **told.get("headers", {})}
        checksum = told.get("checksum", encoded(zlib.crc32(body).to_bytes(4, "big")))
        name = NAMES.get(self.payload) or told.get("sha256", hashlib.sha256(body).hexdigest())
        if self.payload in ("hex", "unsigned"):
            if told.get("md5", True):
                headers["content-md5"] = told.get("md5") or encoded(hashlib.md5(body).digest())
            target, headers, _ = sign(key, self.carrier, url, headers, name, expires)
            return Upload(what, target, headers, told.get("sent", body))
        headers["x-amz-decoded-content-length"] = str(told.get("length", len(body)))
        headers["content-encoding"] = "aws-chunked"
        if self.payload != "chunks":
            headers["x-amz-trailer"] = told.get("announced", "x-amz-checksum-crc32")
        target, headers, signature = sign(key, self.carrier, url, headers, name, expires)
        pieces = told.get("pieces") or [body[at : at + chunk] for at in range(0, len(body), chunk)] + [b""]
        sent = framed(key, self.payload, told.get("seed", signature), pieces, checksum, told.get("name", "x-amz-checksum-crc32"))
        return Upload(what, target, headers, told.get("sent", sent))


def positions(length, most):
    """Places over a length, the first and the last among them."""
    step = max(1, (length - 1) // max(1, most - 1))
    return sorted({*range(0, length, step), length - 1})


def of_the_wire(maker):
    """What happens to a good upload on its way."""
    good = lambda what, **told: maker.upload(what, **told)
    for large, most in ((False, 48), (True, 6)):
        sizes = {"body": LARGE, "chunk": LARGE_CHUNK} if large else {}
        what = "large " if large else ""
        length = len(good("measured", **sizes).body)
        for at in positions(length, most):
            one = good(f"{what}byte {at}", **sizes)
            yield one.changed("flipped", body=flipped(one.body, at, (1, 128, 16)[at % 3]))
        for at in positions(length, 14 if not large else 4):
            yield good(f"{what}closed after {at}", **sizes).changed("", cut=(at, "close"))
            yield good(f"{what}reset after {at}", **sizes).changed("", cut=(at, "reset"))
            one = good(f"{what}shorter, {at}", **sizes)
            yield one.changed("and says so", body=one.body[:at])
        one = good(f"{what}a byte is missing in the middle", **sizes)
        yield one.changed("", body=one.body[: length // 2] + one.body[length // 2 + 1 :])
        for more in (b"\0", b"\r\n", b"0\r\n\r\n", b"x" * 100):
            one = good(f"{what}longer by {more[:8]!r}", **sizes)
            yield one.changed("", body=one.body + more)
        one = good(f"{what}says one more", **sizes)
        yield one.changed("", headers={**one.headers, "content-length": str(length + 1)}, cut=(length, "close"))
        one = good(f"{what}says one less", **sizes)
        yield one.changed("", headers={**one.headers, "content-length": str(length - 1)})
    huge = {"body": HUGE, "chunk": HUGE_CHUNK}
    for back in (1, len(HUGE) // 2):
        one = good(f"huge byte {back} from the end", **huge)
        yield one.changed("flipped", body=flipped(one.body, len(one.body) - back))
    one = good("huge and closed before its last byte", **huge)
    yield one.changed("", cut=(len(one.body) - 1, "close"))
    one = good("two lengths")
    yield one.changed("", headers={**one.headers, "content-length": [str(len(one.body)), str(len(one.body) - 1)]})
    for at in positions(len(good("measured").body), 6):
        one = good(f"HTTP's own chunks end after {at}")
        body = f"{len(one.body):x}\r\n".encode() + one.body[:at]
        yield one.changed("", headers={**one.headers, "transfer-encoding": "chunked"}, body=body, cut=(len(body), "close"))
    one = good("HTTP's own chunks without the last")
    body = f"{len(one.body):x}\r\n".encode() + one.body + b"\r\n"
    yield one.changed("", headers={**one.headers, "transfer-encoding": "chunked"}, body=body, cut=(len(body), "close"))
    one = good("a size of HTTP's own chunks")
    yield one.changed("", headers={**one.headers, "transfer-encoding": "chunked"}, body=b"g\r\n" + one.body + b"\r\n0\r\n\r\n")


def of_the_head(maker):
    """What is changed behind the signature of the head."""
    one = maker.upload("measured")
    signed = [name for name in one.headers if name != "authorization"]
    for name in signed:
        for at in positions(len(one.headers[name]), 3):
            made = maker.upload(f"{name}, {at}")
            yield made.changed("flipped", headers={**made.headers, name: flipped(made.headers[name], at)})
        made = maker.upload(f"without {name}")
        yield made.changed("", headers={other: value for other, value in made.headers.items() if other != name})
        made = maker.upload(f"{name} twice")
        yield made.changed("", headers={**made.headers, name: [made.headers[name]] * 2})
    held = lambda made: made.headers.get("authorization") or made.target
    for back in (*range(1, 65, 6), 64):
        made = maker.upload(f"signature, {back} from its end")
        text = flipped(held(made), len(held(made)) - back)
        yield made.changed("", headers={**made.headers, "authorization": text}) if maker.carrier == "header" else made.changed("", target=text)
    start = 0 if maker.carrier == "header" else one.target.index("?") + 1
    for at in positions(len(held(one)) - 70 - start, 24):
        made = maker.upload(f"claim, {at}")
        text = flipped(held(made), start + at)
        if maker.carrier == "header":
            yield made.changed("flipped", headers={**made.headers, "authorization": text})
        elif not any(byte <= 32 or byte in b"#" for byte in text.encode("latin-1")):
            yield made.changed("flipped", target=text)
    for name, value in (("x-amz-meta-ward", "seven"), ("x-amz-acl", "public-read"), ("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-tagging", "a=b")):
        made = maker.upload(f"with {name}")
        yield made.changed("not signed", headers={**made.headers, name: value})
    made = maker.upload("another key")
    yield made.changed("", target=made.target.replace(f"/{maker.count}", f"/{maker.count}-other", 1))
    made = maker.upload("a parameter")
    yield made.changed("not signed", target=made.target + ("&" if "?" in made.target else "?") + "tagging=")
    made = maker.upload("another method")
    yield made.changed("", method="POST")
    made = maker.upload("another form")
    other = "UNSIGNED-PAYLOAD" if maker.payload != "unsigned" else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    yield made.changed("", headers={**made.headers, "x-amz-content-sha256": other})


def of_who_signs(maker):
    """Signatures that are right, of somebody or some time else."""
    own, now = maker.key, time.time()
    others = {
        "another secret": dict(secret=own.secret + "x"),
        "nobody's key": dict(access=own.access[:-1] + ("A" if own.access[-1] != "A" else "B")),
        "another region": dict(region="eu-west-1"),
        "another service": dict(service="sts"),
        "an hour ago": dict(now=now - 3600),
        "a week ago": dict(now=now - 8 * 86400),
        "in an hour": dict(now=now + 3600),
    }
    for what, changes in others.items():
        key = sigv4.Key(**{"access": own.access, "secret": own.secret, **changes})
        yield maker.upload(what, key=key)
    if maker.carrier == "query":
        for expires in ("0", "-1", "604801", "1e3", ""):
            yield maker.upload(f"good for {expires!r}", expires=expires)


def of_the_hashes(maker):
    """Signatures that are right, over something that is wrong."""
    other = lambda text, count=6: [flipped(text, at, 1 + at % 2) for at in positions(len(text), count)]
    if maker.payload in ("hex", "unsigned"):
        for md5 in [*other(encoded(hashlib.md5(SMALL).digest()), 12), encoded(hashlib.md5(b"").digest()), "x"]:
            yield maker.upload(f"Content-MD5 {md5}", md5=md5)
        for at in positions(len(SMALL), 10):
            yield maker.upload(f"another byte {at}, and the MD5 of before", sent=flipped(SMALL, at))
        for header, good in (
            ("x-amz-checksum-crc32", encoded(zlib.crc32(SMALL).to_bytes(4, "big"))),
            ("x-amz-checksum-sha1", encoded(hashlib.sha1(SMALL).digest())),
            ("x-amz-checksum-sha256", encoded(hashlib.sha256(SMALL).digest())),
        ):
            for value in [*other(good), ""]:
                yield maker.upload(f"{header} {value!r}", headers={header: value}, md5=None)
    if maker.payload == "hex":
        for value in [*other(hashlib.sha256(SMALL).hexdigest(), 20), sigv4.EMPTY, hashlib.sha256(SMALL).hexdigest().upper()]:
            yield maker.upload(f"x-amz-content-sha256 {value}", sha256=value, md5=None)
    if maker.payload in ("chunks-trailer", "unsigned-trailer"):
        for value in [*other(encoded(zlib.crc32(SMALL).to_bytes(4, "big")), 8), "", "AAAA", "AAAAAA=="]:
            yield maker.upload(f"the trailer says {value!r}", checksum=value)
        yield maker.upload("another trailer than announced", name="x-amz-checksum-crc32c")
        yield maker.upload("another trailer announced", announced="x-amz-checksum-sha256")
        yield maker.upload("an unknown trailer", announced="x-amz-meta-a", name="x-amz-meta-a")


def of_the_chunks(maker):
    """Chunks that are right one by one, and not together."""
    if maker.payload in ("hex", "unsigned"):
        return
    body = SMALL
    for length in (len(body) - 1, len(body) + 1, 0, len(body) * 2, -1, "", "x", 6 * 1024**3):
        yield maker.upload(f"decoded length {length!r}", length=length)
    yield maker.upload("no last chunk", pieces=[body[:20], body[20:]])
    yield maker.upload("two last chunks", pieces=[body[:20], body[20:], b"", b""])
    yield maker.upload("an empty chunk in the middle", pieces=[body[:20], b"", body[20:], b""])
    yield maker.upload("a chunk is missing", pieces=[body[:20], b""])
    yield maker.upload("a chunk twice", pieces=[body[:20], body[:20], body[20:], b""])
    if maker.payload != "unsigned-trailer":
        yield maker.upload("signed from another start", seed="0" * 64)
        lines = maker.upload("measured").body.split(b"\r\n")
        made = maker.upload("signatures swapped")
        lines = made.body.split(b"\r\n")
        first, second = lines[0].split(b"="), lines[2].split(b"=")
        lines[0], lines[2] = first[0] + b"=" + second[1], second[0] + b"=" + first[1]
        yield made.changed("", body=b"\r\n".join(lines))
        yield maker.upload("framed as if not signed", sent=framed(maker.key, "unsigned-trailer", "", [body, b""], "AAAAAA=="))
    else:
        pieces = [body[20:], body[:20], b""]
        yield maker.upload("chunks in another order", pieces=pieces)


def mutants(gateway, key, upload):
    for payload, carrier in FORMS:
        maker = Maker(gateway, key, payload, carrier)
        for story in (of_the_wire, of_the_head, of_who_signs, of_the_hashes, of_the_chunks):
            for made in story(maker):
                yield f"{payload} {carrier} {made.what}", made
        maker = Maker(gateway, key, payload, carrier, upload=upload)
        for story in (of_the_hashes, of_the_chunks):
            for made in story(maker):
                yield f"{payload} {carrier} part {made.what}", made


def controls(gateway, key, upload):
    """The same, and nothing is wrong: one of each length, and a part, in each form."""
    for count, (payload, carrier) in enumerate(FORMS):
        maker = Maker(gateway, key, payload, carrier, CONTROLS, upload)
        maker.count = count
        yield f"{payload} {carrier} part", maker.upload("part")
        maker = Maker(gateway, key, payload, carrier, CONTROLS)
        yield f"{payload} {carrier} small", maker.upload("small")
        yield f"{payload} {carrier} large", maker.upload("large", body=LARGE, chunk=LARGE_CHUNK)
        yield f"{payload} {carrier} huge", maker.upload("huge", body=HUGE, chunk=HUGE_CHUNK)


class Wire:
    """A connection that is kept while it can be."""

    def __init__(self, url, authority):
        parts = urlsplit(url)
        self.place = (parts.hostname, parts.port)
        self.context = ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None
        self.socket = None

    def connect(self):
        plain = socket.create_connection(self.place, timeout=TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.context.wrap_socket(plain, server_hostname=self.place[0]) if self.context else plain

    def close(self, how="close"):
        if self.socket is None:
            return
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.socket = None

    def send(self, upload):
        """The status and the code of the answer; nothing of an upload that breaks off."""
        is_kept = self.socket is not None
        if not is_kept:
            self.connect()
        answer = self.tried(upload)
        if answer is None and is_kept and upload.cut is None:
            # It was closed after the answer before, and nobody has seen this one.
            self.close()
            self.connect()
            answer = self.tried(upload)
        return answer or (None, "")

    def tried(self, upload):
        try:
            self.socket.sendall(upload.bytes())
        except OSError:
            pass  # who does not read all of it may have answered
        if upload.cut is not None:
            self.close(upload.cut[1])
            return None
        answer = http.client.HTTPResponse(self.socket, method=upload.method)
        try:
            answer.begin()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        # Of an upload that is framed as it should not be, the rest would be the next request.
        if answer.will_close or "content-length" in upload.headers or "transfer-encoding" in upload.headers:
            self.close()
        code = body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
        return answer.status, code


def send_all(uploads, url, authority):
    """Sends them by several connections; gives what was answered."""
    waiting, said = queue.Queue(), []
    for one in uploads:
        waiting.put(one)

    def work():
        wire = Wire(url, authority)
        while True:
            try:
                name, upload = waiting.get_nowait()
            except queue.Empty:
                return wire.close()
            status, code = wire.send(upload)
            said.append({"name": name, "breaks": upload.cut is not None, "status": status, "code": code})

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def at_store(method, path):
    """A request to the store itself."""
    url, key = os.environ["STORE"], key_of("STORE_KEY")
    headers = sigv4.in_headers(key, method, f"{url}{path}", {}, sigv4.EMPTY)
    wire = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    wire.request(method, path, headers=headers)
    answer = wire.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {body[:300]!r}")
    return body


def key_of(name):
    return sigv4.Key(*os.environ[name].split(":"))


def texts(body, element):
    return [part.partition(b"<")[0].decode() for part in body.split(f"<{element}>".encode())[1:]]


def opened(bucket):
    """The upload of parts that is open in a bucket."""
    return texts(at_store("GET", f"/{bucket}?uploads"), "UploadId")[0]


def found():
    """What is in the store: every version, the parts of the upload that is open, and the bytes of the controls."""
    for bucket in (MUTATED, CONTROLS):
        keys, marker = [], ""
        while True:
            body = at_store("GET", f"/{bucket}?list-type=2&max-keys=1000" + (f"&start-after={quote(marker, safe='')}" if marker else ""))
            page = texts(body, "Key")
            keys += page
            if b"<IsTruncated>true" not in body:
                break
            marker = page[-1]
        versions = texts(at_store("GET", f"/{bucket}?versions"), "Key")
        parts = texts(at_store("GET", f"/{bucket}/parts?uploadId={quote(opened(bucket), safe='')}"), "PartNumber")
        right = [key for key in keys if bucket == CONTROLS and at_store("GET", f"/{bucket}/{key}") in (SMALL, LARGE, HUGE)]
        print(json.dumps({"bucket": bucket, "keys": keys, "versions": versions, "parts": parts, "right": right}))


def main(command):
    if command == "prepare":
        for bucket in (MUTATED, CONTROLS):
            at_store("PUT", f"/{bucket}")
            at_store("POST", f"/{bucket}/parts?uploads=")
    elif command == "list":
        found()
    else:
        made, bucket = {"send": (mutants, MUTATED), "control": (controls, CONTROLS)}[command]
        gateway = os.environ["GATEWAY"]
        uploads = made(gateway, key_of("GATEWAY_KEY"), opened(bucket))
        for line in send_all(uploads, gateway, os.environ["GATEWAY_CA"]):
            print(json.dumps(line))


if __name__ == "__main__":
    main(sys.argv[1])

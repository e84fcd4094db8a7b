"""What a store answered, without what differs from one answer to the next though the store does the same.

Times, request ids, version ids, upload ids and names of this run are replaced; everything else of status, headers and body stays.
"""

import hashlib
import re

# Of one answer, or of one connection.
VOLATILE = {"date", "x-amz-request-id", "x-amz-id-2", "connection", "keep-alive", "transfer-encoding"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
IDS = re.compile(r"<(RequestId|HostId)>[^<]*</\1>")
# Ids that a store makes up, by where it says them first; they are the same id wherever else they are.
MADE_UP = re.compile(r"<(VersionId|UploadId|DeleteMarkerVersionId|NextVersionIdMarker)>([^<]+)</\1>")
# Bodies up to this are shown, longer ones by their digest.
SHOWN_BYTES = 4096


class Transcript:
    """The exchanges of one case."""

    def __init__(self, names):
        """`names`: texts of this run, and what stands for each."""
        self.names = dict(sorted(names.items(), key=lambda pair: -len(pair[0])))
        self.ids = {}
        self.exchanges = []

    def note(self, what):
        self.exchanges.append(self.plain(what))

    def exchange(self, method, url, status, headers, body):
        headers = {name.lower(): value for name, value in headers.items()}
        version = headers.get("x-amz-version-id")
        if version:
            self.made_up(version)
        kind = headers.get("content-type", "")
        text = "xml" in kind or body[:1] == b"<"
        shown = self.text(body.decode()) if text else self.data(body)
        if text and headers.get("content-length") == str(len(body)):
            # What was replaced in it may be longer or shorter.
            headers["content-length"] = "OF-BODY"
        kept = {name: self.plain(value) for name, value in sorted(headers.items()) if name not in VOLATILE}
        self.exchanges.append({"request": f"{method} {self.where(url)}", "status": status, "headers": kept, "body": shown})

    def made_up(self, value):
        if value != "null":
            self.ids.setdefault(value, f"ID-{len(self.ids) + 1}")

    def text(self, text):
        for _, value in MADE_UP.findall(text):
            self.made_up(value)
        text = self.plain(IDS.sub(r"<\1>ID</\1>", text))
        return text if len(text) <= SHOWN_BYTES else f"{len(text)} characters, {digest(text.encode())}"

    def data(self, body):
        try:
            shown = body.decode() if len(body) <= 64 else None
        except UnicodeDecodeError:
            shown = None
        return shown if shown is not None else f"{len(body)} bytes, {digest(body)}"

    def plain(self, text):
        for value, name in {**self.ids, **self.names}.items():
            text = text.replace(value, name)
        return HTTP_DATE.sub("HTTP-DATE", TIME.sub("TIME", text))

    def where(self, url):
        """Path and parameters, without those of a signature."""
        rest = re.sub(r"[&?](X-Amz-[^=&]+|AWSAccessKeyId|Signature|Expires)=[^&]*", "", url)
        return self.plain(rest)


def digest(body):
    return hashlib.sha256(body).hexdigest()

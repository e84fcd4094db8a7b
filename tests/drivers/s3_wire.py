"""Requests to a store, signed and sent one after the other over one connection, by the standard library alone.

    WIRE_URL=https://127.0.0.1:9443 WIRE_CA=ca.pem WIRE_KEY=id:secret python s3_wire.py < requests.jsonl > answers.jsonl

A request is a line such as `{"method": "GET", "path": "/bucket/key", "headers": {}, "body": "base64"}`, an answer one such as
`{"status": 200, "headers": {}, "body": "base64"}`. The path is sent as it stands, and has to be percent-encoded.
"""

import base64
import hashlib
import http.client
import json
import os
import ssl
import sys
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "s3"))
import sigv4  # noqa: E402

TIMEOUT_S = 60


class Client:
    """Who asks, and the connection that it asks by."""

    def __init__(self, url, key, authority=None):
        self.url, self.key = url, sigv4.Key(*key.split(":"))
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=authority)
            self.wire = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=context)
        else:
            self.wire = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)

    def begin(self, method, path, headers=None, body=b""):
        """Sends a request; gives the answer when its head is there."""
        payload = hashlib.sha256(body).hexdigest()
        headers = sigv4.in_headers(self.key, method, f"{self.url}{path}", headers or {}, payload)
        self.wire.request(method, path, body=body, headers=headers)
        return self.wire.getresponse()

    def ask(self, method, path, headers=None, body=b""):
        """Status, headers and body of an answer."""
        answer = self.begin(method, path, headers, body)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def of_environment():
    return Client(os.environ["WIRE_URL"], os.environ["WIRE_KEY"], os.environ.get("WIRE_CA"))


def main():
    client = of_environment()
    for line in sys.stdin:
        asked = json.loads(line)
        body = base64.b64decode(asked.get("body", ""))
        status, headers, body = client.ask(asked["method"], asked["path"], asked.get("headers"), body)
        print(json.dumps({"status": status, "headers": headers, "body": base64.b64encode(body).decode()}), flush=True)


if __name__ == "__main__":
    main()

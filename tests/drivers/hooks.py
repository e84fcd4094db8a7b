"""Receives webhooks, and prints one line of JSON for each request: its path, whether its signature is right, its id and its body.

Usage: hooks.py SECRET [CERTIFICATE KEY], where SECRET is `whsec_` and base64 (Standard Webhooks); with files of TLS it takes only that.
The first line is the port. What comes to
`/flaky` is answered 503 twice, what comes to `/hang` is never answered, and `/picky` refuses the first id that it sees.
"""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(sys.argv[1].removeprefix("whsec_"))
REFUSALS = {"/flaky": 2}
UNWANTED = {}
LOCK = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        message, time = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{message}.{time}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        given = self.headers["webhook-signature"]
        line = {
            "path": self.path,
            "signed": given is not None and hmac.compare_digest(wanted, given),
            "id": message,
            "body": json.loads(body),
        }
        with LOCK:
            unwanted = self.path == "/picky" and UNWANTED.setdefault("id", message) == message
            print(json.dumps(line), flush=True)
            refused = REFUSALS.get(self.path, 0) > 0
            if refused:
                REFUSALS[self.path] -= 1
        if self.path == "/hang":
            threading.Event().wait()
        self.send_response(503 if refused else 400 if unwanted else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()

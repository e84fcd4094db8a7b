"""An STS for tests: it answers GetCallerIdentity over TLS, where a signature agrees with botocore's own, and signs requests itself.

Usage: sts.py CERTIFICATE KEY REGION. The first line of output is the port. Each line of input is a kind of request and an audience;
the answer is a token of it. `asked` answers how many requests came.
"""

import base64
import datetime
import hmac
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from botocore import auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = sys.argv[3]
KEY, SECRET, SESSION = "ASIAEXAMPLEEXAMPLE12", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJ/b3JpZ2lu+X2VjE=="
ACCOUNT = "123456789012"
ARN, USER_ID = f"arn:aws:sts::{ACCOUNT}:assumed-role/nightly/run-7", "AROAEXAMPLEROLEIDENT1:run-7"
QUERY = "?Action=GetCallerIdentity&Version=2011-06-15"
HEADER = "x-exhibit-audience"
ANSWER = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>{ARN}</Arn>
    <UserId>{USER_ID}</UserId>
    <Account>{ACCOUNT}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
"""
REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>
</ErrorResponse>
"""
asked = 0
lock = threading.Lock()


class Sts(BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        with lock:
            asked += 1
        good = self.agrees()
        body = (ANSWER if good else REFUSAL).encode()
        self.send_response(200 if good else 403)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def agrees(self):
        """Whether the request is signed with the key, by what came and nothing else."""
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        unsigned = "&".join(pair for pair in parts.query.split("&") if not pair.startswith("X-Amz-Signature="))
        headers = {name: self.headers[name] for name in given["X-Amz-SignedHeaders"].split(";")}
        request = AWSRequest("GET", f"https://{self.headers['host']}{parts.path}?{unsigned}", headers=headers)
        request.context["timestamp"] = given["X-Amz-Date"]
        signer = SigV4Auth(Credentials(KEY, SECRET), "sts", REGION)
        wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return (
            hmac.compare_digest(wanted, given["X-Amz-Signature"])
            and given.get("X-Amz-Security-Token") == SESSION
            and given["Action"] == "GetCallerIdentity"
        )

    def log_message(self, *_):
        pass


def token(kind, audience, port):
    """A token that something is wrong with, unless its kind is `good`."""
    own = f"https://localhost:{port}/"
    url = {"host": "https://sts.example/", "action": own}.get(kind, own) + QUERY
    if kind == "action":
        url = url.replace("GetCallerIdentity", "GetSessionToken")
    headers = {} if kind == "unsigned" else {HEADER: audience}
    request = AWSRequest("POST" if kind == "post" else "GET", url, headers=headers)
    secret = "another" if kind == "secret" else SECRET
    signer = SigV4QueryAuth(Credentials(KEY, secret, SESSION), "sts", REGION, expires=60)
    ago = datetime.timedelta(minutes=2 if kind == "old" else 0)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    auth.get_current_datetime = lambda *_, **__: now - ago
    signer.add_auth(request)
    signed = request.url.replace("https://sts.example/", own)
    if kind == "unsigned":
        signed = signed.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3B" + HEADER)
    return "exhibit-aws-v1." + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


server = ThreadingHTTPServer(("127.0.0.1", 0), Sts)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    kind, _, audience = line.strip().partition(" ")
    print(asked if kind == "asked" else token(kind, audience, server.server_port), flush=True)

"""An STS for tests: moto, over TLS. It made the keys that it knows, keeps the sessions of roles and checks signatures.

Usage: sts.py CERTIFICATE KEY REGION. The first line of output is the port, the second the role's unique id, the third what a session
of it signs with. Each line of input is a kind of request and an audience; the answer is a token of it. `asked` answers how many
presigned requests came, and `delete` when the user's access key is no more.

moto reads Signature Version 4 in the `Authorization` header alone. A request that is signed in its query goes to its S3 without a
check, and of a GET it takes the query for the body. So `Query` says in that header what stands in the query, and `QueryRequest` names
what was signed. Keys, sessions, the computation (by botocore), the comparison and all answers are moto's. It looks at no time
(`X-Amz-Date`, `X-Amz-Expires`, the end of a session) and at no region.
"""

import base64
import datetime
import json
import logging
import sys
import threading
from unittest import mock
from urllib.parse import parse_qs

import botocore.session
from botocore import auth
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto import settings
from moto.iam import access_control
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

CERTIFICATE, KEY, REGION = sys.argv[1:]
ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
QUERY = "?Action=GetCallerIdentity&Version=2011-06-15"
HEADER = "x-exhibit-audience"


class QueryRequest(access_control.IAMRequest):
    """A request as moto checks it; where it is signed in its query, its date is no header and it has no body."""

    def _create_aws_request(self):
        if "X-Amz-Algorithm" not in self._data:
            return super()._create_aws_request()
        signed = self._get_string_between("SignedHeaders=", ",", self._headers["Authorization"]).split(";")
        headers = self._create_headers_for_aws_request(signed, self._headers)
        request = AWSRequest(method=self._method, url=self._path, headers=headers)
        request.context["timestamp"] = self._data["X-Amz-Date"][0]
        return request


class Query:
    """moto, for requests that are signed in their query, too."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.asked, self.lock = 0, threading.Lock()

    def __call__(self, environ, respond):
        pairs = environ["QUERY_STRING"].split("&")
        given = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        if "X-Amz-Signature" in given:
            with self.lock:
                self.asked += 1
            named = [f"{name}={given['X-Amz-' + name]}" for name in ("Credential", "SignedHeaders", "Signature")]
            environ["HTTP_AUTHORIZATION"] = f"{given['X-Amz-Algorithm']} {', '.join(named)}"
            if "X-Amz-Security-Token" in given:
                environ["HTTP_X_AMZ_SECURITY_TOKEN"] = given["X-Amz-Security-Token"]
            environ["QUERY_STRING"] = "&".join(pair for pair in pairs if not pair.startswith("X-Amz-Signature="))
            environ["RAW_URI"] = environ["REQUEST_URI"] = "/?" + environ["QUERY_STRING"]
        return self.moto(environ, respond)


def client(service, keys, port):
    """botocore's client of a service of this moto."""
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=f"https://localhost:{port}",
        verify=CERTIFICATE,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )


def document(action, **more):
    """A policy of IAM that allows something."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Account:
    """An administrator, a user and sessions of roles, as moto made them when it was asked."""

    def __init__(self, port):
        nobody = client("iam", {"AccessKeyId": "AKIANOBODYNOBODYNOBO", "SecretAccessKey": "none"}, port)
        admin = nobody.create_user(UserName="admin")["User"]
        nobody.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=document("*", Resource="*"))
        keys = nobody.create_access_key(UserName="admin")["AccessKey"]
        try:
            nobody.list_users()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidClientTokenId"
        else:
            raise AssertionError("moto does not check who asks")
        self.iam, sts = client("iam", keys, port), client("sts", keys, port)
        trust = document("sts:AssumeRole", Principal={"AWS": admin["Arn"]})
        for name in ("nightly", "weekly"):
            made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
            self.role = made["RoleId"] if name == "nightly" else self.role
        self.iam.create_user(UserName="etl")
        user = self.iam.create_access_key(UserName="etl")["AccessKey"]

        def session(account, role):
            arn = f"arn:aws:iam::{account}:role/{role}"
            return sts.assume_role(RoleArn=arn, RoleSessionName="run-7")["Credentials"]

        self.keys = {
            "good": session(ACCOUNT, "nightly"),
            "role": session(ACCOUNT, "weekly"),
            "account": session(OTHER_ACCOUNT, "nightly"),
            "user": user,
        }
        good = self.keys["good"]
        self.keys["secret"] = {**good, "SecretAccessKey": user["SecretAccessKey"]}
        self.keys["session"] = {**good, "SessionToken": self.keys["role"]["SessionToken"]}
        self.keys["unknown"] = {**user, "AccessKeyId": "AKIANOBODYNOBODYNOBO"}

    def delete(self):
        """Takes the user's access key away."""
        self.iam.delete_access_key(UserName="etl", AccessKeyId=self.keys["user"]["AccessKeyId"])


def token(kind, audience, keys, port):
    """A token of some keys that something else is wrong with, by its kind."""
    own = f"https://localhost:{port}/"
    url = {"host": "https://sts.example/", "action": own}.get(kind, own) + QUERY
    if kind == "action":
        url = url.replace("GetCallerIdentity", "GetSessionToken")
    headers = {} if kind == "unsigned" else {HEADER: audience}
    request = AWSRequest("POST" if kind == "post" else "GET", url, headers=headers)
    credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken"))
    ago = datetime.timedelta(minutes=2 if kind == "old" else 0)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    with mock.patch.object(auth, "get_current_datetime", lambda *_, **__: now - ago):
        SigV4QueryAuth(credentials, "sts", REGION, expires=60).add_auth(request)
    signed = request.url.replace("https://sts.example/", own)
    if kind == "unsigned":
        signed = signed.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3B" + HEADER)
    if kind == "later":
        signed = signed.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    return "exhibit-aws-v1." + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    access_control.IAMRequest = QueryRequest
    # So many requests pass unchecked, those that make the administrator; from then on all are checked.
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 3
    query = Query()
    server = make_server(
        "127.0.0.1", 0, query, threaded=True, request_handler=MotoRequestHandler, ssl_context=(CERTIFICATE, KEY)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    account = Account(port)
    good = account.keys["good"]
    print(port, account.role, sep="\n")
    print(good["AccessKeyId"], good["SecretAccessKey"], good["SessionToken"], flush=True)
    for line in sys.stdin:
        kind, _, audience = line.strip().partition(" ")
        if kind == "asked":
            print(query.asked, flush=True)
        elif kind == "delete":
            account.delete()
            print("deleted", flush=True)
        else:
            print(token(kind, audience, account.keys.get(kind, good), port), flush=True)


main()

"""The request for an object that AWS's SDK for Python signs with what it gets for the token of a pipeline, as JSON; it is not sent.

The environment names the token's file, a role and the endpoint of STS, as for any program that uses the SDK.

    python s3_web_identity.py HOST
"""

import json
import sys

import botocore.exceptions
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config


def main():
    session = botocore.session.Session()
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    client = session.create_client("s3", endpoint_url=f"http://{sys.argv[1]}", config=config)
    kept = []

    def before_send(request, **_):
        kept.append(request)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send.s3", before_send)
    try:
        client.get_object(Bucket="reports", Key="a.csv")
    except botocore.exceptions.ClientError as error:
        if not kept:
            sys.exit(f"STS: {error}")
    except Exception:  # the answer is none
        if not kept:
            raise
    text = lambda one: one.decode("latin-1") if isinstance(one, bytes) else str(one)
    headers = {key.lower(): text(one) for key, one in kept[0].headers.items()}
    print(json.dumps({"style": "path", "operation": "GetObject", "method": kept[0].method, "url": kept[0].url, "headers": headers}))


if __name__ == "__main__":
    main()

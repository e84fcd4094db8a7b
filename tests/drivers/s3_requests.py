"""A request of every operation that AWS's SDK for Python knows of S3, as it would send it: one JSON object to a line, nothing is sent.

    python s3_requests.py HOST
"""

import json
import sys

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

# Values that take part in where a request goes or what it asks for; every other one only has to have its type.
VALUES = {
    "Bucket": "reports",
    "Key": "2026/a b.csv",
    "UploadId": "upload-1",
    "PartNumber": 3,
    "Id": "config-1",
    "CopySource": "raw/2026/a b.csv?versionId=v1",
    "RenameSource": "reports/old.csv",
    "VersionId": "v1",
    "AnnotationName": "note",
    "Prefix": "2026/",
    "EncodingType": "url",
}


def value(name, shape, depth=0):
    if name in VALUES and depth == 0:
        return VALUES[name]
    if shape.type_name == "structure":
        members = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {member: value(member, shape.members[member], depth + 1) for member in members}
    if shape.type_name == "list":
        return [value("", shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"k": "v"}
    if shape.type_name in ("integer", "long"):
        return 5
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "timestamp":
        return "2026-11-24T00:00:00Z"
    if shape.type_name == "blob":
        return b"x"
    return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))


# What a gateway never passes on, and what is a copy's or a body's own.
UNTRIED = ("customer", "write-offset-bytes", "x-amz-checksum-", "content-sha256")


def parameters(model):
    """All parameters that go into the query or into headers of S3's own, and what an operation needs."""
    shape = model.input_shape
    if shape is None:
        return {}
    names = set(shape.required_members)
    for name, member in shape.members.items():
        place, sent = member.serialization.get("location"), member.serialization.get("name", "").lower()
        own = place == "header" and sent.startswith("x-amz-") and not any(part in sent for part in UNTRIED)
        if place in ("querystring", "headers") or own:
            names.add(name)
    return {name: value(name, shape.members[name]) for name in names}


def requests(host, style):
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    config = Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"total_max_attempts": 1})
    client = session.create_client("s3", region_name="us-east-1", endpoint_url=f"http://{host}", config=config)
    kept = []

    def before_send(request, **_):
        kept.append(request)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send.s3", before_send)
    for name in client.meta.service_model.operation_names:
        kept.clear()
        problem = ""
        try:
            client._make_api_call(name, parameters(client.meta.service_model.operation_model(name)))
        except Exception as error:  # the answer is none; what matters is what was sent
            problem = f"{type(error).__name__}: {error}"
        if not kept:
            yield {"operation": name, "unsent": problem}
            continue
        request = kept[0]
        text = lambda one: one.decode("latin-1") if isinstance(one, bytes) else str(one)
        yield {
            "operation": name,
            "method": request.method,
            "url": request.url,
            "headers": {key.lower(): text(one) for key, one in request.headers.items()},
        }


def main():
    for style in ("path", "virtual"):
        for request in requests(sys.argv[1], style):
            print(json.dumps({"style": style, **request}))


if __name__ == "__main__":
    main()

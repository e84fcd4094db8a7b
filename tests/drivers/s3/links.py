"""Stories of requests that boto3 presigns and something else sends: a program with a link, a browser with a form, a page of another origin."""

from urllib3.filepost import encode_multipart_formdata

BODY = b"a line of text\n"
BOUNDARY = "0123456789abcdef"


def sent(s, operation, method, expect=200, body=b"", code=None, **parameters):
    url = s.client.generate_presigned_url(operation, parameters, ExpiresIn=300)
    s.send(method, url, {}, body)
    s.hold(f"{method} by a link", expect, code)
    return s.last[2]


def links(s):
    bucket = s.bucket()
    sent(s, "put_object", "PUT", body=BODY, Bucket=bucket, Key="a b.txt")
    assert sent(s, "get_object", "GET", Bucket=bucket, Key="a b.txt") == BODY
    named = {"ResponseContentType": "text/csv", "ResponseContentDisposition": 'attachment; filename="a b.csv"'}
    assert sent(s, "get_object", "GET", Bucket=bucket, Key="a b.txt", **named) == BODY
    sent(s, "head_object", "HEAD", Bucket=bucket, Key="a b.txt")
    sent(s, "list_objects_v2", "GET", Bucket=bucket, Prefix="a ", MaxKeys=5)
    sent(s, "delete_object", "DELETE", 204, Bucket=bucket, Key="a b.txt")
    sent(s, "get_object", "GET", 404, code="NoSuchKey", Bucket=bucket, Key="a b.txt")


def posted(s, form, expect, code=None, **changes):
    fields = [*{**form["fields"], **changes}.items(), ("file", ("a.txt", BODY, "text/plain"))]
    body, kind = encode_multipart_formdata(fields, BOUNDARY)
    s.send("POST", form["url"], {"content-type": kind, "content-length": str(len(body))}, body)
    s.hold("POST of a form", expect, code)


def forms(s):
    bucket = s.bucket()
    conditions = [["content-length-range", 1, 100], {"success_action_status": "201"}]
    fields = {"success_action_status": "201"}
    form = s.client.generate_presigned_post(bucket, "in/${filename}", Fields=fields, Conditions=conditions, ExpiresIn=300)
    posted(s, form, 201)
    assert s.call("get_object", Bucket=bucket, Key="in/a.txt")["Body"] == BODY
    posted(s, form, 403, key="elsewhere/a.txt")
    posted(s, form, 403, **{"x-amz-signature": "0" * 64})
    narrow = s.client.generate_presigned_post(bucket, "big.txt", Conditions=[["content-length-range", 1, 3]], ExpiresIn=300)
    posted(s, narrow, 400, "EntityTooLarge")
    assert s.call("list_objects_v2", Bucket=bucket)["KeyCount"] == 1


def preflight(s):
    bucket = s.bucket()
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://ward.example"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 60}
    s.call("put_bucket_cors", Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    s.raw("OPTIONS", f"{bucket}/a", 200, headers={"origin": "https://ward.example", **asked})
    s.raw("OPTIONS", f"{bucket}/a", 403, headers={"origin": "https://other.example", **asked})


STORIES = [links, forms, preflight]

"""Stories of the AWS CLI and rclone, as people and pipelines run them: what they print, what they end with, and the files that they leave."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from session import Session, Wrong

CONFIG = """[default]
region = {region}
output = json
cli_pager =
max_attempts = 1
retry_mode = standard
request_checksum_calculation = when_required
response_checksum_validation = when_required
s3 =
    addressing_style = path
    signature_version = s3v4
    multipart_threshold = 8MB
    multipart_chunksize = 5MB
    max_concurrent_requests = 1
"""
# An error of the store; 255 where it has no text, as Ceph's have none, which this version of the CLI stumbles over.
REFUSED = (254, 255)
# What the CLI shows of its progress and of when; local times of lists.
LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class CommandLine:
    """The CLI with a configuration, keys and a directory of its own."""

    def __init__(self, store, transcript, session, place):
        self.store, self.transcript, self.session, self.place = store, transcript, session, place
        (place / "config").write_text(CONFIG.format(region=store.region))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "TZ": "UTC",
            "AWS_CONFIG_FILE": str(place / "config"),
            "AWS_ACCESS_KEY_ID": store.access,
            "AWS_SECRET_ACCESS_KEY": store.secret,
            "AWS_CA_BUNDLE": store.authority,
            "AWS_ENDPOINT_URL_S3": store.tls,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        # Its library stumbles over the CLI's variable of certificates.
        self.of_rclone = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            **{f"RCLONE_CONFIG_STORE_{name.upper()}": value for name, value in self.remote().items()},
        }

    def remote(self):
        """What rclone is told of the store, which it calls `store:`; each request is tried once."""
        store = self.store
        return {
            "type": "s3",
            "provider": "Ceph",
            "endpoint": store.tls,
            "region": store.region,
            "access_key_id": store.access,
            "secret_access_key": store.secret,
            "force_path_style": "true",
            "chunk_size": "5Mi",
            "upload_cutoff": "8Mi",
            "upload_concurrency": "1",
        }

    def aws(self, *arguments, ends=0):
        """Runs it; gives what it printed."""
        return self.run(("aws", *arguments), ends, [sys.executable, pathlib.Path(sys.executable).with_name("aws")], self.environment)

    def rclone(self, *arguments, ends=0):
        """Runs it; gives what it printed."""
        quiet = ["--ca-cert", self.store.authority, "--retries", "1", "--low-level-retries", "1", "--transfers", "1", "--log-level", "ERROR"]
        return self.run(("rclone", *arguments), ends, ["rclone", *quiet], self.of_rclone)

    def run(self, arguments, ends, program, environment):
        run = subprocess.run([*program, *arguments[1:]], cwd=self.place, env=environment, capture_output=True, timeout=120)
        out, error = run.stdout.decode(), run.stderr.decode()
        for _, value in re.findall(r'"(VersionId|UploadId)": "([^"]+)"', out):
            self.transcript.made_up(value)
        shown = [LOCAL_TIME.sub("TIME", re.sub(r"\+00:00", "Z", text)) for text in (out, error)]
        if arguments[1] == "s3" and arguments[2] != "ls":
            # Transfers are told in the order in which they end.
            shown = ["\n".join(sorted(text.splitlines())) for text in shown]
        # Presigned URLs are made here and differ by their time.
        shown = [re.sub(r"X-Amz-[A-Za-z]+=[^&\s]+", "SIGNATURE", text) for text in shown]
        self.transcript.note(" ".join(arguments))
        for text in shown:
            self.transcript.note(text)
        self.transcript.note(f"exit {run.returncode}")
        if run.returncode not in (ends if isinstance(ends, tuple) else (ends,)):
            raise Wrong(f"{' '.join(arguments)} ended with {run.returncode}: {out}{error}")
        return out

    def bucket(self):
        return self.session.bucket()

    def file(self, name, data):
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name

    def files(self, name):
        """Digests of the files of a directory."""
        found = sorted(path for path in (self.place / name).rglob("*") if path.is_file())
        return {str(path.relative_to(self.place / name)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def told(story):
    def case(store, transcript, prefix):
        session = Session(store, transcript, prefix, tls=True)
        with tempfile.TemporaryDirectory() as place:
            try:
                story(CommandLine(store, transcript, session, pathlib.Path(place)))
            finally:
                session.clean()

    return case


def cp(c):
    bucket, name = c.bucket(), c.file("a.csv", b"name,ward\n" * 50)
    c.aws("s3", "cp", "--no-progress", name, f"s3://{bucket}/in/a.csv", "--content-type", "text/csv", "--metadata", "ward=seven")
    c.aws("s3", "cp", "--no-progress", f"s3://{bucket}/in/a.csv", f"s3://{bucket}/copy.csv")
    c.aws("s3", "cp", "--no-progress", f"s3://{bucket}/copy.csv", "back.csv")
    assert (c.place / "back.csv").read_bytes() == (c.place / name).read_bytes()
    assert c.aws("s3", "cp", f"s3://{bucket}/copy.csv", "-") == "name,ward\n" * 50


def cp_in_parts(c):
    bucket, name = c.bucket(), c.file("big.bin", bytes(range(256)) * 4 * 9000)
    c.aws("s3", "cp", "--no-progress", name, f"s3://{bucket}/big.bin")
    c.aws("s3", "cp", "--no-progress", f"s3://{bucket}/big.bin", "back.bin")
    assert (c.place / "back.bin").read_bytes() == (c.place / name).read_bytes()


def sync(c):
    bucket = c.bucket()
    for name in ("one.txt", "deep/two.txt", "deep/ü b+c.txt"):
        c.file(f"from/{name}", name.encode())
    c.aws("s3", "sync", "--no-progress", "from", f"s3://{bucket}/to")
    c.aws("s3", "sync", "--no-progress", "from", f"s3://{bucket}/to")
    c.aws("s3", "sync", "--no-progress", f"s3://{bucket}/to", "back")
    assert c.files("from") == c.files("back")
    (c.place / "from/one.txt").unlink()
    c.aws("s3", "sync", "--no-progress", "--delete", "from", f"s3://{bucket}/to")


def ls(c):
    bucket = c.bucket()
    for key in ("a", "b/1", "b/2"):
        c.session.call("put_object", Bucket=bucket, Key=key, Body=key.encode())
    assert "PRE b/" in c.aws("s3", "ls", f"s3://{bucket}")
    assert "Total Objects: 3" in c.aws("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}")
    assert bucket in c.aws("s3", "ls")
    c.aws("s3", "ls", f"s3://{bucket}/none", ends=1)


def rm(c):
    bucket = c.bucket()
    for key in ("a", "b/1", "b/2"):
        c.session.call("put_object", Bucket=bucket, Key=key, Body=key.encode())
    c.aws("s3", "rm", f"s3://{bucket}/a")
    c.aws("s3", "rm", "--recursive", f"s3://{bucket}/b")
    c.aws("s3", "ls", f"s3://{bucket}/a", ends=1)


def mv(c):
    bucket, name = c.bucket(), c.file("a.txt", b"moved")
    c.aws("s3", "mv", "--no-progress", name, f"s3://{bucket}/a.txt")
    c.aws("s3", "mv", "--no-progress", f"s3://{bucket}/a.txt", f"s3://{bucket}/b.txt")
    c.aws("s3", "mv", "--no-progress", f"s3://{bucket}/b.txt", "c.txt")
    assert (c.place / "c.txt").read_bytes() == b"moved"


def mb_and_rb(c):
    name = f"{c.session.prefix}-made"
    c.session.buckets.append(name)
    c.aws("s3", "mb", f"s3://{name}")
    c.aws("s3", "rb", f"s3://{name}")
    c.aws("s3", "ls", f"s3://{name}", ends=REFUSED)


def presign(c):
    bucket = c.bucket()
    c.session.call("put_object", Bucket=bucket, Key="a b.txt", Body=b"by a link")
    url = c.aws("s3", "presign", f"s3://{bucket}/a b.txt", "--expires-in", "300").strip()
    c.session.send("GET", url, {})
    assert c.session.last[2] == b"by a link", c.session.last


def api_objects(c):
    bucket, name = c.bucket(), c.file("a.txt", b"a line of text\n" * 10)
    c.aws("s3api", "put-object", "--bucket", bucket, "--key", "a.txt", "--body", name, "--tagging", "ward=seven")
    c.aws("s3api", "head-object", "--bucket", bucket, "--key", "a.txt")
    c.aws("s3api", "get-object", "--bucket", bucket, "--key", "a.txt", "--range", "bytes=2-5", "part.txt")
    assert (c.place / "part.txt").read_bytes() == b"line"
    c.aws("s3api", "get-object-tagging", "--bucket", bucket, "--key", "a.txt")
    c.aws("s3api", "list-objects-v2", "--bucket", bucket)
    c.aws("s3api", "delete-objects", "--bucket", bucket, "--delete", "Objects=[{Key=a.txt}]")


def api_versions(c):
    bucket = c.bucket()
    c.aws("s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    for text in (b"one", b"two"):
        c.aws("s3api", "put-object", "--bucket", bucket, "--key", "a", "--body", c.file("a", text))
    c.aws("s3api", "delete-object", "--bucket", bucket, "--key", "a")
    c.aws("s3api", "list-object-versions", "--bucket", bucket)


def api_errors(c):
    bucket = c.bucket()
    c.aws("s3api", "get-object", "--bucket", bucket, "--key", "none", "none", ends=REFUSED)
    c.aws("s3api", "head-object", "--bucket", bucket, "--key", "none", ends=REFUSED)
    c.aws("s3api", "list-objects-v2", "--bucket", f"{bucket}-none", ends=REFUSED)
    c.environment["AWS_SECRET_ACCESS_KEY"] = "0" * 40
    c.aws("s3api", "list-objects-v2", "--bucket", bucket, ends=REFUSED)


def rclone_copy(c):
    bucket = c.bucket()
    for name in ("one.txt", "deep/two.txt", "deep/ü b+c.txt"):
        c.file(f"from/{name}", name.encode())
    c.rclone("copy", "from", f"store:{bucket}/to")
    assert c.rclone("lsf", "-R", "--files-only", f"store:{bucket}/to").split("\n")[:-1] == sorted(c.files("from"))
    c.rclone("check", "from", f"store:{bucket}/to")
    c.rclone("copy", f"store:{bucket}/to", "back")
    assert c.files("from") == c.files("back")
    c.rclone("copyto", f"store:{bucket}/to/one.txt", f"store:{bucket}/other.txt")
    assert c.rclone("cat", f"store:{bucket}/other.txt", "--offset", "1", "--count", "3") == "ne."


def rclone_sync(c):
    bucket = c.bucket()
    for name in ("one.txt", "two.txt"):
        c.file(f"from/{name}", name.encode())
    c.rclone("sync", "from", f"store:{bucket}/to")
    (c.place / "from/one.txt").unlink()
    c.rclone("sync", "from", f"store:{bucket}/to")
    assert c.rclone("lsf", f"store:{bucket}/to") == "two.txt\n"
    c.rclone("delete", f"store:{bucket}/to")
    assert c.rclone("lsf", "-R", f"store:{bucket}") == ""


def rclone_in_parts(c):
    bucket, name = c.bucket(), c.file("big.bin", bytes(range(256)) * 4 * 9000)
    c.rclone("copyto", name, f"store:{bucket}/big.bin")
    c.rclone("copyto", f"store:{bucket}/big.bin", "back.bin")
    assert (c.place / "back.bin").read_bytes() == (c.place / name).read_bytes()


STORIES = [cp, cp_in_parts, sync, ls, rm, mv, mb_and_rb, presign, api_objects, api_versions, api_errors, rclone_copy, rclone_sync, rclone_in_parts]

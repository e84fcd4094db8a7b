#!/usr/bin/env python3
"""Memory of the S3 proxy and of the ledger while one object of some size goes through, in and out, with full evidence.

    cargo build --workspace --bins
    python3 tests/benches/s3_memory.py target/debug [--mib 64,1024,5120] [--directory /dev/shm] [--json FILE]

Each size has a deployment of its own, as two daemons. What is put is not signed byte by byte (UNSIGNED-PAYLOAD over TLS), what is read
matches a document that holds no PHI, and so is not masked. Prints the largest resident memory of each daemon (`VmHWM`, reset before),
and the rate. The store is this script: it counts what it gets, and makes up what it gives, so nothing of it says anything of a store. The
ledger keeps all that is read, so the directory has to have room for it; with one in memory the rates say nothing of a disk.
"""

import argparse
import contextlib
import http.client
import http.server
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "drivers/s3"))
import sigv4  # noqa: E402

PIECE = bytes(range(256)) * 4096  # 1 MiB
POLICY = """
version = 1

[[roles]]
name = "bench"
match = { method = "api-key", groups = ["pipelines"] }

[[targets]]
name = "lake"
protocol = "s3"

[[documents]]
name = "open"
targets = ["lake"]
resources = ["*"]
format = "text"
phi = false

[[rules]]
name = "bench"
roles = ["bench"]
targets = ["lake"]
actions = ["read", "write"]
effect = "allow"
"""
SECTION = """
[[proxy.s3]]
target = "lake"
listen = "127.0.0.1:{port}"
region = "us-east-1"
tls = {{ certificate = "tls/proxy.pem", key = "tls/proxy.key" }}
store = {{ url = "http://127.0.0.1:{store}", access_key_id = "BENCH", secret_file = "secrets/lake.secret" }}
"""


class Store(http.server.BaseHTTPRequestHandler):
    """Counts what it gets, and makes up what it gives."""

    protocol_version = "HTTP/1.1"
    received = {}

    def do_PUT(self):
        left, checksum = int(self.headers["content-length"]), 0
        if self.headers.get("expect"):
            self.send_response_only(100)
            self.end_headers()
        total = 0
        while total < left:
            piece = self.rfile.read1(min(left - total, 1 << 20))
            if not piece:
                return
            total, checksum = total + len(piece), zlib.crc32(piece, checksum)
        self.received[self.path] = (total, checksum)
        self.answer(0)

    def do_GET(self):
        pieces = int(self.path.rsplit("/", 1)[1])
        self.answer(pieces * len(PIECE))
        for _ in range(pieces):
            self.wfile.write(PIECE)

    def answer(self, length):
        self.send_response(200)
        self.send_header("etag", '"bench"')
        self.send_header("content-length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} {command[1]}: {done.stdout}{done.stderr}")
    return done.stdout


class Deployment:
    """Ledger and proxy as two daemons, in a directory of their own."""

    def __init__(self, programs, directory, store):
        self.programs, self.place = pathlib.Path(programs).resolve(), pathlib.Path(directory) / "deployment"
        self.port = free_port()
        exhibit = str(self.programs / "exhibit")
        run(exhibit, "init", str(self.place), "--origin", "bench.example/exhibit")
        config = self.place / "exhibit.toml"
        ledger = f"https://127.0.0.1:{free_port()}"
        text = config.read_text().replace("https://127.0.0.1:7443", ledger).replace("127.0.0.1:7443", ledger.split("/")[2])
        of_proxy = f'ledger = {{ url = "{ledger}", certificate = "tls/proxy.pem", key = "tls/proxy.key", ca = "tls/ca.pem" }}'
        text = text.replace("[proxy]\n", f"[proxy]\n{of_proxy}\n", 1)
        text = text.replace("\n[client]", SECTION.format(port=self.port, store=store) + "\n[client]", 1)
        config.write_text(text)
        (self.place / "policy.toml").write_text(POLICY)
        (self.place / "secrets/lake.secret").write_text("bench")
        (self.place / "secrets/lake.secret").chmod(0o600)
        key = run(exhibit, "--config", str(config), "key", "api", "bench", "--group", "pipelines").strip()
        told = json.loads(run(exhibit, "--config", str(config), "key", "s3", key.split("_")[1], "--json"))
        self.key = sigv4.Key(told["access_key_id"], told["secret_access_key"])
        self.url = f"https://127.0.0.1:{self.port}"
        self.daemons = {}
        for name in ("ledger", "proxy"):
            command = [str(self.programs / f"exhibit-{name}"), "serve", "--config", str(config)]
            self.daemons[name] = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            self.wait(name)

    def wait(self, name):
        log, said = self.daemons[name].stderr, []
        for line in log:
            said.append(line)
            if "listens" in line:
                return threading.Thread(target=lambda: [None for _ in log], daemon=True).start()
        raise SystemExit("".join(said))

    def reset(self):
        """Begins the largest resident memory anew."""
        for daemon in self.daemons.values():
            pathlib.Path(f"/proc/{daemon.pid}/clear_refs").write_text("5")

    def largest_mib(self):
        of = lambda pid: pathlib.Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]
        return {name: round(int(of(daemon.pid)) / 1024) for name, daemon in self.daemons.items()}

    def connect(self):
        context = ssl.create_default_context(cafile=self.place / "tls/ca.pem")
        return http.client.HTTPSConnection(f"127.0.0.1:{self.port}", context=context, timeout=600)

    def end(self):
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait()


def put(deployment, pieces):
    path = f"/bench/put/{pieces}"
    headers = sigv4.in_headers(deployment.key, "PUT", deployment.url + path, {}, "UNSIGNED-PAYLOAD")
    wire = deployment.connect()
    wire.request("PUT", path, body=(PIECE for _ in range(pieces)), headers={**headers, "content-length": str(pieces * len(PIECE))})
    answer = wire.getresponse()
    said, checksum = answer.read(), 0
    for _ in range(pieces):
        checksum = zlib.crc32(PIECE, checksum)
    if answer.status != 200 or Store.received.get(path) != (pieces * len(PIECE), checksum):
        raise SystemExit(f"PUT: {answer.status} {said[:300]!r} {Store.received}")


def get(deployment, pieces):
    path = f"/bench/get/{pieces}"
    headers = sigv4.in_headers(deployment.key, "GET", deployment.url + path, {}, sigv4.EMPTY)
    wire = deployment.connect()
    wire.request("GET", path, headers=headers)
    answer = wire.getresponse()
    for number in range(pieces):
        if answer.read(len(PIECE)) != PIECE:
            raise SystemExit(f"GET: {answer.status}, and another byte after {number} MiB")
    if answer.read(1):
        raise SystemExit("GET: more than was asked for")


def measured(programs, place, store, pieces):
    found = {"mib": pieces}
    with tempfile.TemporaryDirectory(prefix="exhibit-s3-memory-", dir=place) as directory:
        # Events frame what they hold, and the ledger's store keeps a journal beside its tables.
        if shutil.disk_usage(directory).free < 2 * pieces * len(PIECE) + (1 << 30):
            raise SystemExit(f"{directory} has no room for twice {pieces} MiB")
        deployment = Deployment(programs, directory, store)
        try:
            time.sleep(1)  # what the start takes is no part of it
            deployment.reset()
            found["before"] = deployment.largest_mib()
            for name, way in (("put", put), ("get", get)):
                deployment.reset()
                start = time.monotonic()
                way(deployment, pieces)
                seconds = time.monotonic() - start
                found[name] = {**deployment.largest_mib(), "mib_per_s": round(pieces / seconds, 1)}
                print(f"{name} of {pieces} MiB: {found[name]}", flush=True)
        finally:
            deployment.end()
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("programs")
    arguments.add_argument("--mib", default="64,1024,5120")
    arguments.add_argument("--directory")
    arguments.add_argument("--json")
    options = arguments.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    with contextlib.closing(server.socket):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = [measured(options.programs, options.directory, server.server_port, int(size)) for size in options.mib.split(",")]
        server.shutdown()
    print(f"before: {found[0]['before']}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

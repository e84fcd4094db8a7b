#!/usr/bin/env python3
"""pgbench through the proxy against the same server directly, and through pgbouncer, in one run, A/B/A/B.

    cargo build --profile stack --workspace --bins
    python3 tests/benches/pgbench.py target/stack/stack [--seconds 10] [--clients 1,8,64] [--rounds 2] [--scale 10]
            [--scripts select,tpcb] [--modes simple,prepared] [--json FILE]

For one client that reads, prints what evidence adds to the latency of an answer (`full` less `null`) against the median of an
fdatasync of 4 KiB in the same minute. Peers: `direct`, `pgbouncer` (Debian's package, session pooling, TLS towards the client), `null` (the proxy over a recorder
that drops events), `full` (proxy and ledger, every event durable). All four over TLS on loopback. Prints transactions a
second, the ratio to pgbouncer and to direct, mean latency, and CPU microseconds of the peer's own processes to a
transaction, without what the making of the connections costs. Rates of one shared machine mean little; the ratios are of rounds that take turns.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlsplit

POLICY = """
version = 1

[[roles]]
name = "bench"
match = { method = "api-key", groups = ["pipelines"] }

[[targets]]
name = "clinic"
protocol = "postgres"

[[rules]]
name = "bench"
roles = ["bench"]
targets = ["clinic"]
actions = ["read", "write", "delete", "session", "transaction"]
effect = "allow"

[[masks]]
name = "a-mask"
targets = ["clinic"]
resources = ["public.patients.name"]
technique = "redact"
"""

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    """CPU seconds of processes, threads included."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def descendants(pid):
    """A process and everything below it that is not PostgreSQL."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        try:
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        if name != "postgres":
            found.append(pid)
            todo += [int(child) for child in children]
    return found


class Stack:
    """`stack`, with or without a ledger."""

    def __init__(self, program, ledger, policy, sql):
        environment = dict(os.environ, STACK_POLICY=str(policy), STACK_SQL=str(sql))
        if ledger == "null":
            environment["STACK_LEDGER"] = "null"
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, env=environment, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{program} did not start")
        self.described = json.loads(line)

    def pids(self):
        return descendants(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def imported_psycopg():
    """psycopg, or the end with what to do."""
    try:
        import psycopg
    except ImportError:
        raise SystemExit("psycopg is missing: python3 -m pip install 'psycopg[binary]'")
    return psycopg


@contextlib.contextmanager
def alone(program, policy):
    """A `stack` with its ledger and that policy, and with nothing in its database."""
    with tempfile.TemporaryDirectory() as place:
        path, sql = pathlib.Path(place, "policy.toml"), pathlib.Path(place, "bench.sql")
        path.write_text(policy)
        sql.write_text("")
        stack = Stack(program, "full", path, sql)
        try:
            yield stack
        finally:
            stack.stop()


def written(measured, path):
    """Writes what was measured as JSON, where a path is given for it."""
    if path:
        pathlib.Path(path).write_text(json.dumps(measured, indent=1) + "\n")


def bouncer(direct, place):
    """Starts pgbouncer before a server; gives its process and libpq URL."""
    url = urlsplit(direct)
    shutil.chown(place, "nobody")
    certificate = place / "bouncer.pem"
    key = place / "bouncer.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    port = free_port()
    query = dict(part.split("=", 1) for part in url.query.split("&") if part)
    users = place / "users.txt"
    users.write_text(f'"{url.username}" "{url.password}"\n')
    configuration = place / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={url.hostname or query.get('host')} port={url.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
        f"auth_file = {users}\npool_mode = session\nmax_client_conn = 500\ndefault_pool_size = 100\n"
        f"client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\nclient_tls_key_file = {key}\n"
        f"server_tls_sslmode = {'require' if query.get('sslmode', 'prefer') != 'disable' else 'disable'}\n"
        "ignore_startup_parameters = extra_float_digits\n"
        "log_connections = 0\nlog_disconnections = 0\n"
    )
    for path in (certificate, key, users, configuration):
        shutil.chown(path, "nobody")
    process = subprocess.Popen(
        ["pgbouncer", "-q", "-u", "nobody", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    through = f"postgresql://{url.username}:{url.password}@127.0.0.1:{port}{url.path}?sslmode=require"
    for _ in range(100):
        if subprocess.run(["psql", through, "-c", "select 1"], capture_output=True).returncode == 0:
            return process, through
        time.sleep(0.1)
    process.terminate()
    raise SystemExit("pgbouncer did not start")


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pgbench(url, script, mode, clients, length):
    """Runs pgbench; gives what it printed."""
    command = ["pgbench", "-n", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)), *length]
    if script == "select":
        command.append("-S")
    ran = subprocess.run([*command, url], capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"pgbench failed:\n{ran.stderr}")
    return ran.stdout


def measure(url, script, mode, clients, seconds, pids):
    """One round of pgbench: transactions a second, mean latency in ms, CPU seconds of the peer to a transaction.

    A run of one transaction to each client goes before it: what that costs, the making of the connections above all, is
    taken from the CPU of the round.
    """
    begun = cpu_seconds(pids)
    pgbench(url, script, mode, clients, ["-t", "1"])
    before = cpu_seconds(pids)
    told = pgbench(url, script, mode, clients, ["-T", str(seconds)])
    used = cpu_seconds(pids) - before - (before - begun)
    rate = float(re.search(r"tps = ([\d.]+)", told)[1])
    latency = float(re.search(r"latency average = ([\d.]+)", told)[1])
    count = int(re.search(r"actually processed: (\d+)", told)[1])
    return rate, latency, used / max(count - clients, 1)


def fdatasync_ms(place):
    """The median of appending 4 KiB to a file and having it on the disk, in ms."""
    times = []
    with open(place / "synced", "wb", buffering=0) as file:
        for _ in range(300):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("stack")
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--clients", default="1,8,64")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--scale", type=int, default=10)
    arguments.add_argument("--scripts", default="select,tpcb")
    arguments.add_argument("--modes", default="simple,prepared")
    arguments.add_argument("--peers", default="direct,pgbouncer,null,full")
    arguments.add_argument("--json")
    options = arguments.parse_args()
    peers = options.peers.split(",")
    results = []
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        place.chmod(0o755)
        policy, sql = place / "policy.toml", place / "bench.sql"
        policy.write_text(POLICY)
        sql.write_text("")
        with contextlib.ExitStack() as running:
            full = Stack(options.stack, "full", policy, sql)
            running.callback(full.stop)
            stacks = [full]
            # pgbouncer and direct speak to the server of `full`, so that only `null` has a server of its own.
            direct = full.described["postgres"]["direct"]
            urls, pids = {"direct": direct, "full": full.described["postgres"]["proxy"]}, {"direct": []}
            pids["full"] = full.pids()
            if "null" in peers:
                null = Stack(options.stack, "null", policy, sql)
                running.callback(null.stop)
                stacks.append(null)
                urls["null"] = null.described["postgres"]["proxy"]
                pids["null"] = null.pids()
            if "pgbouncer" in peers:
                process, urls["pgbouncer"] = bouncer(direct, place)
                running.callback(process.terminate)
                pids["pgbouncer"] = [process.pid]
            for stack in stacks:
                subprocess.run(
                    ["pgbench", "-i", "-q", "-s", str(options.scale), stack.described["postgres"]["direct"]],
                    check=True, capture_output=True,
                )
                # The proxy comes to the server as a role of its own.
                grant = ["psql", stack.described["postgres"]["direct"], "-c", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"]
                subprocess.run(grant, check=True, capture_output=True)
            for script in options.scripts.split(","):
                for mode in options.modes.split(","):
                    for clients in map(int, options.clients.split(",")):
                        results += compare(urls, pids, peers, script, mode, clients, options)
                        if script == "select" and clients == 1 and {"null", "full"} <= set(peers):
                            alone_ms = {made["peer"]: made["latency_ms"] for made in results[-len(peers):]}
                            added_ms, synced_ms = alone_ms["full"] - alone_ms["null"], fdatasync_ms(place)
                            print(f"evidence adds {added_ms:.3f} ms to an answer, {added_ms / synced_ms:.2f} x fdatasync ({synced_ms:.3f} ms)")
    written(results, options.json)


def compare(urls, pids, peers, script, mode, clients, options):
    """All peers in turn, several rounds; prints and gives the medians."""
    rounds = {peer: [] for peer in peers}
    for _ in range(options.rounds):
        for peer in peers:
            rounds[peer].append(measure(urls[peer], script, mode, clients, options.seconds, pids[peer]))
    medians = {peer: [statistics.median(values) for values in zip(*rounds[peer])] for peer in peers}
    made = []
    for peer in peers:
        rate, latency, used = medians[peer]
        ratios = {
            other: rate / medians[other][0] for other in ("direct", "pgbouncer") if other in peers and other != peer
        }
        made.append({
            "script": script, "mode": mode, "clients": clients, "peer": peer, "tps": rate, "latency_ms": latency,
            "cpu_us": used * 1e6, "ratios": ratios,
        })
        told = ", ".join(f"{ratio:.2f} x {other}" for other, ratio in ratios.items())
        print(
            f"{script:7} {mode:9} {clients:3} clients  {peer:9} {rate:9.0f} tps  {latency:8.3f} ms"
            f"  {used * 1e6:7.1f} us CPU  {told}",
            flush=True,
        )
    return made


if __name__ == "__main__":
    sys.exit(main())

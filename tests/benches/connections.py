#!/usr/bin/env python3
"""Many connections through the proxy: memory of each, and whether it grows while some of them work.

    cargo build --profile stack --workspace --bins
    python3 tests/benches/connections.py target/stack/stack [--idle 1000] [--busy 200] [--minutes 60] [--json FILE]

Opens the idle connections, then works on the busy ones by pgbench (select-only, prepared) for the time given, and samples
the resident memory of the gateway's process. Prints the memory before, with the idle ones, and each minute of the work; a
reply at the end on every idle connection, and fails when one does not come.
"""

import argparse
import pathlib
import subprocess
import sys
import time

from pgbench import POLICY, alone, imported_psycopg, written


def resident_kib(pids):
    """Resident memory of processes."""
    total = 0
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += int(status.split("VmRSS:")[1].split()[0])
    return total


def main():
    psycopg = imported_psycopg()
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("stack")
    arguments.add_argument("--idle", type=int, default=1000)
    arguments.add_argument("--busy", type=int, default=200)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--json")
    options = arguments.parse_args()
    # Those that are silent are to last until the end; a policy's own limit is an hour.
    policy = POLICY + f"\n[limits]\nidle_s = {int(options.minutes * 60) + 3600}\n"
    with alone(options.stack, policy) as stack:
        measured = soak(stack, options, psycopg)
    written(measured, options.json)


def soak(stack, options, psycopg):
    direct, proxied = (stack.described["postgres"][way] for way in ("direct", "proxy"))
    subprocess.run(["pgbench", "-i", "-q", "-s", "10", direct], check=True, capture_output=True)
    grant = ["psql", direct, "-c", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"]
    subprocess.run(grant, check=True, capture_output=True)
    pids = stack.pids()
    measured = {"before_kib": resident_kib(pids), "idle": options.idle, "busy": options.busy, "work": []}
    print(f"before: {measured['before_kib'] / 1024:.0f} MiB", flush=True)
    start = time.monotonic()
    idle = [psycopg.connect(proxied, autocommit=True) for _ in range(options.idle)]
    measured["idle_kib"] = resident_kib(pids)
    each = (measured["idle_kib"] - measured["before_kib"]) / max(options.idle, 1)
    print(
        f"{options.idle} idle: {measured['idle_kib'] / 1024:.0f} MiB, {each:.0f} KiB each, "
        f"opened in {time.monotonic() - start:.0f} s",
        flush=True,
    )
    seconds = int(options.minutes * 60)
    command = ["pgbench", "-n", "-S", "-M", "prepared", "-c", str(options.busy), "-j", "2", "-T", str(seconds), proxied]
    work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    start = time.monotonic()
    while work.poll() is None:
        try:
            work.wait(min(60, max(5, seconds / 10)))
        except subprocess.TimeoutExpired:
            sample = {"seconds": round(time.monotonic() - start), "kib": resident_kib(pids)}
            measured["work"].append(sample)
            print(f"{sample['seconds']:5} s: {sample['kib'] / 1024:.0f} MiB", flush=True)
    said = work.communicate()[0]
    if work.returncode != 0:
        raise SystemExit(f"pgbench failed:\n{said}")
    print(next(line for line in said.splitlines() if line.startswith("tps")), flush=True)
    for connection in idle:
        if connection.execute("SELECT 1").fetchone() != (1,):
            raise SystemExit("an idle connection gave another answer")
        connection.close()
    print(f"all {len(idle)} idle connections answered at the end", flush=True)
    return measured


if __name__ == "__main__":
    sys.exit(main())

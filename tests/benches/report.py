#!/usr/bin/env python3
"""What a report costs: a log of two years and so many events through a real ledger, verified and reported.

    cargo build --profile stack --workspace --bins
    python3 tests/benches/report.py target/stack [--events 100000,1000000] [--rounds 3] [--seed 1] [--keep DIR] [--json FILE]

Makes each log with `two_years`, and runs by turns: `sha256sum` over the bundle, `exhibit-verify`, and `exhibit-verify report`.
Printed are the seconds (median, least and most), the CPU seconds, the events a second and the largest resident memory of each, and
the sizes of what the report is made of. Memory that does not depend on the log is that of the greater log less that of the smaller.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from pgbench import written

VERIFIED, FINDINGS = 0, 1


def ran(command, **options):
    """Seconds, CPU seconds and the largest resident MiB of a program that ends well."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if process.returncode != VERIFIED:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return {"seconds": seconds, "cpu_s": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("programs", type=pathlib.Path)
    arguments.add_argument("--events", default="100000,1000000")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keep", type=pathlib.Path, help="where the logs are kept, and taken from if they are there")
    arguments.add_argument("--json")
    options = arguments.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as place:
        for events in map(int, options.events.split(",")):
            results.append(measure(options, (options.keep or pathlib.Path(place)), events))
    written(results, options.json)


def measure(options, place, events):
    log = place / f"{events}-{options.seed}"
    if not (log / "counts.json").exists():
        place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(log, ignore_errors=True)
        start = time.monotonic()
        made = subprocess.run(
            [options.programs / "two_years", str(events), str(options.seed), log], check=True, capture_output=True, text=True
        )
        print(f"{events} events were made in {time.monotonic() - start:.0f} s", flush=True)
        (log / "counts.json").write_text(made.stdout)
    counts = json.loads((log / "counts.json").read_text())
    bundle = [path for path in (log / "bundle").rglob("*") if path.is_file()]
    mib = sum(path.stat().st_size for path in bundle) / (1 << 20)
    total = sum(counts["events"].values())
    print(f"{total} events, {counts['entries']} entries, {len(bundle)} files of {mib:.0f} MiB", flush=True)
    verifier, given = options.programs / "exhibit-verify", [log / "bundle", "--keys", log / "trust.toml"]
    report = log / "report"
    names = log / "names"
    names.write_bytes(b"\0".join(os.fsencode(path) for path in bundle) + b"\0")
    ways = {
        "sha256sum": ["xargs", "-0", "-a", names, "sha256sum"],
        "verify": [verifier, *given],
        "report": [verifier, "report", *given, "--out", report],
    }
    found = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, command in ways.items():
            found[way].append(ran(command))
    for way, rounds in found.items():
        seconds = [one["seconds"] for one in rounds]
        cpu = statistics.median(one["cpu_s"] for one in rounds)
        print(
            f"  {way:10} {statistics.median(seconds):7.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {cpu:.2f} s CPU,"
            f" {total / statistics.median(seconds):9.0f} events/s, {max(one['mib'] for one in rounds):.0f} MiB resident at the most",
            flush=True,
        )
    sizes = {str(path.relative_to(report)): path.stat().st_size for path in sorted(report.rglob("*")) if path.is_file()}
    for name, size in sizes.items():
        if size > 1_000_000 or name.startswith("report."):
            print(f"  {name:32} {size / 1e6:9.2f} MB", flush=True)
    return {"events": total, "entries": counts["entries"], "bundle_mib": mib, "found": found, "sizes": sizes}


if __name__ == "__main__":
    sys.exit(main())

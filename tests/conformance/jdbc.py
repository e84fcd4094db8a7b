"""Runs what Jdbc.java does directly and through the proxy, and compares it line by line.

    python3 tests/conformance/jdbc.py

Needs a JDK from 17 up, and Debian's libpostgresql-jdbc-java.
"""

import pathlib
import subprocess
import sys

import stack

JAR = "/usr/share/java/postgresql.jar"
SCRIPT = pathlib.Path(__file__).with_name("Jdbc.java")


def run(way: str, url: str, place: pathlib.Path) -> dict[str, str]:
    done = subprocess.run(["java", "-cp", JAR, SCRIPT, url], capture_output=True, text=True, check=False)
    (place / f"{way}.txt").write_text(done.stdout + done.stderr)
    print(f"{way}: {len(done.stdout.splitlines())} lines, status {done.returncode}", flush=True)
    if done.returncode != 0:
        raise SystemExit(f"{way}: it did not run to its end:\n{done.stderr}")
    return {f"{place}: {line.split(' = ')[0]}": line for place, line in enumerate(done.stdout.splitlines())}


def main() -> int:
    place = stack.PLACE / "jdbc"
    with stack.running(place) as urls:
        direct, proxy = (run(way, urls[way], place) for way in ("direct", "proxy"))
    outcomes = {name: "same" if proxy.get(name) == line else "differs" for name, line in direct.items()}
    return stack.compare(dict.fromkeys(direct, "same"), outcomes)


if __name__ == "__main__":
    sys.exit(main())

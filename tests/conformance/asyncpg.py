"""Runs asyncpg's tests against the server and against the proxy of a stack, and compares them test for test."""

import pathlib
import re
import subprocess
import sys

import stack

# Without those that start servers or break connections of their own (connect, adversity), and those about the source.
FILES = (
    "cache_invalidation cancellation codecs copy cursor exceptions execute introspection listeners logging pool prepare"
    " record timeout transaction types utils"
).split()

OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SUBFAILED\S*) (?:.*? )?(tests/\S+)", re.MULTILINE)


def run(place: pathlib.Path, version: str, way: str, url: str) -> dict[str, str]:
    command = [place / "venv/bin/python", "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", "--timeout=60"]
    command += ["--import-mode=append", *(f"tests/test_{file}.py" for file in FILES)]
    done = subprocess.run(
        command,
        cwd=place / f"asyncpg-{version}",
        env=stack.variables(url),
        capture_output=True,
        text=True,
        check=False,
    )
    (place / f"{way}.txt").write_text(done.stdout + done.stderr)
    outcomes: dict[str, str] = {}
    for outcome, test in OUTCOME.findall(done.stdout):
        failed = outcome != "PASSED"
        outcomes[test] = "failed" if failed or outcomes.get(test) == "failed" else "passed"
    print(f"{way}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr}", flush=True)
    return outcomes


def main() -> int:
    place, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    with stack.running(place) as urls:
        results = {way: run(place, version, way, url) for way, url in urls.items()}
    return stack.compare(results["direct"], results["proxy"])


if __name__ == "__main__":
    sys.exit(main())

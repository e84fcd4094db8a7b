"""Runs psycopg2's tests against the server and against the proxy of a stack, and compares them test for test."""

import pathlib
import subprocess
import sys

# The suite's own package has the name of this file.
sys.path.append(sys.path.pop(0))
import stack  # noqa: E402
from xml.etree import ElementTree  # noqa: E402


def run(place: pathlib.Path, version: str, way: str, url: str) -> dict[str, str]:
    environment = stack.variables(url)
    environment["PSYCOPG2_TESTDB"] = environment["PGDATABASE"]
    report = place / f"{way}.xml"
    command = [place / "venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=60"]
    command += ["--junitxml", report, "tests"]
    tests = place / f"psycopg2-{version}"
    done = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, check=False)
    (place / f"{way}.txt").write_text(done.stdout + done.stderr)
    print(f"{way}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr}", flush=True)
    return dict(map(outcome, ElementTree.parse(report).getroot().iter("testcase")))


def outcome(case: ElementTree.Element) -> tuple[str, str]:
    found = [word for word in ("failure", "error", "skipped") if case.find(word) is not None]
    return f"{case.get('classname')}.{case.get('name')}", found[0] if found else "passed"


def main() -> int:
    place, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    with stack.running(place) as urls:
        results = {way: run(place, version, way, url) for way, url in urls.items()}
    return stack.compare(results["direct"], results["proxy"])


if __name__ == "__main__":
    sys.exit(main())

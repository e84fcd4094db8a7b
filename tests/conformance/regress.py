"""Runs PostgreSQL's regression or isolation tests directly and through the proxy, and compares the output of each test.

    python3 tests/conformance/regress.py SOURCE regress|isolation [TEST...]

SOURCE is PostgreSQL's source with both drivers built (see regress.sh). Each way has a server of its own, because the tests make
roles and tablespaces. A test is the same when its output is; both are kept, with their difference, under
target/conformance/regress/.
"""

import difflib
import pathlib
import re
import shutil
import subprocess
import sys

import stack

BIN = pathlib.Path(subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip())
# What differs between any two runs.
CHANGING = [
    (re.compile(r"\bpg_toast_\d+"), "pg_toast_N"),
    (re.compile(r"\bpg_temp_\d+"), "pg_temp_N"),
]


def run(source: pathlib.Path, suite: str, tests: list[str], way: str, url: str, output: pathlib.Path) -> dict[str, str]:
    shutil.rmtree(output, ignore_errors=True)
    # The server, another account, writes there.
    (output / "results").mkdir(parents=True)
    output.chmod(0o777)
    (output / "results").chmod(0o777)
    (output / "testtablespace").mkdir()
    variables = stack.variables(url)
    place = source / "src/test" / suite
    driver = {"regress": "pg_regress", "isolation": "pg_isolation_regress"}[suite]
    schedule = {"regress": "parallel_schedule", "isolation": "isolation_schedule"}[suite]
    command = [place / driver, "--inputdir=.", f"--outputdir={output}", f"--bindir={BIN}", f"--dlpath={source}/src/test/regress"]
    command += ["--max-connections=4", f"--host={variables['PGHOST']}", f"--port={variables['PGPORT']}"]
    command += [f"--user={variables['PGUSER']}", f"--dbname={suite}"]
    command += tests or [f"--schedule={schedule}"]
    done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, check=False)
    (output / "log").write_text(done.stdout + done.stderr)
    print(f"{way}: {[line for line in done.stdout.splitlines() if 'tests' in line][-1:]}", flush=True)
    results = {}
    for path in sorted((output / "results").glob("*.out")):
        text = path.read_text(errors="replace").replace(str(output), "OUTPUT")
        for pattern, put in CHANGING:
            text = pattern.sub(put, text)
        results[path.stem] = text
    return results


def main() -> int:
    source, suite, tests = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
    work = stack.PLACE / "regress" / suite
    results = {}
    for way in ("direct", "proxy"):
        with stack.running(work) as urls:
            results[way] = run(source, suite, tests, way, urls[way], work / way)
    direct, proxy = results["direct"], results["proxy"]
    (work / "differences").mkdir(exist_ok=True)
    outcomes = {}
    for test in direct:
        lines = difflib.unified_diff(
            direct[test].splitlines(), proxy.get(test, "").splitlines(), "direct", "proxy", lineterm="", n=2
        )
        difference = "\n".join(lines)
        (work / "differences" / f"{test}.diff").write_text(difference)
        outcomes[test] = "differs" if difference else "same"
    return stack.compare(dict.fromkeys(direct, "same"), outcomes)


if __name__ == "__main__":
    sys.exit(main())

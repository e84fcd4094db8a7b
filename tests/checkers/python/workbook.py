"""Hold the files of a report against each other, by openpyxl and Python's own csv, without any code of Exhibit.

    workbook.py DIR

manifest  every file with its size, its SHA-256 and its rows, and no file besides
workbook  every sheet against its table's CSV cell by cell: numbers are numbers, text is text, no cell is a formula, what is too
          long says that it is cut; the CSV's apostrophe stands before what begins like a formula, and only there
report    the tables against report.json: controls, exceptions, findings, days, and the lines that it lists
feeds     ids of FHIR and OCSF documents are distinct, and there are as many as the lines of the tables make
held      fhir.py, ocsf.py and oscal.py take the package's own documents

Prints what was compared, or what is wrong and exits with 1.
"""

import csv
import hashlib
import json
import pathlib
import re
import subprocess
import sys

import openpyxl
from openpyxl.utils.escape import unescape

HERE = pathlib.Path(__file__).resolve().parent
CELL = 32_767
CUT = " … (cut; whole in the CSV)"
# A spreadsheet knows every whole number up to this one.
EXACT = 2**53
FORMULA = tuple("=+-@\t\r\n")
# Columns that hold numbers; all others hold text, whatever it looks like.
NUMBERS = {
    "cover": "",
    "controls": "count exceptions not_listed",
    "exceptions": "entry noted earlier closed",
    "changes": "",
    "findings": "first last",
    "sessions": "opened closed commands patients",
    "refused-logins": "refused count",
    "commands": "command request copy_first copy_last released_first released_last ended rows bytes patients",
    "fields": "replies rows",
    "days": "allowed approved denied",
    "approvals": "request people rows grant_uses grant_used",
    "approval-decisions": "request decision after_s enrolled",
    "detections": "detection command",
    "reveals": "reveal command copy enrolled",
    "readings": "read count times",
    "readers": "first last",
    "reviews": "review emergency own later",
    "report-signatures": "signed size",
    "exception-notes": "noted entry size",
    "exception-closes": "closed note",
    "void-statements": "entry",
    "review-schedules": "first within_days",
    "review-periods": "first",
    "emergencies": "used request decision rows",
    "observed-rules": "commands passed first last",
    "policies": "snapshot bytes",
    "policy-masks": "",
    "policies-in-force": "from until sessions commands signatures",
    "keys": "enrolled ended",
    "mask-keys": "announced ended sessions",
}
# Of a record that is not sound there are these tables alone.
ALWAYS = {"cover", "controls", "exceptions", "findings"}
FHIR, OCSF = "fhir/audit-events.ndjson", "ocsf/events.ndjson"
# Keys of report.json's lines by the table and the column that tells them apart.
LISTED = {
    "sessions": ("sessions", "opened", ("session", "time", "target", "subject", "transport", "peer", "reason", "commands")),
    "commands": ("commands", "command", ("time", "session", "statement", "effect", "rule", "outcome", "status", "code", "rows", "bytes")),
    "approvals": ("approvals", "request", ("time", "session", "statement", "approval", "people", "expires", "rows")),
    "detections": ("detections", "detection", ("time", "command", "net", "channel", "column")),
    "reveals": ("reveals", "reveal", ("time", "person", "reason", "command", "copy")),
    "readings": ("reads", "read", ("since", "until", "reader", "operation", "scope", "count", "times")),
    "reviews": ("reviews", "review", ("time", "person", "from", "to", "finding", "own", "later")),
    "report-signatures": ("report_signatures", "signed", ("time", "person", "manifest", "size", "root", "statement", "uncounted")),
    "exception-notes": (
        "exception_notes",
        "noted",
        ("time", "person", "control", "cause", "entry", "detail", "size", "owner", "remediation", "due", "uncounted"),
    ),
    "exception-closes": ("exception_closes", "closed", ("time", "person", "note", "disposition", "statement", "uncounted")),
    "void-statements": ("void", "entry", ("time", "kind", "person", "about", "verdict", "words", "why")),
    "readers": ("readers", "first", ("reader", "method", "issuer", "subject", "last")),
    "emergencies": ("emergencies", "used", ("time", "person", "reason", "statement", "rows", "state")),
    "refused-logins": ("refused_logins", "refused", ("target", "peer", "reason", "user", "count")),
    "policies": ("policies", "snapshot", ("policy", "bytes", "keep_until")),
    "keys": ("keys", "key", ("role", "name", "enrolled", "ended")),
}
# What stands on everything of a scoped bundle that can be handed on alone.
LABEL = "of a scoped bundle, not of a whole log"
# Items of the cover by the keys of report.json.
COVER = {"result": "result", "record": "record", "entity": "entity", "log": "origin", "log_key": "log_key", "entries": "size", "root": "root"}
COVER |= {"verifier": "verifier", "verifier_sha256": "verifier_sha256", "kept_checkpoints": "heads", "errors": "errors", "notes": "notes"}
CONTROL = ("id", "cite", "title", "population", "query", "count", "test", "strength", "cannot_show", "result", "not_listed")


def load(directory, name):
    return json.loads((directory / name).read_text(encoding="utf-8"))


def tables(directory, faults):
    """Every CSV as its head and its rows of values: whole numbers, texts without their apostrophe, None for nothing."""
    found = {}
    for path in sorted((directory / "tables").glob("*.csv")):
        name = path.stem
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        numbers = set(NUMBERS.get(name, "").split())
        if name not in NUMBERS or not numbers <= set(head):
            faults.append(f"csv: {name}: an unknown table, or other columns")
            continue
        of = [[value(name, column, field, column in numbers, faults) for column, field in zip(head, row)] for row in rows]
        if any(len(row) != len(head) for row in rows):
            faults.append(f"csv: {name}: a row of another length than the head")
        found[name] = (head, of)
    return found


def value(table, column, field, is_number, faults):
    if field == "":
        return None
    if is_number:
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)", field):
            faults.append(f"csv: {table}.{column}: {field[:40]!r} is no number")
            return field
        return int(field)
    if field.startswith(FORMULA):
        faults.append(f"csv: {table}.{column}: {field[:40]!r} begins like a formula")
    return field[1:] if field.startswith("'") and field[1:].startswith(FORMULA) else field


def manifest(directory, found, faults):
    stated = {entry["name"]: entry for entry in load(directory, "manifest.json")["files"]}
    files = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()} - {"manifest.json"}
    for name in sorted(files ^ stated.keys()):
        faults.append(f"manifest: {name} is {'not in it' if name in files else 'not there'}")
    for name in sorted(files & stated.keys()):
        data = (directory / name).read_bytes()
        if (stated[name]["bytes"], stated[name]["sha256"]) != (len(data), hashlib.sha256(data).hexdigest()):
            faults.append(f"manifest: {name} has another size or digest")
        if name.startswith("tables/"):
            rows = len(found[pathlib.Path(name).stem][1])
        elif name.endswith(".ndjson"):
            rows = data.count(b"\n")
        else:
            rows = None
        if stated[name].get("rows") != rows:
            faults.append(f"manifest: {name} has {rows} rows, not {stated[name].get('rows')}")


def workbook(directory, found, faults):
    """Gives how many cells hold something."""
    book = openpyxl.load_workbook(directory / "workpapers.xlsx")
    sheets = {}
    for sheet in book.worksheets:
        name, _, part = sheet.title.partition(" ")
        if (int(part) if part else 1) != len(sheets.setdefault(name, [])) + 1:
            faults.append(f"workbook: {sheet.title} is out of order")
        sheets[name].append(sheet)
    for name in sorted(sheets.keys() ^ found.keys()):
        faults.append(f"workbook: {name}: {'no such table' if name in sheets else 'no sheet'}")
    compared = 0
    for name in sorted(sheets.keys() & found.keys()):
        head, rows = found[name]
        listed = []
        for sheet in sheets[name]:
            first, *below = sheet.iter_rows()
            if [cell.value for cell in first] != head:
                faults.append(f"workbook: {name}: another head")
            listed.extend(below)
        if len(listed) != len(rows):
            faults.append(f"workbook: {name}: {len(listed)} rows, not {len(rows)}")
        for number, (cells, wanted) in enumerate(zip(listed, rows), 1):
            # Cells behind the last one with something in it are not in the file.
            cells = list(cells) + [None] * (len(head) - len(cells))
            for column, cell, one in zip(head, cells, wanted):
                compared += one is not None
                fault = differs(cell, one)
                if fault:
                    faults.append(f"workbook: {name}.{column}, row {number}: {fault}")
    return compared


def differs(cell, wanted):
    if cell is None or cell.value is None:
        return None if wanted is None else "nothing"
    if cell.data_type == "f":
        return "is a formula"
    if isinstance(wanted, int) and abs(wanted) <= EXACT:
        if cell.data_type != "n":
            return "is no number"
        return None if cell.value == wanted else f"{cell.value}, not {wanted}"
    if cell.data_type != "s":
        return "is no text"
    if wanted is None:
        return f"{cell.value[:40]!r}, not nothing"
    text, wanted = unescape(cell.value), str(wanted)
    if len(wanted.encode("utf-16-le")) // 2 <= CELL:
        return None if text == wanted else f"{text[:40]!r}, not {wanted[:40]!r}"
    if not text.endswith(CUT) or not wanted.startswith(text.removesuffix(CUT)):
        return "is cut otherwise than it says"
    return None if CELL - 2 <= len(text.encode("utf-16-le")) // 2 <= CELL else "is cut too short or too long"


def handled(one):
    """An exception with what was signed about it."""
    handling = one["handling"] or {}
    end = handling.get("end") or {}
    own = {True: "yes", False: "no"}.get(end.get("own"))
    cells = [one["id"], one["index"], one["cause"], one["detail"], one["state"]]
    cells += [handling.get(key) for key in ("noted", "person", "earlier", "owner", "remediation", "due")]
    return cells + [end.get(key) for key in ("closed", "person", "disposition", "statement")] + [own]


def report(directory, found, faults):
    document = load(directory, "report.json")
    stated = load(directory, "manifest.json")
    if any(document["cover"][key] != stated[key] for key in ("origin", "size", "root", "result", "verifier")):
        faults.append("report: its cover is another one than the manifest's")

    def same(table, wanted, columns=None):
        head, rows = found.get(table, ([], []))
        columns = columns or head
        rows = [tuple(row[head.index(column)] for column in columns) for row in rows]
        wanted = [tuple(None if one == "" else one for one in row) for row in wanted]
        if rows != wanted:
            faults.append(f"report: {table} are others than report.json has")

    cover(document["cover"], found, faults)
    controls = document["controls"]
    same("controls", [[row[key] for key in CONTROL] for row in controls], CONTROL)
    same("controls", [[row["state"].replace("-", " "), len(row["exceptions"])] for row in controls], ("state", "exceptions"))
    spoken = [(row, one) for row in controls for one in row["exceptions"]]
    same("exceptions", [[row["id"], row["cite"], *handled(one)] for row, one in spoken])
    of = ("severity", "code", "index", "last", "file", "meaning", "detail")
    same("findings", [[finding.get(key) for key in of] for finding in document["findings"]])
    if document["cover"]["record"] == "broken":
        if found.keys() != ALWAYS:
            faults.append("report: tables of a record that is not sound")
        return
    if found.keys() != NUMBERS.keys():
        faults.append("report: not every table is there")
    days = document["figures"]["days"].items()
    same("days", [[day, count["allowed"], count["approved"], count["denied"]] for day, count in days])
    evidence = document["evidence"]
    for table, (key, index, columns) in LISTED.items():
        lines = {line[index]: tuple(line.get(column) for column in columns) for line in evidence[key]}
        head, rows = found.get(table, ([index, *columns], []))
        if not {index, *columns} <= set(head):
            faults.append(f"report: {table}: a column is missing of {index}, {', '.join(columns)}")
            continue
        shown = {row[head.index(index)]: tuple(row[head.index(column)] for column in columns) for row in rows}
        if len(shown) != len(rows) or not rows and lines:
            faults.append(f"report: {table}: two of one {index}, or none")
        for number, line in lines.items():
            line = tuple(None if one == "" else one for one in line)
            if shown.get(number) != line:
                faults.append(f"report: {table}: {index} {number} is another line than report.json has")
        if evidence["lines"].get(table, len(rows)) != len(rows):
            faults.append(f"report: {table}: {len(rows)} rows, and report.json counts {evidence['lines'][table]}")


def cover(stated, found, faults):
    of = {}
    for item, value in found["cover"][1]:
        of.setdefault(item, []).append(value)
    wanted = {item: [None if stated.get(key) is None else str(stated[key])] for item, key in COVER.items()}
    scoped = stated.get("scoped")
    wanted["bundle"] = [LABEL if scoped else "whole"]
    wanted["does_not_claim"] = stated["limits"]
    if scoped:
        wanted |= {"scope": [scoped["words"]], "disclosed_events": [str(scoped["disclosed"])], "does_not_prove": scoped["not_proven"]}
        if scoped["proven"]:
            wanted["proves"] = scoped["proven"]
    wanted["period"] = of.get("period")
    for item in sorted(of.keys() | wanted.keys()):
        if of.get(item) != wanted.get(item):
            faults.append(f"report: cover: {item} is {of.get(item)}, not {wanted.get(item)}")


def labels(directory, faults):
    """What can be handed on alone says whether it is of a scoped bundle."""
    scoped = bool(load(directory, "report.json")["cover"].get("scoped"))
    for sheet in openpyxl.load_workbook(directory / "workpapers.xlsx").worksheets:
        if (LABEL in (sheet.oddHeader.left.text or "")) != scoped:
            faults.append(f"labels: sheet {sheet.title}")
    read = {
        FHIR: lambda one: [tag["display"] for tag in one["meta"].get("tag", [])],
        OCSF: lambda one: one["metadata"].get("labels", []),
    }
    for name, label in read.items():
        lines = (directory / name).read_text(encoding="utf-8").splitlines() if (directory / name).exists() else []
        for number, line in enumerate(lines, 1):
            if label(json.loads(line)) != [LABEL] * scoped:
                faults.append(f"labels: {name}, line {number}")


def feeds(directory, found, faults):
    """Gives how many documents there are of each."""
    if not (directory / FHIR).exists():
        return 0, 0
    documents = {name: [json.loads(line) for line in (directory / name).read_text(encoding="utf-8").splitlines()] for name in (FHIR, OCSF)}
    ids = {FHIR: [one["id"] for one in documents[FHIR]], OCSF: [one["metadata"]["uid"] for one in documents[OCSF]]}
    for name, each in ids.items():
        if len(set(each)) != len(each):
            faults.append(f"feeds: {name}: two documents have one id")

    def count(table, column=None, holds=lambda one: one is not None):
        head, rows = found[table]
        return len(rows) if column is None else sum(holds(row[head.index(column)]) for row in rows)

    commands, refused = count("commands"), count("refused-logins")
    wanted = count("sessions") + count("sessions", "closed") + refused + commands + count("detections")
    wanted += count("controls", "exceptions", lambda one: one > 0)
    if len(documents[OCSF]) != wanted:
        faults.append(f"feeds: {OCSF}: {len(documents[OCSF])} documents, and the tables make {wanted}")
    entries = [next(one["what"]["identifier"]["value"] for one in event["entity"] if one["type"]["code"] == "4") for event in documents[FHIR]]
    head, rows = found["commands"]
    known = {row[head.index("command")] for row in rows}
    head, rows = found["refused-logins"]
    known |= {row[head.index("refused")] for row in rows}
    if {int(entry.rpartition("/")[2]) for entry in entries} != known:
        faults.append(f"feeds: {FHIR}: other entries than those of commands and refused log-ins")
    return len(documents[FHIR]), len(documents[OCSF])


def held(directory, faults):
    """Gives what the checkers of the formats say."""
    oscal = pathlib.Path(sys.prefix).parent / "oscal/bin/python"
    commands = [[oscal, HERE / "oscal.py", directory / "oscal"]]
    if (directory / FHIR).exists():
        commands.append([sys.executable, HERE / "fhir.py", directory / FHIR])
        commands.append([sys.executable, HERE / "ocsf.py", directory / OCSF])
    said = []
    for command in commands:
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            faults.append(f"held: {command[1].name}: {(ran.stdout + ran.stderr).strip()[:2000]}")
        said.append(ran.stdout.strip())
    return said


def check(directory):
    """What is wrong with the files of a report among each other, and what was compared."""
    faults = []
    found = tables(directory, faults)
    if faults:
        return faults, ""
    manifest(directory, found, faults)
    cells = workbook(directory, found, faults)
    report(directory, found, faults)
    fhir, ocsf = feeds(directory, found, faults)
    labels(directory, faults)
    return faults, f"{len(found)} tables, {cells} cells, {fhir} FHIR, {ocsf} OCSF"


def main():
    directory = pathlib.Path(sys.argv[1])
    faults, compared = check(directory)
    said = held(directory, faults)
    if faults:
        print("\n".join(faults))
        sys.exit(1)
    print("\n".join([compared, *said]))


if __name__ == "__main__":
    main()

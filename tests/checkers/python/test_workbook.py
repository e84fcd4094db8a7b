"""The checker of packages refuses every mutant of ours, for the right reason.

Usage: test_workbook.py DIR, with the files of a verified report.
"""

import csv
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

import openpyxl

import workbook

BOOK, REPORT, MANIFEST = "workpapers.xlsx", "report.json", "manifest.json"


def restated(directory, name, rows=None):
    """The manifest says of a file what it is now, so that only what is looked for is wrong."""
    manifest = json.loads((directory / MANIFEST).read_text())
    data = (directory / name).read_bytes()
    entry = next(entry for entry in manifest["files"] if entry["name"] == name)
    entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    if rows is not None:
        entry["rows"] += rows
    (directory / MANIFEST).write_text(json.dumps(manifest))


def book(change):
    def changed(directory):
        book = openpyxl.load_workbook(directory / BOOK)
        change(book)
        book.save(directory / BOOK)
        restated(directory, BOOK)

    return changed


def cell(sheet, column, change, holds=lambda value: value is not None):
    """Changes the first cell of a column that holds something."""

    def changed(book):
        head = [one.value for one in next(book[sheet].iter_rows())]
        cells = (row[head.index(column)] for row in book[sheet].iter_rows(min_row=2))
        change(next(one for one in cells if holds(one.value)))

    return book(changed)


def put(value):
    return lambda cell: setattr(cell, "value", value)


def as_text(cell):
    cell.value = str(cell.value)
    cell.data_type = "s"


def table(name, column, change, holds=lambda field: field != ""):
    """Changes the first field of a column of a CSV that holds something."""

    def changed(directory):
        path = directory / f"tables/{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        at = rows[0].index(column)
        row = next(row for row in rows[1:] if holds(row[at]))
        row[at] = change(row[at])
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        restated(directory, f"tables/{name}.csv")

    return changed


def both(first, second):
    return lambda directory: (first(directory), second(directory))


def document(name, change):
    def changed(directory):
        value = json.loads((directory / name).read_text())
        change(value)
        (directory / name).write_text(json.dumps(value))
        if name != MANIFEST:
            restated(directory, name)

    return changed


def lines(name, change, rows):
    def changed(directory):
        path = directory / name
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
        restated(directory, name, rows)

    return changed


def rows_of(manifest, name, rows):
    next(entry for entry in manifest["files"] if entry["name"] == name)["rows"] = rows


def bigger(number):
    return str(int(number) + 1)


def formula(value):
    return isinstance(value, str) and value.startswith("=")


def long(value):
    return isinstance(value, str) and len(value) > 30_000


# What is changed, what has to be said.
MUTANTS = [
    (cell("commands", "outcome", put("granted")), "workbook: commands.outcome, row 1: 'granted', not"),
    (cell("commands", "rows", put(8)), "workbook: commands.rows, row 1: 8, not 9"),
    (cell("commands", "rows", as_text), "workbook: commands.rows, row 1: is no number"),
    (cell("commands", "statement", put("=1+1")), "workbook: commands.statement, row 1: is a formula"),
    (cell("commands", "statement", put(7)), "workbook: commands.statement, row 1: is no text"),
    (cell("commands", "statement", put(None)), "workbook: commands.statement, row 1: nothing"),
    (cell("commands", "statement", lambda cell: setattr(cell, "value", "'" + cell.value), formula), "workbook: commands.statement"),
    (cell("approval-decisions", "reason", lambda cell: setattr(cell, "value", cell.value[:30_000]), long), "workbook: approval-decisions.reason"),
    (book(lambda book: book.remove(book["sessions"])), "workbook: sessions: no sheet"),
    (book(lambda book: book.create_sheet("notes").append(["a"])), "workbook: notes: no such table"),
    (book(lambda book: book["sessions"].delete_rows(3)), "workbook: sessions: 23 rows, not 24"),
    (book(lambda book: book["sessions"].append(["a"])), "workbook: sessions: 25 rows, not 24"),
    (book(lambda book: setattr(book["sessions"]["A1"], "value", "id")), "workbook: sessions: another head"),
    (table("commands", "statement", lambda field: field[1:], lambda field: field.startswith("'=")), "csv: commands.statement: '=HYPERLINK"),
    (table("commands", "statement", lambda field: "'" + field), "workbook: commands.statement"),
    (table("commands", "rows", lambda field: field + ".0"), "csv: commands.rows: '9.0' is no number"),
    (
        both(table("controls", "count", bigger), cell("controls", "count", lambda cell: setattr(cell, "value", cell.value + 1))),
        "report: controls are others",
    ),
    (document(REPORT, lambda report: report["controls"][0].update(count=1)), "report: controls are others"),
    (document(REPORT, lambda report: report["evidence"]["commands"][0].update(rows=8)), "report: commands: command "),
    (document(REPORT, lambda report: report["evidence"]["lines"].update(commands=7)), "report: commands: "),
    (document(REPORT, lambda report: report["cover"].update(entity="Another")), "report: cover: entity is "),
    (table("cover", "value", lambda _: workbook.LABEL, lambda field: field == "whole"), "report: cover: bundle is "),
    (document(MANIFEST, lambda manifest: rows_of(manifest, "tables/commands.csv", 7)), "manifest: tables/commands.csv has 72 rows"),
    (document(MANIFEST, lambda manifest: manifest["files"].pop()), "manifest: workpapers.xlsx is not in it"),
    (lambda directory: (directory / "report.html").write_text("other"), "manifest: report.html has another size"),
    (lines(workbook.FHIR, lambda lines: [*lines, lines[0]], 1), "feeds: fhir/audit-events.ndjson: two documents have one id"),
    (lines(workbook.OCSF, lambda lines: lines[1:], -1), "feeds: ocsf/events.ndjson: "),
]


def unlabelled(key, part):
    """The first document without its label."""

    def change(lines):
        first = json.loads(lines[0])
        del first[key][part]
        return [json.dumps(first) + "\n", *lines[1:]]

    return change


# The same of the report of a scoped bundle.
SCOPED = [
    (lines(workbook.FHIR, unlabelled("meta", "tag"), 0), "labels: fhir/audit-events.ndjson, line 1"),
    (lines(workbook.OCSF, unlabelled("metadata", "labels"), 0), "labels: ocsf/events.ndjson, line 1"),
    (book(lambda book: setattr(book["commands"].oddHeader.left, "text", "")), "labels: sheet commands"),
    (table("cover", "value", lambda _: "whole", lambda field: field == workbook.LABEL), "report: cover: bundle is "),
]


def main():
    source = pathlib.Path(sys.argv[1])
    faults, _ = workbook.check(source)
    assert not faults, faults
    refused = 0
    scoped = "scoped" in json.loads((source / REPORT).read_text())["cover"]
    mutants = SCOPED if scoped else MUTANTS
    for number, (change, wanted) in enumerate(mutants):
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place) / "report"
            shutil.copytree(source, directory)
            change(directory)
            faults, _ = workbook.check(directory)
        right = any(fault.startswith(wanted) for fault in faults)
        refused += right
        if not right:
            print(f"{number}, not refused for {wanted!r}: {faults[:5]}")
    print(f"{refused} of {len(mutants)} mutants refused for the right reason")
    sys.exit(refused != len(mutants))


if __name__ == "__main__":
    main()

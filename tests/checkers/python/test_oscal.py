"""The checker takes the OSCAL documents of a report and refuses every mutant of them, for the right reason.

Usage: test_oscal.py DIRECTORY, with the documents of a report that has passes, exceptions with and without entries past the
first, and rows without a conclusion. Where NIST's schema and the models of compliance-trestle both know a rule, both must refuse.
"""

import copy
import hashlib
import json
import pathlib
import sys
import tempfile

import oscal

OTHER = "00000000-0000-4000-8000-000000000000"


def result(results):
    return results["assessment-results"]["results"][0]


def finding(results, state):
    return next(one for one in result(results)["findings"] if one["target"]["status"]["state"] == state)


def row(results, state):
    return next(one for one in result(results)["observations"] if oscal.prop(one, "row-state") == state)


def cause(results):
    return next(one for one in result(results)["observations"] if oscal.prop(one, "cause"))


def set_prop(of, name, value):
    [found] = [one for one in of["props"] if one["name"] == name]
    found["value"] = value


def put(value, *path):
    """Sets a member of the results, by path below `assessment-results`."""

    def mutate(results, _):
        place = results["assessment-results"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return mutate


def drop(*path):
    def mutate(results, _):
        place = results["assessment-results"]
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return mutate


def on(change):
    """A change of the results alone."""
    return lambda results, _: change(results)


def observation_of_nothing(results):
    finding(results, "satisfied")["related-observations"][0]["observation-uuid"] = OTHER


def same_uuid(results):
    observations = result(results)["observations"]
    observations[1]["uuid"] = observations[0]["uuid"]


def finding_of(state):
    """A finding is added to a row without a conclusion, as if it had passed."""

    def change(results):
        observation = row(results, state)
        control = oscal.prop(observation, "control-id")
        added = copy.deepcopy(finding(results, "satisfied"))
        set_prop(added, "control-id", control)
        added["uuid"] = OTHER
        added["target"]["target-id"] = f"{control}_obj"
        added["related-observations"] = [{"observation-uuid": observation["uuid"]}]
        result(results)["findings"].append(added)

    return on(change)


def partial_unsaid(results):
    for one in result(results)["findings"]:
        one["description"] = one["description"].replace(oscal.PARTIAL, "The evidence is whole")


def other_objective(results):
    first, second = result(results)["findings"][:2]
    first["target"]["target-id"] = second["target"]["target-id"]


def evidence_dropped(results):
    cause(results)["relevant-evidence"].append(cause(results)["relevant-evidence"][0])


def entry_behind(results):
    evidence = cause(results)["relevant-evidence"][0]
    set_prop(evidence, "entry", "999999")
    evidence["links"][0]["resource-fragment"] = "entry-999999"


def other_catalog(_, catalog):
    catalog["catalog"]["metadata"]["version"] = "2"


def other_control_in_catalog(results, catalog):
    control = catalog["catalog"]["groups"][0]["controls"][0]
    control["id"] = "hipaa-164.312-z"
    [link] = results["assessment-results"]["back-matter"]["resources"][2]["rlinks"]
    link["hashes"][0]["value"] = hashlib.sha256(written(catalog)).hexdigest()


def written(document):
    return json.dumps(document).encode()


SCHEMA, MODELS, REFERENCES = "schema", "models", "references"
RESULT = ("results", 0)
MUTANTS = [
    ("no uuid of the document", drop("uuid"), {SCHEMA: "'uuid' is a required property", MODELS: "uuid\n  Field required"}),
    ("no import-ap", drop("import-ap"), {SCHEMA: "'import-ap' is a required", MODELS: "import-ap\n  Field required"}),
    ("a member that OSCAL has not", put("x", "summary"), {SCHEMA: "'summary' was unexpected", MODELS: "summary\n  Extra inputs"}),
    (
        "the state passed",
        on(lambda results: finding(results, "satisfied")["target"]["status"].update(state="passed")),
        {SCHEMA: "'passed' is not one of", MODELS: "Input should be 'satisfied' or 'not-satisfied'"},
    ),
    (
        "a finding without a state",
        on(lambda results: finding(results, "satisfied")["target"].pop("status")),
        {SCHEMA: "'status' is a required property"},
    ),
    (
        "a target that is a control",
        on(lambda results: finding(results, "satisfied")["target"].update(type="control-id")),
        {SCHEMA: "'control-id' is not one of", MODELS: "Input should be 'statement-id' or 'objective-id'"},
    ),
    (
        "a date without a zone",
        put("2026-11-01T00:00:00", *RESULT, "start"),
        {SCHEMA: "results/0/start: '2026-11-01T00:00:00' does not match", MODELS: "Input should have timezone info"},
    ),
    (
        "a day without a time",
        put("2026-11-01", "metadata", "last-modified"),
        {SCHEMA: "metadata/last-modified: '2026-11-01' does not match", MODELS: "Input should have timezone info"},
    ),
    ("a date past OSCAL's", put("3000-01-01T00:00:00Z", "metadata", "last-modified"), {SCHEMA: "does not match"}),
    (
        "a version of another OSCAL",
        put("1.0.0", "metadata", "oscal-version"),
        {MODELS: "no version 1.0.0 of OSCAL"},
    ),
    (
        "a UUID of version 1",
        put("00000000-0000-1000-8000-000000000000", "uuid"),
        {SCHEMA: "does not match", MODELS: "should match pattern"},
    ),
    (
        "a blank value",
        on(lambda results: set_prop(result(results), "record", " ")),
        {SCHEMA: "' ' does not match", MODELS: "should match pattern"},
    ),
    ("no observations in a list of them", put([], *RESULT, "observations"), {SCHEMA: "[] should be non-empty", MODELS: "at least 1 item"}),
    ("a dangling observation", on(observation_of_nothing), {REFERENCES: "is related to other observations"}),
    ("a dangling import-ap", put(f"#{OTHER}", "import-ap", "href"), {REFERENCES: "import-ap leads to no resource"}),
    ("an import-ap that is a plan", put("catalog.json", "import-ap", "href"), {REFERENCES: "import-ap leads out of"}),
    (
        "an import-ap to another resource",
        on(lambda results: put(f"#{results['assessment-results']['back-matter']['resources'][1]['uuid']}", "import-ap", "href")(results, None)),
        {REFERENCES: "import-ap does not say that there is no plan"},
    ),
    (
        "evidence in no bundle",
        on(lambda results: cause(results)["relevant-evidence"][0].update(href=f"#{OTHER}")),
        {REFERENCES: "leads to no resource"},
    ),
    (
        "a tool that is not there",
        on(lambda results: row(results, "pass")["origins"][0]["actors"][0].update({"actor-uuid": OTHER})),
        {REFERENCES: "actor-uuid is of no component"},
    ),
    (
        "an unknown control",
        put("hipaa-164.312-z", *RESULT, "reviewed-controls", "control-selections", 0, "include-controls", 0, "control-id"),
        {REFERENCES: "no control ['hipaa-164.312-z'] in the catalog"},
    ),
    ("another catalog", other_catalog, {REFERENCES: "catalog.json has another digest"}),
    ("a control that the catalog lost", other_control_in_catalog, {REFERENCES: "no control ['hipaa-164.312-a.1'] in the catalog"}),
    (
        "a target that the catalog has not",
        on(lambda results: finding(results, "satisfied")["target"].update({"target-id": "hipaa-164.312-z_obj"})),
        {REFERENCES: "no target hipaa-164.312-z_obj in the catalog"},
    ),
    (
        "a target that is a statement",
        on(lambda results: (target := finding(results, "satisfied")["target"]).update({"target-id": target["target-id"].replace("_obj", "_smt")})),
        {REFERENCES: "the target is no objective"},
    ),
    ("another control's target", on(other_objective), {REFERENCES: "the target is another control's"}),
    ("one UUID of two observations", on(same_uuid), {REFERENCES: "a uuid is there twice"}),
    ("a finding of a row without a population", finding_of("no-population"), {REFERENCES: "has one, and was no-population"}),
    ("a finding of a row that was not tested", finding_of("not-tested"), {REFERENCES: "has one, and was not-tested"}),
    (
        "an exception that is satisfied",
        on(lambda results: finding(results, "not-satisfied")["target"]["status"].update(state="satisfied", reason="pass")),
        {REFERENCES: "has another state"},
    ),
    (
        "a row without its finding",
        on(lambda results: result(results)["findings"].remove(finding(results, "not-satisfied"))),
        {REFERENCES: "has none"},
    ),
    (
        "a row without its observation",
        on(lambda results: result(results)["observations"].remove(row(results, "no-population"))),
        {REFERENCES: "have no observation"},
    ),
    ("partial evidence that is not called so", on(partial_unsaid), {REFERENCES: "does not say how far its evidence goes"}),
    ("another count of exceptions", on(evidence_dropped), {REFERENCES: "another count of exceptions"}),
    ("an entry behind the log", on(entry_behind), {REFERENCES: "an entry behind the log"}),
    ("an end before the start", put("1999-01-01T00:00:00Z", *RESULT, "end"), {REFERENCES: "dates: they are not in order"}),
    (
        "evidence that was collected later",
        put("2999-01-01T00:00:00Z", *RESULT, "observations", 0, "collected"),
        {REFERENCES: "collected at another time"},
    ),
]


def refusals(results, catalog, directory):
    """What each layer says, of the layers that refuse; the directory holds the catalog's file."""
    checks = {
        SCHEMA: lambda: (oscal.by_schema(results), oscal.by_schema(catalog)),
        MODELS: lambda: (oscal.by_models(results), oscal.by_models(catalog)),
        REFERENCES: lambda: oscal.by_references(directory, results, catalog),
    }
    said = {}
    for layer, check in checks.items():
        try:
            check()
        except oscal.Finding as found:
            said[layer] = str(found)
        except (KeyError, TypeError, ValueError) as error:
            # References are read of documents that the other layers took.
            assert layer == REFERENCES and said, f"{layer}: {error!r}"
    return said


def main():
    source = pathlib.Path(sys.argv[1])
    results, catalog = (json.loads((source / f"{name}.json").read_text()) for name in oscal.SCHEMAS)
    assert refusals(results, catalog, source) == {}, "what is to be mutated is refused as it is"
    wrong = []
    for name, mutate, wanted in MUTANTS:
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place)
            mutant, mutant_catalog = copy.deepcopy(results), copy.deepcopy(catalog)
            mutate(mutant, mutant_catalog)
            same = mutant_catalog == catalog
            data = (source / "catalog.json").read_bytes() if same else written(mutant_catalog)
            (directory / "catalog.json").write_bytes(data)
            said = refusals(mutant, mutant_catalog, directory)
            if not all(text in said.get(layer, "") for layer, text in wanted.items()):
                wrong.append(f"{name}: wanted {wanted}, was told {said}")
    print("\n".join(wrong))
    print(f"{len(MUTANTS) - len(wrong)} of {len(MUTANTS)} mutants refused for the right reason")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

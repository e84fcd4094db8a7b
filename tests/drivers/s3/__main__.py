"""What clients of S3 do at a store, case by case: one JSON object a line, with what the store answered to each request.

A case is a story, told in a style (the bucket in the path or in the host), with signatures in headers or in the query, with bodies in one
form. What a story says of an answer has to hold at any store; its transcript is for comparing two ways to the same one. Exit status 1
when a case does not hold; the others are run all the same.

    S3_ACCESS_KEY=… S3_SECRET_KEY=… python tests/drivers/s3 --endpoint http://127.0.0.1:8000 --tls-endpoint https://127.0.0.1:8443 \\
        --authority ca.crt --domain s3.store.test --user exhibit [--direct] [--only TEXT]
"""

import argparse
import json
import os
import secrets
import sys
import traceback
from urllib.parse import urlsplit

import buckets
import command_line
import errors
import links
import objects
import uploads
from session import Session, Store, Wrong
from transcript import Transcript

STYLES = ("path", "virtual")
# What Ceph 16 does not do as S3 does, and who stands before it has to: stories that do not hold at the store itself.
UNLIKE_S3 = {
    "forged_chunk": "Ceph takes a body whose last, empty chunk has a wrong signature",
    "signed_chunks_of_nothing": "Ceph refuses an empty body in chunks",
    "signed_chunks_and_trailer": "Ceph knows no trailers",
    "unsigned_chunks_and_trailer": "Ceph knows no trailers",
}
SIGNATURES = ("header", "query")


def cases():
    """Pairs of a name and what tells the story, given a store, a transcript and a prefix of buckets."""
    for story in objects.STORIES + buckets.STORIES + uploads.STORIES:
        for style in STYLES:
            for signature in SIGNATURES:
                yield f"{story.__name__}/{style}/{signature}", told(story, style=style, signature=signature)
    for name, (story, config, tls) in uploads.PAYLOADS.items():
        for style in STYLES:
            yield f"{name}/{style}", told(story, style=style, tls=tls, **config)
    for story in errors.STORIES + links.STORIES:
        for style in STYLES:
            yield f"{story.__name__}/{style}", told(story, style=style)
    for story in errors.IN_PATHS_ALONE:
        yield story.__name__, told(story)
    for story in command_line.STORIES:
        yield f"command_line/{story.__name__}", command_line.told(story)


def told(story, **how):
    def case(store, transcript, prefix):
        session = Session(store, transcript, prefix, **how)
        try:
            story(session)
        finally:
            session.clean()

    return case


def names(store, prefix):
    """What differs from one run to the next, and what stands for it."""
    hosts = {urlsplit(url).netloc: "ENDPOINT" for style in STYLES for tls in (False, True) for url in [store.url(style, tls)]}
    return {prefix: "PREFIX", store.access: "ACCESS-KEY", store.user: "USER", **hosts}


def run(case, *what):
    """What a case does not hold by."""
    try:
        case(*what)
    except Exception as problem:
        return problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("endpoint", "tls-endpoint", "authority", "domain"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--user", required=True, help="the owner of the keys, as the store calls it")
    parser.add_argument("--direct", action="store_true", help="this is the store itself: what it does not do as S3 does has to fail")
    parser.add_argument("--only", default="", help="run the cases whose names have this in them")
    options = parser.parse_args()
    store = Store(options, os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"])
    failed = 0
    for number, (name, case) in enumerate(cases()):
        if options.only not in name:
            continue
        # Names of this run that are as long as those of any other.
        prefix = f"t{secrets.token_hex(4)}{number:04}"
        transcript = Transcript(names(store, prefix))
        unlike = UNLIKE_S3.get(name.split("/")[0]) if options.direct else None
        problem = run(case, store, transcript, prefix)
        if unlike and isinstance(problem, Wrong):
            print(json.dumps({"case": name, "unlike": unlike}), flush=True)
        elif problem or unlike:
            failed += 1
            print(f"{name}: {problem or 'no longer true: ' + unlike}", file=sys.stderr)
            if problem and not isinstance(problem, Wrong):
                traceback.print_exception(problem, limit=-2)
        else:
            print(json.dumps({"case": name, "transcript": transcript.exchanges}, ensure_ascii=False), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

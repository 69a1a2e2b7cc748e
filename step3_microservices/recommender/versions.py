"""Versions of recommendations: list them, go back to one, remove old ones.

`python -m step3_microservices.recommender.versions list`, and so on.
"""

import argparse
import sys

from shared.errors import ExpectedError
from step3_microservices.recommender.artifact_stores import KEPT, ArtifactStore
from step3_microservices.recommender.config import ARTIFACTS


def main(arguments: list[str] | None = None) -> int:
    """List versions, point to one, to the one before, or remove old ones; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.verb == "use") != bool(options.version):
        parser.error("`use` needs a version, and the others take none")
    if options.keep < 1:
        parser.error("--keep needs 1 or more")
    try:
        store = ArtifactStore(options.artifacts)
        if options.verb == "prune":
            for version in store.prune(options.keep):
                print(f"removed {version}")  # noqa: T201
        elif options.verb != "list":
            store.set_current(options.version or _before(store))
        print(*_listing(store), sep="\n")  # noqa: T201
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = ("list", "use", "rollback", "prune")
    parser.add_argument("verb", choices=verbs, help="show them, serve one, or the one before, or remove old ones")
    parser.add_argument("version", nargs="?", help="which to serve, for `use`")
    parser.add_argument("--keep", type=int, default=KEPT, help="how many stay, for `prune` (default: %(default)s)")
    parser.add_argument("--artifacts", default=ARTIFACTS, help="a folder, or s3://bucket/prefix; %(default)s")
    return parser


def _before(store: ArtifactStore) -> str:
    """Return the version that was made before the one that is served."""
    current = store.current()
    if before := store.before(current):
        return before
    raise NoVersionError(f"{store.source} holds no version before {current}.", "Name one: `use VERSION`.")


def _listing(store: ArtifactStore) -> list[str]:
    """Return a line for each version, the oldest first; a star is before the one that is served."""
    current = store.current()
    lines = [
        f"{'*' if one.version == current else ' '} {one.version}  {one.created}  {one.users} users, {one.items} items"
        for one in store.versions()
    ]
    return lines or [f"{store.source} holds no version."]


class NoVersionError(ExpectedError):
    """There is none to go back to."""

    code = "version_missing"


if __name__ == "__main__":
    sys.exit(main())

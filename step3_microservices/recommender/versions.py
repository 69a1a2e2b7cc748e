"""List the versions of recommendations, or go back to one: `python -m step3_microservices.recommender.versions`."""

import argparse
import sys

from shared.errors import ExpectedError
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.config import ARTIFACTS


def main(arguments: list[str] | None = None) -> int:
    """List versions, point to one, or to the one before; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("verb", choices=("list", "use", "rollback"), help="show them, serve one, or the one before")
    parser.add_argument("version", nargs="?", help="which to serve, for `use`")
    parser.add_argument("--artifacts", default=ARTIFACTS, help="a folder, or s3://bucket/prefix; %(default)s")
    options = parser.parse_args(arguments)
    if (options.verb == "use") != bool(options.version):
        parser.error("`use` needs a version, and the others take none")
    try:
        store = ArtifactStore(options.artifacts)
        if options.verb != "list":
            store.set_current(options.version or _before(store))
        print(*_listing(store), sep="\n")  # noqa: T201
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _before(store: ArtifactStore) -> str:
    """Return the version that was made before the one that is served."""
    names = [manifest.version for manifest in store.versions()]
    current = store.current()
    place = names.index(current) if current in names else len(names)
    if not place:
        raise NoVersionError(f"{store.source} holds no version before {current}.", "Name one: `use VERSION`.")
    return names[place - 1]


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

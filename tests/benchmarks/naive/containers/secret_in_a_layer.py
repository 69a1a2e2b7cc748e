"""A secret that is in a container image although no file of it shows it, against one that is mounted where it runs.

Whoever may pull the image may look: `python -m tests.benchmarks.naive.containers.secret_in_a_layer`.
"""

import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from docker.models.images import Image

from tests.benchmarks.naive.containers.lesson import Lesson, teach

SECRET = "sk-not-a-real-key-4f1d"  # noqa: S105 - it opens nothing
# `test` stands for what a build needs it for, such as a private package.
REMOVED = "COPY token /token\nRUN test -s /token && rm /token"
ARGUMENT = 'ARG TOKEN\nRUN test -n "$TOKEN"'
READ = ["cat", "/run/secrets/token"]


def found_in(image: Image) -> str:
    """Search what `docker history` shows, and then what `docker save` writes."""
    if any(SECRET in step["CreatedBy"] for step in image.history()):
        return "in its history"
    with TemporaryFile() as saved:
        saved.writelines(image.save())
        saved.seek(0)
        in_a_layer = any(SECRET.encode() in file.read() for layer in files_in(saved) for file in files_in(layer))
    return "in a layer" if in_a_layer else "nowhere"


def files_in(archive: IO[bytes]) -> Iterator[IO[bytes]]:
    """Open each file of an archive, in a layer also those that a later layer hides."""
    with suppress(tarfile.ReadError), tarfile.open(fileobj=archive) as opened:  # not all that is saved is a layer
        yield from filter(None, map(opened.extractfile, filter(tarfile.TarInfo.isfile, opened)))


def main(lesson: Lesson) -> None:
    print("What whoever pulls an image finds of a secret:")
    removed = lesson.build(REMOVED, {"token": SECRET}, tag="removed")
    print(f"copied, and removed again: {found_in(removed)}")
    argument = lesson.build(ARGUMENT, tag="argument", TOKEN=SECRET)
    print(f"given to the build as an argument: {found_in(argument)}")

    mounted = lesson.build("USER 10001:10001", tag="mounted")
    with TemporaryDirectory() as folder:
        token = Path(folder, "token")
        token.write_text(SECRET)
        token.chmod(0o644)
        read = lesson.run(mounted, READ, volumes={str(token): {"bind": "/run/secrets/token", "mode": "ro"}})
    print(f"mounted where it runs: {found_in(mounted)}; the program {'reads it' if read == SECRET else 'has none'}")


if __name__ == "__main__":
    sys.exit(teach("secret-in-a-layer", main))

"""A container as root, which it is where no Dockerfile says otherwise, against one under step 4's rights.

Somebody has found a hole in its program, and makes it run what they like: `python -m
tests.benchmarks.naive.containers.as_root`.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docker.models.images import Image

from tests.benchmarks.naive.containers.lesson import Lesson, teach

DOCKERFILE = """
WORKDIR /app
COPY serve.py .
CMD ["python", "serve.py"]
"""
TARGETS = {
    "/app/serve.py": "its own program",
    "/var/tmp/tool": "a tool of theirs",  # noqa: S108 - where anybody may write
    "/host/theirs": "a folder of yours",
}
ATTACK = """
import sys
for path in sys.argv[1:]:
    try:
        with open(path, "a") as file:
            file.write("# theirs")
        print("written")
    except OSError as error:
        print(error.strerror)
"""
OURS = {
    "user": "10001:10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def attacked(lesson: Lesson, image: Image, options: dict[str, Any]) -> list[str]:
    with TemporaryDirectory() as folder:
        mounts = {folder: {"bind": "/host", "mode": "rw"}}
        printed = lesson.run(image, ["python", "-c", ATTACK, *TARGETS], volumes=mounts, **options)
        owners = [f" by {file.owner()}" for file in Path(folder).iterdir()]
    return "".join([printed, *owners]).splitlines()


def main(lesson: Lesson) -> None:
    image = lesson.build(DOCKERFILE, {"serve.py": "print('serving')"})
    print("Somebody has broken into a container, and tries to write:")
    ways = attacked(lesson, image, {}), attacked(lesson, image, OURS)
    for target, as_root, as_ours in zip(TARGETS.values(), *ways, strict=True):
        print(f"{target}: as root {as_root}, as 10001 {as_ours}")


if __name__ == "__main__":
    sys.exit(teach("as-root", main))

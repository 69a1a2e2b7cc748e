"""Releases that are all called `latest`, against the same under the revisions that they were built from.

The second release is broken, and the first is wanted back: `python -m tests.benchmarks.naive.containers.latest_tag`.
"""

import sys

from tests.benchmarks.naive.containers.lesson import Lesson, teach

# What git would call the two states of the source.
FIRST, SECOND = "1f0c2a7be913", "8d5e60b4a2cf"


def release(lesson: Lesson, number: int, tag: str) -> str:
    """Return the digest, which names this one release for ever."""
    return str(lesson.build(f'CMD ["echo", "release {number}"]', tag=tag).id)


def main(lesson: Lesson) -> None:
    digest = release(lesson, 1, "latest")
    release(lesson, 2, "latest")
    print("Release 2 is broken; back to release 1:")
    print(f":latest starts {lesson.run(f'{lesson.name}:latest')}")
    print(f"names that release 1 still has: {len(lesson.client.images.get(digest).tags)}")

    release(lesson, 1, FIRST)
    release(lesson, 2, SECOND)
    print(f":{FIRST}, its revision, starts {lesson.run(f'{lesson.name}:{FIRST}')}")
    print(f"its digest starts {lesson.run(digest)}")


if __name__ == "__main__":
    sys.exit(teach("latest-tag", main))

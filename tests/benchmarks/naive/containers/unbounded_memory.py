"""A program whose memory grows, beside one that does nothing wrong: with no limit of its own, and with one.

Where a machine's memory is gone, the kernel ends who has most of it, not who asked for more. The machine is here a
container of 200 MB, so that yours is in no danger: `python -m tests.benchmarks.naive.containers.unbounded_memory`.
"""

import sys

from tests.benchmarks.naive.containers.lesson import Lesson, teach

# It stops by itself, where no limit stops it.
LEAK = """
import time
taken = []
while len(taken) < 400:
    taken.append(b"x" * 1_000_000)
    time.sleep(0.002)
"""
NEIGHBOUR = """
import time
kept = b"x" * 120_000_000
print("ready", flush=True)
time.sleep(60)
"""
# Tells who ends first.
MACHINE = """
import subprocess, sys, time
neighbour = subprocess.Popen([sys.executable, "neighbour.py"], stdout=subprocess.PIPE)
neighbour.stdout.readline()
leak = subprocess.Popen([sys.executable, "leak.py"])
while neighbour.poll() is None and leak.poll() is None:
    time.sleep(0.01)
print("the leak" if neighbour.poll() is None else "the neighbour")
"""


def limit(size: str) -> dict[str, str]:
    return {"mem_limit": size, "memswap_limit": size}  # the same: nothing is swapped out


def main(lesson: Lesson) -> None:
    image = lesson.build(
        "WORKDIR /app\nCOPY *.py ./", {"leak.py": LEAK, "neighbour.py": NEIGHBOUR, "machine.py": MACHINE}
    )
    print("A leak, and a neighbour with 120 MB, on a machine of 200 MB:")
    killed = lesson.run(image, ["python", "machine.py"], **limit("200m"))
    print(f"no limits: {killed} is killed")

    neighbour = lesson.start(image, ["python", "neighbour.py"], **limit("136m"))
    leak = lesson.start(image, ["python", "leak.py"], **limit("64m"))
    code = leak.wait()["StatusCode"]
    for container in (leak, neighbour):
        container.reload()
    why = "out of memory" if leak.attrs["State"]["OOMKilled"] else "for another reason"
    print(f"a limit of 64 MB: the leak ends with {code}, {why}; the neighbour is {neighbour.status}")


if __name__ == "__main__":
    sys.exit(teach("unbounded-memory", main))

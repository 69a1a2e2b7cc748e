"""A program that a shell has started, against one that is started itself: who is told to stop?

Docker sends SIGTERM to process 1 alone, waits, and kills. The shell of Debian passes nothing on: `python -m
tests.benchmarks.naive.containers.shell_form`.
"""

import sys
import time

from tests.benchmarks.naive.containers.lesson import Lesson, teach

# Answers one request after the other, and once it is told to stop the one that it has begun.
SERVE = """
import signal, time
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
while not stopping:
    print("begun", flush=True)
    time.sleep(0.7)
    print("answered", flush=True)
"""
FORMS = {"shell form": "CMD python serve.py", "exec form": 'CMD ["python", "serve.py"]'}
PATIENCE_S = 5  # Docker's own is 10


def stopped(lesson: Lesson, command: str) -> str:
    image = lesson.build(f"WORKDIR /app\nCOPY serve.py .\n{command}", {"serve.py": SERVE})
    container = lesson.start(image)
    while not container.logs():
        time.sleep(0.05)
    container.stop(timeout=PATIENCE_S)
    requests = container.logs().decode().split()
    lost = requests.count("begun") - requests.count("answered")
    return f"ends with {container.wait()['StatusCode']}, requests lost: {lost}"


def main(lesson: Lesson) -> None:
    print("A server is stopped in the middle of a request:")
    for form, command in FORMS.items():
        print(f"{form}, {command}: {stopped(lesson, command)}")


if __name__ == "__main__":
    sys.exit(teach("shell-form", main))

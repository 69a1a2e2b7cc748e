"""Keep worker processes running: `python -m step3_microservices.worker.serve`, with settings from the environment.

A process that dies is replaced. One that cannot start, for want of a model or by a wrong setting, ends all of them.
"""

import os
import subprocess
import sys
from time import monotonic

from shared.errors import ExpectedError
from step3_microservices.stop_request import StopRequest
from step3_microservices.worker.config import CANNOT_START, read_config

_SHORT_LIFE_S = 5.0
_PAUSE_S = 2.0  # after a short life, so that what kills each does not keep a core busy
_POLL_S = 0.1

Started = tuple["subprocess.Popen[bytes]", float]
"""A process, and the monotonic time, in seconds, at which it was started."""


def main() -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code."""
    try:
        count = read_config(os.environ).worker_processes
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    stopping = StopRequest.by_signal()
    processes = [_start() for _ in range(count)]
    code = 0
    while code != CANNOT_START and not stopping.wait(_POLL_S):
        code = _replace_the_dead(processes, stopping)
    for process, _ in processes:
        process.terminate()
    for process, _ in processes:
        process.wait()
    return code


def _replace_the_dead(processes: list[Started], stopping: StopRequest) -> int:
    """Start another process for each that has ended; return its exit code where one cannot be started."""
    for place, (process, started) in enumerate(processes):
        if process.poll() is None:
            continue
        if process.returncode == CANNOT_START:
            return CANNOT_START
        print(f"A worker process has ended ({process.returncode}); another one takes its place.", file=sys.stderr)  # noqa: T201
        if monotonic() - started < _SHORT_LIFE_S:
            stopping.wait(_PAUSE_S)
        processes[place] = _start()
    return 0


def _start() -> Started:
    # In a session of its own: Ctrl-C reaches this process alone, which then asks each worker to finish.
    command = [sys.executable, "-m", "step3_microservices.worker.process"]
    return subprocess.Popen(command, start_new_session=True), monotonic()


if __name__ == "__main__":
    sys.exit(main())

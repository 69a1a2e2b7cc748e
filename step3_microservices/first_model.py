"""A first model for the recommender: where nothing is published yet, a small demo makes something."""

import subprocess
import sys
from collections.abc import Mapping
from threading import Lock


class FirstModel:
    """The demo's process, which is beside the others, and ends when it is done."""

    def __init__(self) -> None:
        """Prepare; `make` begins."""
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def make(self, environment: Mapping[str, str]) -> bool:
        """Run it, and say where it does not succeed; return whether it has published something."""
        command = ["nice", sys.executable, "-m", "step3_microservices.recommender.pipeline"]
        with self._lock:
            if self._is_stopped:
                return False
            self._process = subprocess.Popen(
                command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
            )  # Ctrl-C comes to it through `stop`
        _, told = self._process.communicate()
        if self._is_stopped or not told:  # where something is published already, it has nothing to tell
            return False
        if self._process.returncode:
            _say(f"There are no recommendations yet, and the demo could not make any:\n{told.strip()}\n")
            return False
        return True

    def stop(self) -> None:
        """End it, wherever it is."""
        with self._lock:
            self._is_stopped = True
            if self._process and self._process.poll() is None:
                self._process.kill()  # what it has not published is in a temporary folder
                self._process.wait()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201

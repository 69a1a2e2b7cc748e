"""A hard limit of memory around a process, as a container has one: a control group, of either version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

_FIRST, _SECOND = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class MemoryGroup:
    """A group of processes that may have so many bytes together, what they have read from files included."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Make it, around nobody."""
        self.folder = folder
        self._is_first = folder.parent == _FIRST
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if self._is_first else "memory.max")).write_text(str(limit))

    def command(self, command: list[str]) -> list[str]:
        """Return what runs the command inside."""
        return ["sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "sh", *command]

    def anonymous_mb(self) -> float:
        """Return what its processes have that is in no file."""
        figures = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return int(figures["total_rss" if self._is_first else "anon"]) / 1e6

    def highest_mb(self) -> float:
        """Return the most that they ever had."""
        name = "memory.max_usage_in_bytes" if self._is_first else "memory.peak"
        return int((self.folder / name).read_text()) / 1e6


@contextmanager
def limited(limit: int) -> Iterator[MemoryGroup | None]:
    """Yield a group with that limit in bytes, or None where this machine or user may make none."""
    parent = _FIRST if _FIRST.is_dir() else _SECOND
    folder = parent / "recommender-benchmark"
    try:
        group = MemoryGroup(folder, limit)
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        while (folder / "cgroup.procs").read_text():  # they have been asked to end
            sleep(0.1)
        folder.rmdir()

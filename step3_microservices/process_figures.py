"""What a service takes of its machine, for Prometheus: memory, processor, its start, and the limit of its container.

It is the kernel's count for the whole container that decides who is killed. Pages that processes share are in the
figure of each, so that the sum of these may be above a limit that nobody is near. Linux tells all of this in files;
elsewhere nothing is told.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PROC = Path("/proc")
_CONTROL_GROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"))  # as a container sees its own: version 2, 1
_NO_LIMIT = 1 << 60  # bytes; version 1 writes "none" as the largest number that it can count to


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    processor_s: float
    started: float  # Unix time, in seconds
    resident_bytes: int


@dataclass(frozen=True)
class _Names:
    """How one version of control groups calls its files, and what is counted that can be taken back: pages of files."""

    used: str
    limit: str
    kills: str
    spare: tuple[str, str]


_VERSIONS = (
    _Names("memory.current", "memory.max", "memory.events", ("inactive_file", "active_file")),
    _Names(
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        "memory.oom_control",
        ("total_inactive_file", "total_active_file"),
    ),
)


class ProcessFigures(Collector):
    """Reads them anew for each scrape."""

    def __init__(self, leader: Callable[[], int], control_groups: Sequence[Path] = _CONTROL_GROUPS) -> None:
        """Tell of the process whose pid `leader` returns, and of its children; `control_groups` is where limits lie."""
        self._leader = leader
        self._control_groups = control_groups

    def collect(self) -> Iterator[Metric]:
        """Yield all figures; those of the container only where it has a limit."""
        resident = GaugeMetricFamily("process_resident_memory_bytes", "Shared pages included", labels=["pid"])
        processor = CounterMetricFamily("process_cpu_seconds", "User and system", labels=["pid"])
        started = GaugeMetricFamily("process_start_time_seconds", "In Unix time", labels=["pid"])
        for process in _family(self._leader()):
            pid = [str(process.pid)]
            resident.add_metric(pid, process.resident_bytes)
            processor.add_metric(pid, process.processor_s)
            started.add_metric(pid, process.started)
        yield from (resident, processor, started)
        for folder in self._control_groups:
            for names in _VERSIONS:
                if (folder / names.used).is_file():
                    yield from _limited(folder, names)


def _family(leader: int) -> Iterator[_Process]:
    """Yield that process and its children, as far as they are there; none where there is no /proc."""
    if not (_PROC / "stat").is_file():
        return
    booted = _numbers(_PROC / "stat")["btime"]
    for folder in _PROC.glob("[0-9]*"):
        try:
            process = _read(int(folder.name), (folder / "stat").read_text(), booted)
        except OSError:  # it has just ended
            continue
        if leader in {process.pid, process.parent}:
            yield process


def _read(pid: int, text: str, booted: int) -> _Process:
    _, _, fields = text.rpartition(") ")  # before it stands the program's name, which may hold anything
    parent, user, system, started, pages = (int(fields.split()[place]) for place in (1, 11, 12, 19, 21))
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    resident_bytes = pages * os.sysconf("SC_PAGE_SIZE")
    return _Process(pid, parent, (user + system) / ticks_per_s, booted + started / ticks_per_s, resident_bytes)


def _limited(folder: Path, names: _Names) -> Iterator[Metric]:
    """Yield what a group has of its limit, and how often somebody in it was killed for it."""
    limit = (folder / names.limit).read_text().strip()
    if limit == "max" or int(limit) >= _NO_LIMIT:
        return
    counted, pages = int((folder / names.used).read_text()), _numbers(folder / "memory.stat")
    used = max(0, counted - sum(pages[name] for name in names.spare))  # read one after the other, they may not agree
    yield GaugeMetricFamily("container_memory_used_bytes", "Without files that can be read again", value=used)
    yield GaugeMetricFamily("container_memory_limit_bytes", "Beyond it somebody is killed", value=int(limit))
    kills = _numbers(folder / names.kills).get("oom_kill")
    if kills is not None:  # version 1 of before Linux 4.13 does not count them
        yield CounterMetricFamily("container_memory_kills", "Processes killed for want of memory", value=kills)


def _numbers(file: Path) -> dict[str, int]:
    """Return the lines of a name and one number."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}  # noqa: PLR2004 - a name and its number

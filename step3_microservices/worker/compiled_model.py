"""An exported graph, compiled by OpenVINO for this processor, in little memory."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.classifier.preprocess import Batch

if TYPE_CHECKING:
    from openvino import Core

Floats = npt.NDArray[np.float32]

# Each size of batch that a graph has met costs it 10 to 20 MB for good, and four pictures at once are answered nearly
# as fast as eight.
BATCH_SIZES = (4, 1)

_NEEDS = {"float32": "FP32", "bfloat16": "BF16", "int8": "INT8"}  # OpenVINO's names for what a processor can do
_MADV_DONTNEED = 4  # Linux's number for it


class CompiledModel:
    """A graph and the memory that it computes in. One thread at a time may ask it."""

    def __init__(self, graph: Path, hint: str, threads: int | None = None) -> None:
        """Compile an OpenVINO IR; `hint` is the type that floats are computed in, "f32" or "bf16".

        `threads` is how many cores one call may use, by default all of them.
        """
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": hint,  # left to itself, OpenVINO takes bfloat16 where it can
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same core
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        core = _core()
        self._graph = graph
        self._request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()

    def answers(self, batch: Batch, outputs: int = 1) -> list[Floats]:
        """Return the first so many outputs of the graph for the whole batch, whatever its size."""
        batch = np.ascontiguousarray(batch)
        pieces: list[list[Floats]] = [[] for _ in range(outputs)]
        for start, count in _pieces(len(batch)):
            self._request.infer([batch[start : start + count]], share_inputs=True)
            for index, output in enumerate(pieces):
                # A copy: the request's own array is overwritten by the next call.
                output.append(self._request.get_output_tensor(index).data.copy())
        return [output[0] if len(output) == 1 else np.concatenate(output) for output in pieces]

    def warm_up(self, width: int, height: int) -> Floats:
        """Answer grey pictures in every size of batch, give back the memory that this has taken; return an answer."""
        greys = [np.full((count, height, width, 3), 128, np.uint8) for count in BATCH_SIZES]
        for grey in greys:
            self.answers(grey)
        _forget_pages_of(self._graph.with_suffix(".bin"))
        _trim_heap()
        return [self.answers(grey)[0] for grey in greys][-1]  # brings back what is still needed


def is_supported(precision: str) -> bool:
    """Tell whether this processor has arithmetic for "float32", "bfloat16" or "int8"."""
    return _NEEDS[precision] in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    """Divide that many pictures into batches of the sizes that are compiled: where each starts, and its size."""
    start = 0
    for size in BATCH_SIZES:
        while count - start >= size:
            yield start, size
            start += size


@cache
def _core() -> "Core":
    """Return OpenVINO's entry, one for the whole life of the process.

    A Core gives the thread that made it a stack for signals, and takes the memory away when it goes. Where another
    thread lets it go, with a model that was replaced, the next signal would end the process by a segmentation fault.
    """
    core: Core = _openvino().Core()
    return core


def _openvino() -> ModuleType:
    """Import OpenVINO without its converter, which brings front ends and telemetry: 15 MB, and a third of the time."""
    with _left_out("openvino.tools.ovc"):
        return import_module("openvino")  # only a process that runs an exported model pays for it


@contextmanager
def _left_out(module: str) -> Iterator[None]:
    """Let importing a module fail for a while, unless it is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what Python documents for this
    try:
        yield
    finally:
        del sys.modules[module]


def _forget_pages_of(weights: Path) -> None:
    """Let go of copies of the disk: weights, which compiled are there a second time, and code that was for compiling.

    Both stay mapped, and the system reads again whatever is touched again. Of the code only pages that nobody may write
    to are concerned, so none can have been altered.
    """
    with suppress(OSError, AttributeError):  # only Linux tells what is mapped where
        forget = ctypes.CDLL(None).madvise
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            span, access, _, _, _, *path = line.split(maxsplit=5)
            if path == [str(weights.resolve())] or (access == "r-xp" and path and "libopenvino" in path[0]):
                start, end = (int(address, 16) for address in span.split("-"))
                forget(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _trim_heap() -> None:
    with suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)

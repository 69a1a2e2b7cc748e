"""Read the tensors of a PyTorch checkpoint without PyTorch, and without trusting the file.

The format is that of `torch.save` before PyTorch 1.6, as `_legacy_save` in torch/serialization.py writes it: five
pickles (magic number, protocol version, system facts, the state dict, the storages' keys), then each storage as its
element count in eight bytes and its elements.

A pickle may call and alter whatever it can import. This one can import four names; what it gets for them builds
notes of tensors and nothing else, and has no attribute that a pickle could set.
"""

import pickle
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import WeightsDamagedError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}

Tensors = Mapping[str, npt.NDArray[Any]]


class _Storage(NamedTuple):
    """A run of equal elements, further down in the file."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A view on a storage that has not been read yet; offset and stride count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _StateDict(dict[str, Any]):
    """What OrderedDict becomes: names and tensors, without the notes on layer versions that PyTorch adds."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Drop the notes."""


class _MakeStateDict:
    """What `collections.OrderedDict` is to the pickle."""

    __slots__ = ()

    def __call__(self) -> _StateDict:
        return _StateDict()


class _MakeTensor:
    """What `torch._utils._rebuild_tensor_v2` is to the pickle."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> _Tensor:
        """Note a tensor, after making sure that every one of its elements lies inside its storage."""
        if not isinstance(storage, _Storage) or len(shape) != len(stride) or min((offset, *shape, *stride)) < 0:
            raise pickle.UnpicklingError("it holds a tensor that makes no sense")
        last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
        if max(last + 1, prod(shape)) > storage.length:
            raise pickle.UnpicklingError("it holds a tensor that reaches outside its storage")
        return _Tensor(storage, offset, shape, stride)


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler in whose world there are only tensors and the dictionary that holds them."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature is pickle's
        match module, name:
            case "torch", ("FloatStorage" | "LongStorage"):
                return _DTYPES[name]
            case "torch._utils", "_rebuild_tensor_v2":
                return _MakeTensor()
            case "collections", "OrderedDict":
                return _MakeStateDict()
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: object) -> _Storage:
        match pid:
            case ("storage", ("<f4" | "<i8") as dtype, str(key), str(), int(length), None) if length >= 0:
                return _Storage(key, dtype, length)
        raise pickle.UnpicklingError("it refers to something that is no storage")


def read_tensors(path: Path) -> Tensors:
    """Return the named tensors of a checkpoint as read-only arrays.

    Raises WeightsDamagedError for a file that is cut short, of another format, or that asks for anything but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read_tensors(file)
    # A hostile or damaged pickle can make the unpickler raise nearly anything; whatever it is, the file is no good.
    except Exception as error:
        raise WeightsDamagedError(
            f"The weights file {path} cannot be used: {error}.", "Fetch it again from where it is published."
        ) from error


def _read_tensors(file: BinaryIO) -> Tensors:
    if (_unpickle(file), _unpickle(file)) != (_MAGIC_NUMBER, _PROTOCOL_VERSION):
        raise pickle.UnpicklingError("it is no PyTorch checkpoint of the format before 1.6")
    _unpickle(file)  # the writer's byte order and sizes of C types, which say nothing about the elements below
    tensors, keys = _unpickle(file), _unpickle(file)
    if not isinstance(tensors, _StateDict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise pickle.UnpicklingError("it holds something besides tensors")
    noted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {key: _read_storage(file, noted[key]) for key in keys}
    return {name: _view(storages[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _view(elements: npt.NDArray[Any], tensor: _Tensor) -> npt.NDArray[Any]:
    strides = tuple(step * elements.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)


def _unpickle(file: BinaryIO) -> Any:  # noqa: ANN401 - what a pickle holds is seen only afterwards
    return _TensorUnpickler(file).load()


def _read_storage(file: BinaryIO, storage: _Storage) -> npt.NDArray[Any]:
    length = int.from_bytes(file.read(8), "little")
    elements = np.fromfile(file, storage.dtype, length) if length == storage.length else np.empty(0)
    if len(elements) != storage.length:
        raise pickle.UnpicklingError("it is cut short")
    elements.flags.writeable = False
    return elements

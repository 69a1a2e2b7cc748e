"""The restricted unpickler: it reads tensors, and nothing can make it do anything else."""

import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from shared.classifier.torch_pickle import read_tensors
from shared.errors import WeightsDamagedError

MAGIC_NUMBER, PROTOCOL_VERSION = 0x1950A86A20F9469CFC6C, 1001


class Name:
    """Pickles as a bare reference to `module.name`, whether or not there is such a thing."""

    def __init__(self, module, name):
        self.__name__ = self.__qualname__ = name
        self.__module__ = module

    def __call__(self):
        """Be callable, as pickle demands of what a reduction names."""


class Call:
    """Pickles as a call of `function` with `arguments`, followed by a state if one is given."""

    def __init__(self, function, *arguments, state=None):
        self.reduction = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduction


class Storage:
    """Pickles as a persistent reference to a storage."""

    def __init__(self, key, length, kind="FloatStorage"):
        self.pid = ("storage", Name("torch", kind), key, "cpu", length, None)


class TorchPickler(pickle._Pickler):
    """Writes the same opcodes as PyTorch did, without PyTorch: names are written unchecked."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())
        else:
            super().save(obj, save_persistent_id)


def dump(value):
    buffer = io.BytesIO()
    TorchPickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def tensor(storage, offset, shape, stride):
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, stride, False, OrderedDict())


def checkpoint(state, storages=()):
    head = dump(MAGIC_NUMBER) + dump(PROTOCOL_VERSION) + dump({"little_endian": True})
    tail = b"".join(struct.pack("<q", len(values)) + np.asarray(values, "<f4").tobytes() for _, values in storages)
    return head + dump(state) + dump([key for key, _ in storages]) + tail


def read(tmp_path, contents):
    path = tmp_path / "weights.pth"
    path.write_bytes(contents)
    return read_tensors(path)


def test_tensors_that_share_a_storage_are_read_with_their_offsets_and_strides(tmp_path):
    storage = Storage("7", 6)
    state = OrderedDict(rows=tensor(storage, 0, (2, 3), (3, 1)), columns=tensor(storage, 0, (3, 2), (1, 3)))
    state["last"] = tensor(storage, 5, (), ())

    tensors = read(tmp_path, checkpoint(state, [("7", range(6))]))

    assert tensors["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["columns"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert tensors["last"].item() == 5
    assert not tensors["rows"].flags.writeable


def test_the_notes_that_pytorch_adds_to_a_state_dict_are_dropped(tmp_path):
    state = Call(Name("collections", "OrderedDict"), state={"_metadata": {"version": 1}})

    assert read(tmp_path, checkpoint(state)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "posix system",
        "builtins eval",
        "builtins getattr",
        "subprocess Popen",
        "torch load",
        "numpy.core.multiarray _reconstruct",
    ],
)
def test_a_hostile_pickle_runs_nothing(tmp_path, name):
    trace = tmp_path / "it-ran"
    attack = Call(Name(*name.split()), f"touch {trace}")

    with pytest.raises(WeightsDamagedError, match="which is no tensor"):
        read(tmp_path, checkpoint({"weight": attack}))

    assert not trace.exists()


def test_the_same_attack_does_run_in_an_ordinary_unpickler(tmp_path):
    trace = tmp_path / "it-ran"

    pickle.loads(dump(Call(Name("os", "system"), f"touch {trace}")))  # noqa: S301 - what is to be shown

    assert trace.exists()


@pytest.mark.parametrize(
    "state", [{"storage": 1}, (None, {"__call__": 1}), (None, {"__class__": 1}), (None, {"shape": (9,)})]
)
@pytest.mark.parametrize(
    "victim",
    [
        Name("torch._utils", "_rebuild_tensor_v2"),
        Name("collections", "OrderedDict"),
        Name("torch", "FloatStorage"),
        Storage("7", 1),
        tensor(Storage("7", 1), 0, (1,), (1,)),
    ],
    ids=["tensor-function", "dictionary-function", "dtype", "storage", "tensor"],
)
def test_nothing_that_a_pickle_can_reach_can_be_altered(tmp_path, victim, state):
    build = dump(victim)[:-1] + dump(state)[2:-1] + pickle.BUILD + pickle.STOP

    with pytest.raises(WeightsDamagedError):
        read(tmp_path, dump(MAGIC_NUMBER) + dump(PROTOCOL_VERSION) + dump({}) + build + dump([]))

    good = checkpoint(OrderedDict(a=tensor(Storage("7", 1), 0, (1,), (1,))), [("7", [3.0])])
    assert read(tmp_path, good)["a"].tolist() == [3]


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (0, (7,), (1,)),  # longer than the storage
        (1, (2, 3), (3, 1)),  # beginning too late
        (0, (2,), (6,)),  # striding out of it
        (0, (2,), (-1,)),  # backwards
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (0, (1000,), (0,)),  # one element posing as a thousand
        (0, (2, 2), (1,)),
        (0, ("2",), (1,)),
    ],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(tmp_path, offset, shape, stride):
    state = OrderedDict(weight=tensor(Storage("7", 6), offset, shape, stride))

    with pytest.raises(WeightsDamagedError):
        read(tmp_path, checkpoint(state, [("7", range(6))]))


def test_anything_but_a_dictionary_of_tensors_is_refused(tmp_path):
    for state in ([1, 2], "text", {"weight": 1.0}, OrderedDict(weight="text"), None):
        with pytest.raises(WeightsDamagedError, match="something besides tensors"):
            read(tmp_path, checkpoint(state))


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    whole = checkpoint(OrderedDict(a=tensor(Storage("7", 6), 0, (6,), (1,))), [("7", range(6))])

    for length in range(len(whole)):
        with pytest.raises(WeightsDamagedError):
            read(tmp_path, whole[:length])


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04 a newer checkpoint", b"\x89HDF\r\n", bytes(range(7, 207))])
def test_a_file_of_another_format_is_refused(tmp_path, contents):
    with pytest.raises(WeightsDamagedError):
        read(tmp_path, contents)

"""What a cluster starts: the programs of the laptop, one after another, in one job.

::

    spark-submit --py-files recommender.zip entry.py clean LOGS CLEANED --engine spark --master @cluster + train ...

`+` stands between programs; each runs only if the one before it succeeded. In their arguments `@cluster` becomes the
master that the job was submitted to, `@in:ADDRESS` a copy on the driver's disk of what lies there, and `@out:ADDRESS` a
folder whose files are copied to there in the end. The programs themselves are not changed, and learn nothing of clouds.

This file is copied to the cluster alone, so it imports nothing of its neighbours.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

PROGRAMS = "step3_microservices.recommender"
NEXT, CLUSTER, IN, OUT = "+", "@cluster", "@in:", "@out:"


def main(arguments: Sequence[str]) -> int:
    """Run the programs; return the exit code of the one that failed, or 0."""
    with _session_of_the_job(), tempfile.TemporaryDirectory() as folder:
        for number, program in enumerate(_programs(arguments)):
            if code := _run(program, Path(folder, str(number))):
                return code
    return 0


def _programs(arguments: Sequence[str]) -> Iterator[list[str]]:
    rest = list(arguments)
    while NEXT in rest:
        end = rest.index(NEXT)
        yield rest[:end]
        rest = rest[end + 1 :]
    yield rest


def _run(program: Sequence[str], folder: Path) -> int:
    name, *arguments = program
    outputs: dict[Path, str] = {}
    for number, argument in enumerate(arguments):
        place = folder / str(number)
        if argument == CLUSTER:
            arguments[number] = _setting("spark.master")
        elif argument.startswith(IN):
            arguments[number] = _fetched(argument.removeprefix(IN), place)
        elif argument.startswith(OUT):
            arguments[number] = address = argument.removeprefix(OUT)
            if _is_elsewhere(address):
                outputs[place] = address
                arguments[number] = str(place)
    print(f"==> {name} {' '.join(arguments)}", flush=True)  # noqa: T201 - for the job's log
    code = int(import_module(f"{PROGRAMS}.{name}").main(arguments))
    for place, address in outputs.items():
        _put(place, address)  # also where a release was refused: the report says why
    return code


@contextmanager
def _session_of_the_job() -> Iterator[None]:
    """Start Spark, where it was `spark-submit` that started this: all programs use this session, and leave it.

    A job in YARN's cluster mode gets one context and no second one, and none that comes later than 100 s.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        yield
        return
    spark = import_module("shared.recommender.spark")
    try:
        with spark.spark_session(_setting("spark.master"), _setting("spark.app.name"), {}):
            yield
    except spark.SparkUnavailableError as error:
        sys.exit(f"{error.detail} {error.remedy}")


def _java() -> Any:  # noqa: ANN401 - whatever py4j makes of Java
    context: Any = import_module("pyspark").SparkContext
    context._ensure_initialized()
    return context._jvm


def _setting(name: str) -> str:
    """Return what the job was submitted with."""
    return str(_java().org.apache.spark.SparkConf().get(name))


def _is_elsewhere(address: str) -> bool:
    return "://" in address


def _fetched(address: str, place: Path) -> str:
    if not _is_elsewhere(address):
        return address
    place.mkdir(parents=True)
    copy = place / address.rstrip("/").rpartition("/")[2]
    with _told(address):
        _hadoop(address).copyToLocalFile(False, _path(address), _path(f"file://{copy}"), True)
    return str(copy)


def _put(folder: Path, address: str) -> None:
    """Copy files in the order in which they were written: what is written last, a pointer, is there last as well."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        to = f"{address.rstrip('/')}/{file.relative_to(folder)}"
        with _told(to):
            _hadoop(to).copyFromLocalFile(False, True, _path(f"file://{file}"), _path(to))


@contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except import_module("py4j.protocol").Py4JError as error:
        what, _, cause = str(error).partition("\n")  # Java's own words stand in the second line
        sys.exit(f"{address} cannot be copied: {(cause or what).splitlines()[0].lstrip(': ')}. Check the parameters.")


def _path(address: str) -> Any:  # noqa: ANN401
    return _java().org.apache.hadoop.fs.Path(address)


def _hadoop(address: str) -> Any:  # noqa: ANN401
    settings = _java().org.apache.spark.deploy.SparkHadoopUtil.get().conf()
    return _path(address).getFileSystem(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

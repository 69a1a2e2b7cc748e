"""The formats in which answers are written, each record as soon as it is there: text, JSON, JSON lines, CSV."""

import csv
import json
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError


class Writer(Protocol):
    """One way to write answers."""

    def answer(self, source: str, answer: Answer) -> None:
        """Write the answer to one picture."""

    def failure(self, source: str, error: ExpectedError) -> None:
        """Write that one picture has no answer, where the format has a place for it."""

    def end(self) -> None:
        """Complete what was written; it has to be well-formed after Ctrl-C as well."""


class TextWriter:
    """Lines for people, without anything that only a terminal understands."""

    def __init__(self, stream: TextIO) -> None:
        """Write to that stream."""
        self._stream = stream

    def answer(self, source: str, answer: Answer) -> None:
        """Write a line for the picture and one for each label."""
        facts = answer.image
        note = f"{facts.width} x {facts.height} {facts.format}, {answer.model_version.model}"
        labels = (f"{prediction.probability:9.2%}  {prediction.label}" for prediction in answer.predictions)
        print(f"{source}  ({note})", *labels, sep="\n", end="\n\n", file=self._stream, flush=True)

    def failure(self, source: str, error: ExpectedError) -> None:
        """Write nothing: the report tells failures on stderr."""

    def end(self) -> None:
        """Leave it at that: there is nothing to close."""


class JsonLinesWriter:
    """One JSON object a line: the answer's JSON form or an error with its code, and the source's name."""

    def __init__(self, stream: TextIO) -> None:
        """Write to that stream."""
        self._stream = stream

    def answer(self, source: str, answer: Answer) -> None:
        """Write one object."""
        self._write({"source": source} | answer.to_json())

    def failure(self, source: str, error: ExpectedError) -> None:
        """Write one object that has an `error`."""
        self._write({"source": source, "error": {"code": error.code, "detail": error.detail, "remedy": error.remedy}})

    def end(self) -> None:
        """Leave it at that: every line is complete by itself."""

    def _write(self, record: dict[str, Any]) -> None:
        print(json.dumps(record), file=self._stream, flush=True)


class JsonWriter(JsonLinesWriter):
    """The same objects as one JSON array."""

    _separator = "[\n"

    def end(self) -> None:
        """Close the array."""
        print("[]" if self._separator == "[\n" else "\n]", file=self._stream, flush=True)

    def _write(self, record: dict[str, Any]) -> None:
        print(self._separator, json.dumps(record), sep="", end="", file=self._stream, flush=True)
        self._separator = ",\n"


class CsvWriter:
    """A row for each label of each picture, quoted as in RFC 4180; or the error, in a row of its own."""

    _COLUMNS = ("source", "rank", "class_index", "wnid", "label", "probability", "model_version", "error")

    def __init__(self, stream: TextIO) -> None:
        """Write to that stream, beginning with the names of the columns."""
        self._stream = stream
        self._rows = csv.DictWriter(stream, self._COLUMNS, restval="", lineterminator="\n")
        self._rows.writeheader()

    def answer(self, source: str, answer: Answer) -> None:
        """Write a row for each label, the best first."""
        version = str(answer.model_version)
        for rank, prediction in enumerate(answer.predictions, start=1):
            self._rows.writerow({"source": source, "rank": rank, "model_version": version} | prediction.to_json())
        self._stream.flush()

    def failure(self, source: str, error: ExpectedError) -> None:
        """Write one row that has only the error's code."""
        self._rows.writerow({"source": source, "error": error.code})
        self._stream.flush()

    def end(self) -> None:
        """Leave it at that: every row is complete by itself."""


WRITERS: dict[str, Callable[[TextIO], Writer]] = {
    "text": TextWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
}

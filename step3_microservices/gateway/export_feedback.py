"""Feedback as a labelled set: `python -m step3_microservices.gateway.export_feedback FOLDER`.

The folder gets `labels.csv`, and the pictures as PNG files in one folder for each label, as training tools read them.
"""

import argparse
import csv
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from shared.errors import ExpectedError
from step3_microservices.gateway.config import read_config
from step3_microservices.gateway.feedback_forms import FeedbackRecord
from step3_microservices.gateway.feedback_store import FeedbackStore

_COLUMNS = (
    "feedback_id",
    "picture",
    "label",
    "class_index",
    "predicted_label",
    "probability",
    "model_version",
    "comment",
    "time",
    "file",
)
_TOLD_EVERY_S = 0.5


class FolderError(ExpectedError):
    """The folder cannot take the export."""

    code = "folder_unusable"


def main(arguments: Sequence[str] | None = None) -> int:
    """Export all feedback; return the exit code."""
    parser = argparse.ArgumentParser(description="Write all label feedback as a labelled set.")
    parser.add_argument("folder", type=Path, help="where to; new, or empty")
    folder: Path = parser.parse_args(arguments).folder
    try:
        store = FeedbackStore(read_config(os.environ).analytics_database)
        rows, pictures = export(store, folder)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"{rows} rows and {pictures} pictures are in {folder}.", file=sys.stderr)  # noqa: T201
    return 0


def export(store: FeedbackStore, folder: Path) -> tuple[int, int]:
    """Write everything into a new or empty folder; return how many rows and pictures.

    Raises FolderError and NotReadyError. `labels.csv` gets its name last: a folder without it is half an export.
    """
    unfinished = folder / "labels.csv.part"
    total = store.count()
    progress = _Progress(total)
    written: set[str] = set()
    rows = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderError(f"{folder} is not empty.", "Name a new folder: nothing is overwritten.")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(_COLUMNS)
            for rows, record in enumerate(store.records(), 1):
                name = _write_picture(record, folder, written)
                table.writerow(_row(record, name))
                progress.tell(rows)
        unfinished.rename(folder / "labels.csv")
    except OSError as error:
        raise FolderError(f"{folder} cannot be written to ({error.strerror}).", "Choose another folder.") from error
    return rows, len(written)


def _write_picture(record: FeedbackRecord, folder: Path, written: set[str]) -> str:
    """Write a record's picture, if it has one and the same label has not got it yet; return its name in the folder."""
    if record.image_png is None:
        return ""
    name = f"{folder_name(record.label, record.class_index)}/{record.picture}.png"
    if name not in written:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(record.image_png)
        written.add(name)
    return name


def folder_name(label: str, class_index: int) -> str:
    """Return a label's folder, safe on every file system: the index tells apart what is left of two labels."""
    words = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60]
    return f"{class_index:04d}-{words or 'label'}"


def _row(record: FeedbackRecord, name: str) -> list[object]:
    predicted = record.predicted
    guess = (predicted.label, predicted.probability, predicted.model_version) if predicted else ("", "", "")
    comment = record.comment
    if comment.startswith(("=", "+", "-", "@", "\t", "\r")):
        comment = f"'{comment}"  # a spreadsheet would run a stranger's words as a formula
    time = record.time.isoformat(timespec="milliseconds")
    return [record.feedback_id, record.picture, record.label, record.class_index, *guess, comment, time, name]


class _Progress:
    """Says on a terminal how far an export is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._told = float("-inf")

    def tell(self, done: int) -> None:
        if not sys.stderr.isatty():
            return
        if done == self._total or monotonic() - self._told > _TOLD_EVERY_S:
            self._told = monotonic()
            end = "\n" if done == self._total else ""
            print(f"\r{done} of {self._total}", end=end, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

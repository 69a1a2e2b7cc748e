"""Files and folders where logs are read from and interactions go to: on this machine, or where a cluster keeps them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, order=True)
class Entry:
    """What a folder holds: a name, and the size in bytes if it is a file."""

    name: str
    size: int


class Files(Protocol):
    """What is done with folders. A path is text, with `/` between names."""

    def entries(self, folder: str) -> list[Entry] | None:
        """Return what a folder holds, in the order of names, or None where it is not there."""

    def read(self, path: str) -> str | None:
        """Return a file's text, or None where it is not there."""

    def write(self, path: str, text: str) -> None:
        """Write a file, with the folders above it, so that nobody ever reads half of it."""

    def move(self, source: str, target: str) -> None:
        """Give a folder another name, with the folders above it; what has that name is removed."""

    def remove(self, folder: str) -> None:
        """Remove a folder with all that it holds, if it is there."""


class LocalFiles:
    """Files of this machine."""

    def entries(self, folder: str) -> list[Entry] | None:  # noqa: D102 - as in Files, like the rest
        path = Path(folder)
        return sorted(Entry(e.name, e.stat().st_size) for e in path.iterdir()) if path.is_dir() else None

    def read(self, path: str) -> str | None:  # noqa: D102
        return Path(path).read_text(encoding="utf-8") if Path(path).is_file() else None

    def write(self, path: str, text: str) -> None:  # noqa: D102
        unfinished = Path(f"{path}.part")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.rename(path)

    def move(self, source: str, target: str) -> None:  # noqa: D102
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        old = f"{target}.old"
        self.remove(old)
        if Path(target).exists():
            Path(target).rename(old)
        Path(source).rename(target)
        self.remove(old)

    def remove(self, folder: str) -> None:  # noqa: D102
        shutil.rmtree(folder, ignore_errors=True)

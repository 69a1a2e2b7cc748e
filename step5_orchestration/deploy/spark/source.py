"""The program as a cluster gets it: the source of step 3 and `shared` as one archive, and the file that starts it."""

import io
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FOLDERS = ("shared", "step3_microservices")
ENTRY = Path("step5_orchestration/deploy/spark/entry.py")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same source is the same archive


@dataclass(frozen=True)
class Source:
    """Both, under names that tell what is in them: a job that runs keeps its own when the next one is submitted."""

    archive: bytes
    entry: bytes

    @property
    def archive_name(self) -> str:
        """The archive's, such as recommender-0123456789ab.zip."""
        return f"recommender-{_digest(self.archive)}.zip"

    @property
    def entry_name(self) -> str:
        """The entry's, such as entry-0123456789ab.py."""
        return f"entry-{_digest(self.entry)}.py"


def read_source(root: Path = Path()) -> Source:
    """Pack what is in the repository, or in a copy of steps 3 and 5 with `shared`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _LONG_AGO)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return Source(packed.getvalue(), (root / ENTRY).read_bytes())


def _digest(contents: bytes) -> str:
    return sha256(contents).hexdigest()[:12]

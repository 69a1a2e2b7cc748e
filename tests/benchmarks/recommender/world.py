"""The demo logs that models are measured on, of 100,000 people and 5,000 apps, cleaned; kept between runs.

They lie under the folder for temporary files, in one folder for each state of the code that writes and cleans them.
`SEED=2` is another world of the same kind: what holds in one alone says nothing.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from shared.recommender.catalogue import read_catalogue
from shared.recommender.demo_truth import Truth
from shared.recommender.interactions import Interactions, read_interactions
from step3_microservices.recommender import clean, demo
from tests.app.serving import ROOT

USERS, ITEMS, DAYS, SEED = 100_000, 5_000, 60, int(os.environ.get("SEED", "1"))


def logs() -> Path:
    """Return the folder of the logs, with the cleaned ones beside them; a minute or two, the first time."""
    code = sorted((ROOT / "shared" / "recommender").glob("demo_*.py")) + sorted(
        (ROOT / "shared" / "recommender").glob("clean*.py")
    )
    state = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / "benchmarks-recommender" / f"{state}-{SEED}" / "logs"
    if not _cleaned(folder).exists():
        print(f"  Writing and cleaning what {USERS:,} people do in {DAYS} days, once", flush=True)
        size = (f"--users={USERS}", f"--items={ITEMS}", f"--days={DAYS}", f"--seed={SEED}")
        if not folder.exists():
            demo.main([*size, f"--output={folder}"])
        clean.main([str(folder), str(folder.with_name("cleaning"))])
        folder.with_name("cleaning").rename(_cleaned(folder))
    return folder


def interactions() -> Interactions:
    """Return all that was cleaned."""
    catalogue = read_catalogue(logs() / "catalogue.parquet")
    return read_interactions(_cleaned(logs()), catalogue.item_ids)


def truth() -> Truth:
    """Return what is true in these logs."""
    return Truth.read(logs())


def _cleaned(folder: Path) -> Path:
    return folder.with_name("cleaned")

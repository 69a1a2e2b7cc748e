"""The exported models that are served: InceptionV3 with random weights, which cost the same time, and the offline one.

They are kept between runs, beside each other under the folder for temporary files, one folder for each state of the
code that exports. `python -m tests.benchmarks.microservices.artifacts FOLDER` makes them, and brings TensorFlow.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from step3_microservices.worker.artifacts import Artifact, fetch
from tests.app.serving import ROOT

RANDOM, OFFLINE = "inception_v3", "efficientnet_lite0"

_EXPORTED_BY = ("shared/classifier/keras_classifier.py", "shared/constraints.txt", "tests/benchmarks/subjects.py")
_EXPORTED_BY_WORKER = ("conversion", "export", "forms", "manifest")


def artifacts() -> Path:
    """Return the folder with both artifacts, and the file that the first was made from; minutes, the first time."""
    sources = [
        *(ROOT / name for name in _EXPORTED_BY),
        *(ROOT / "step3_microservices" / "worker" / f"{name}.py" for name in _EXPORTED_BY_WORKER),
    ]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / "benchmarks-microservices" / state
    if not all((folder / name / "current").exists() for name in (RANDOM, OFFLINE)):
        print(f"  Exporting {RANDOM} (random weights) and {OFFLINE}, once", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", __name__, str(folder)], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return folder


def artifact(name: str) -> Artifact:
    """Return one of them."""
    return fetch(str(artifacts()), name, artifacts())


def keras_file() -> Path:
    """Return the file that InceptionV3 was saved in."""
    return artifacts() / f"{RANDOM}.keras"


def main(folder: Path) -> None:
    """Export both. Random weights say nothing about parity, so there every precision is accepted."""
    from shared.classifier.labels import imagenet_labels  # noqa: PLC0415 - TensorFlow comes with what follows
    from step3_microservices.worker.export import export  # noqa: PLC0415
    from step3_microservices.worker.manifest import Thresholds  # noqa: PLC0415
    from tests.benchmarks.subjects import keras_models  # noqa: PLC0415

    model, preprocessing = keras_models()[RANDOM]
    model.save(folder / f"{RANDOM}.keras")
    labels = folder / "labels.txt"
    labels.write_text("\n".join(f"{label.text} {number}" for number, label in enumerate(imagenet_labels())))
    options = {"labels": labels, "scaling": preprocessing.scaling.name, "thresholds": Thresholds(0, 0, 1)}
    export(str(folder / f"{RANDOM}.keras"), artifacts=folder, **options)
    export(OFFLINE, artifacts=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

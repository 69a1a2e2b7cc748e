"""Photographs of the size that a browser sends, and where they are made from."""

from pathlib import Path

import numpy as np
from PIL import Image

from shared.classifier.images import decode

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
SEED = 20


def write_photographs(folder: Path, count: int = 200) -> list[Path]:
    """Write JPEGs of 640x480 at quality 90: random parts of the sample photographs, the same in every run."""
    random = np.random.default_rng(SEED)
    photographs = [decode(path.read_bytes()).rgb for path in sorted(SAMPLES.glob("*.jpg"))]
    paths = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width = random.uniform(0.6, 0.9) * min(photograph.width, photograph.height * 4 / 3)
        left = random.uniform(0, photograph.width - width)
        top = random.uniform(0, photograph.height - width * 3 / 4)
        part = photograph.resize((640, 480), Image.Resampling.BICUBIC, (left, top, left + width, top + width * 3 / 4))
        paths.append(folder / f"{number:03}.jpg")
        part.save(paths[-1], quality=90)
    return paths

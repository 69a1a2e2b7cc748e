"""The options of the script."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from shared.classifier.images import MAX_BYTES, MAX_PIXELS
from shared.classifier.models import MODEL_NAMES, PRECISIONS
from shared.classifier.preprocess import SCALINGS

FORMATS = ("text", "json", "jsonl", "csv")

_EPILOG = """\
examples:
  python -m step1_script.classify cat.jpg                       one picture
  python -m step1_script.classify holiday/ --format csv         a folder and all folders in it
  python -m step1_script.classify - < cat.jpg                   standard input
  python -m step1_script.classify --model pets.keras --labels pets.txt --scaling zero_to_one cat.jpg

exit codes:
  0 every picture was answered    1 some pictures could not be    2 the options are wrong    3 no model can be had
"""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    sources: list[str]
    model: str
    weights: str | None
    labels: Path | None
    scaling: str | None
    precision: str
    top_k: int
    batch_size: int
    format: str
    output: Path | None
    explain: Path | None
    max_bytes: int
    max_pixels: int


def read_options(arguments: list[str] | None = None) -> Options:
    """Read the command line, or `arguments`; wrong options end the program with exit code 2 and say why."""
    parser = argparse.ArgumentParser(
        prog="python -m step1_script.classify",
        description="Say what pictures show: the likeliest labels of each, with their probabilities.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("sources", nargs="+", metavar="PICTURE", help="a file, a folder, an http(s) address, or - for standard input")
    add(
        "--model",
        default="auto",
        help=f"{', '.join(MODEL_NAMES)}, or the path of a .keras file; auto (the default) is inception_v3 where its "
        "weights can be had and the offline efficientnet_lite0 elsewhere",
    )
    add("--weights", metavar="FILE", help="a file or http(s) address with a named model's weights, instead of its own")
    add("--labels", type=Path, metavar="FILE", help="the labels of a .keras model, one a line")
    add("--scaling", choices=tuple(SCALINGS), help="how a .keras model's input is scaled")
    add("--precision", choices=PRECISIONS, default="float32", help="bfloat16: faster on processors that have it")
    add("--top-k", type=_positive, default=5, metavar="N", help="how many labels to give (default: 5)")
    add("--batch-size", type=_positive, default=16, metavar="N", help="pictures predicted in one call (default: 16)")
    add("--format", choices=FORMATS, default="text", help="how to write the answers (default: text)")
    add("--output", type=Path, metavar="FILE", help="write the answers to a file")
    add("--explain", type=Path, metavar="FOLDER", help="write a heat map of what spoke for the best label, per picture")
    add("--max-bytes", type=_positive, default=MAX_BYTES, metavar="N", help="refuse larger files (default: 20 MiB)")
    add("--max-pixels", type=_positive, default=MAX_PIXELS, metavar="N", help="refuse larger pictures (default: 50 M)")
    return Options(**vars(parser.parse_intermixed_args(arguments)))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number

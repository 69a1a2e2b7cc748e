"""What a person can say on the command line, and what the verbs work with."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from step5_orchestration.deploy.clock import Clock
from step5_orchestration.deploy.container_images import PUSHED, ContainerImages, read_container_images
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import Overlay, overlays
from step5_orchestration.deploy.progress import Progress

_PARTS = ("frontend", "gateway", "worker", "recommender", "trainer")
_BUILT_HERE = "built-here"  # a revision that was never pushed


@dataclass(frozen=True)
class Cluster:
    """The cluster that is worked on, and who is told."""

    kubectl: Kubectl
    progress: Progress
    clock: Clock


@dataclass(frozen=True)
class Check:
    """When a deployment counts as done."""

    smoke_test: Callable[[str], None]  # takes an address; raises SmokeTestError
    address: str | None  # where people find it, if it is not to be found out
    timeout_s: float  # for each rollout


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every verb takes."""
    parser.add_argument("--context", help="of kubectl (default: the current one)")


def add_wanted(parser: argparse.ArgumentParser) -> None:
    """Add what is to be there."""
    parser.add_argument("--overlay", choices=overlays(), default="gke", help="which manifests (default: %(default)s)")
    parser.add_argument("--images", type=Path, default=PUSHED, help="what was pushed (default: %(default)s)")
    parser.add_argument("--tag", help="instead of pushed container images those that a local cluster has, by this tag")
    parser.add_argument("--place", type=Path, help="your copy of overlays/gke/place.env")
    parser.add_argument("--budget", type=float, metavar="DOLLARS", help="a month, that it may cost at most")


def overlay_of(options: argparse.Namespace) -> Overlay:
    """Return which manifests are meant."""
    return Overlay(options.overlay, options.place)


def images_of(options: argparse.Namespace) -> ContainerImages:
    """Return which container images are meant. Raises ContainerImagesError."""
    if options.tag:
        return ContainerImages(_BUILT_HERE, {name: f"classifier/{name}:{options.tag}" for name in _PARTS})
    return read_container_images(options.images)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return what reads a number above zero."""

    def read(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return number

    return read

"""Deploy the container images of step 4: `python -m step5_orchestration.deploy eb plan`.

Each platform's module adds verbs of its own to the parser (`add_verbs`) and is imported only if it is asked for: who
deploys to one cloud needs nothing of the other.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from shared.errors import ExpectedError

_PLATFORMS = {
    "eb": "step5_orchestration.deploy.elastic_beanstalk.command_line",
    "gke": "step5_orchestration.deploy.gke.command_line",
    "spark": "step5_orchestration.deploy.spark.command_line",
}
_EPILOG = """\
platforms:
  eb    AWS Elastic Beanstalk
  gke   Google Kubernetes Engine
  spark the recommender's cleaning and training, on a cluster of Spark
Each tells its verbs and their options with --help: python -m step5_orchestration.deploy eb --help

exit codes:
  0 done    2 not done, with the reason and what to do next    130 stopped by Ctrl-C
"""
_FAILED = 2
_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb of one platform; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m step5_orchestration.deploy",
        description="Deploy what was built in step 4: plan first, then apply; go back, or remove all of it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("platform", choices=_PLATFORMS)
    parser.add_argument("verb", nargs=argparse.REMAINDER, help="what to do there, and its options")
    asked = parser.parse_args(arguments)
    verbs = argparse.ArgumentParser(prog=f"{parser.prog} {asked.platform}")
    import_module(_PLATFORMS[asked.platform]).add_verbs(verbs)
    options = verbs.parse_args(asked.verb)
    try:
        return int(options.run(options))
    except ExpectedError as error:
        _tell(error.detail, error.remedy)
        return _FAILED
    except KeyboardInterrupt as stop:
        # Whoever was interrupted knows what is left, and has noted it on the exception.
        _tell("Stopped.", *getattr(stop, "__notes__", ()))
        return _INTERRUPTED


def _tell(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)  # noqa: T201 - this is where it ends for the person who asked


if __name__ == "__main__":
    sys.exit(main())

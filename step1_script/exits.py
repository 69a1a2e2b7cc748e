"""How the script ends: the exit code for each outcome, and words for the person in front of it."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper

from shared.errors import ExpectedError, ExplanationUnsupportedError, ModelError, ModelOptionsError

USAGE = 2
MODEL_UNAVAILABLE = 3
INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended
PIPE_CLOSED = 141  # and for one whose reader, such as `head`, has gone


class OutputError(ExpectedError):
    """The answers cannot be written where the options say."""

    code = "output_unwritable"


def exit_code_of(main: Callable[[], int]) -> int:
    """Run `main` and return its exit code, or that of the failure which ended it, after telling what happened."""
    _open_what_is_closed()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no failure
    try:
        return main()
    except (ModelOptionsError, ExplanationUnsupportedError, OutputError) as error:
        return _tell(error, USAGE)
    except ModelError as error:
        return _tell(error, MODEL_UNAVAILABLE)
    except KeyboardInterrupt:
        tell("Stopped. What was answered until then has been written.")
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, and would complain about the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def tell(text: str) -> None:
    """Write a line for the person who waits; if nobody can read it, the answers are still worth writing."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")


def _tell(error: ExpectedError, exit_code: int) -> int:
    tell(f"{error.detail}\n{error.remedy}")
    return exit_code


def _open_what_is_closed() -> None:
    """Put the null device where a shell has closed stdin, stdout or stderr (`>&-`): else any file may land there."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115

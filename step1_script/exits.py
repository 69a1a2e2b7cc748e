"""How the script ends: the exit code for each outcome, and words for the person in front of it."""

import os
import sys
from collections.abc import Callable

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
    try:
        return main()
    except (ModelOptionsError, ExplanationUnsupportedError, OutputError) as error:
        return _tell(error, USAGE)
    except ModelError as error:
        return _tell(error, MODEL_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What was answered until then has been written.\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, and would complain about the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _tell(error: ExpectedError, exit_code: int) -> int:
    sys.stderr.write(f"{error.detail}\n{error.remedy}\n")
    return exit_code

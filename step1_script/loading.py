"""Load the model that the options ask for, without the libraries' own start-up chatter."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.classifier.models import load
from shared.errors import ExpectedError
from step1_script.options import Options

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier


def load_classifier(options: Options) -> "KerasClassifier":
    """Return the classifier, warmed up; raises ModelError where none can be had or it cannot do what is asked."""
    with _native_logs_held_back():
        classifier = load(options.model, weights=options.weights, labels=options.labels, scaling=options.scaling)
        classifier.warm_up()
        if options.explain:
            classifier.check_explainable()
    return classifier


@contextmanager
def _native_logs_held_back() -> Iterator[None]:
    """Keep what C++ code writes to file descriptor 2 out of sight, unless something unforeseen happens.

    TensorFlow reports there on CUDA and oneDNN before any setting of its own is read. Python's `sys.stderr` still
    reaches the terminal: a download's progress and warnings are shown.
    """
    python_stderr, terminal = sys.stderr, os.dup(2)
    with tempfile.TemporaryFile() as held_back, os.fdopen(terminal, "w", buffering=1) as still_shown:
        sys.stderr = still_shown
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except ExpectedError:
            raise
        except Exception:
            held_back.seek(0)
            os.write(terminal, held_back.read())
            raise
        finally:
            os.dup2(terminal, 2)
            sys.stderr = python_stderr

"""A Keras model that is loaded before a prefork worker forks: its children never answer.

TensorFlow computes in threads, and a fork copies none of them. The child waits for ever for those that its parent had
(tensorflow#8220, #27074). One worker here loads before the fork, the other in the child: `python -m
tests.benchmarks.naive.before_fork`.
"""

from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from celery import Celery, signals

from tests.benchmarks.naive.workers import connection, redis, worker

if TYPE_CHECKING:
    import keras

BEFORE, AFTER = "before", "after"
PATIENCE_S = 10  # a loaded model answers within a fraction of a second
ANSWERS_WITHIN_S = 120  # with the import of TensorFlow, on a machine that does much else

app = Celery("before_fork")


@cache
def model() -> "keras.Model":
    from shared.classifier import efficientnet_lite0  # noqa: PLC0415 - brings TensorFlow, which would be too early

    return efficientnet_lite0.build(efficientnet_lite0.packaged_weights())


@signals.worker_init.connect
def load_before_fork(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery has no types
    # At the moment at which a tutorial's `model = load_model(...)`, at the top of the file, is run.
    if sender.hostname.startswith(BEFORE):
        model()


@app.task(name="classify", ignore_result=True)
def classify(worker_name: str) -> None:
    model().predict(np.zeros((1, 224, 224, 3), np.float32), verbose=0)
    connection().rpush(f"reply:{worker_name}", "answered")


def main() -> None:
    with redis() as store, worker(app, BEFORE), worker(app, AFTER):
        asked = monotonic()
        for name in (BEFORE, AFTER):
            classify.apply_async([name], queue=name)
        answered = store.blpop([f"reply:{AFTER}"], timeout=ANSWERS_WITHIN_S)
        after_s = monotonic() - asked
        remaining_s = max(1.0, PATIENCE_S - after_s)
        hangs = store.blpop([f"reply:{BEFORE}"], timeout=remaining_s) is None
        waited_s = monotonic() - asked
    print("A Keras model in a Celery worker, asked once:")
    print(f"loaded before the fork: {'no answer' if hangs else 'answered'}", f"({waited_s:.0f} s)")
    print(f"loaded after the fork: {'answered' if answered else 'no answer'}", f"({after_s:.1f} s, loading included)")


if __name__ == "__main__":
    main()

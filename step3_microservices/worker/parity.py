"""The gate: whether a faster form of a model still gives the answers of its reference."""

import numpy as np
import numpy.typing as npt

from step3_microservices.worker.manifest import Parity, Thresholds

Floats = npt.NDArray[np.float32]

# Measured on six sets of 192 parts of the sample photographs, EfficientNet-Lite0: bfloat16 stays above 0.994, 0.956 and
# below 0.09; int8 with its first and last layers in float above 0.982, 0.957 and below 0.10; int8 throughout
# reaches 0.89 to 0.95, 0.88 to 0.90 and 0.20 to 0.34, so one answer in ten would be another one.
THRESHOLDS = Thresholds(min_top1=0.98, min_top5=0.95, max_difference=0.15)

# Where the reference itself cannot tell two classes apart, it does not matter which comes first: a cat may be 34.1 %
# tabby and 34.0 % tiger cat. Counted, such pictures had bfloat16 disagree on 7 % of a set, by a rounding.
TIE = 0.02

_TOP = 5


def compare(answers: Floats, reference: Floats) -> Parity:
    """Return how far answers agree with the reference's to the same pictures; both of shape (n, classes)."""
    best, best_of_reference = _ranked(answers), _ranked(reference)
    likeliest = -np.sort(-reference, axis=1)[:, :2]
    is_decided = likeliest[:, 0] - likeliest[:, -1] > TIE
    is_same = best[:, 0] == best_of_reference[:, 0]
    shared = [len({*one} & {*other}) / len(other) for one, other in zip(best, best_of_reference, strict=True)]
    return Parity(
        pictures=len(reference),
        decided=int(is_decided.sum()),
        top1_agreement=float(is_same[is_decided].mean()) if is_decided.any() else 1.0,
        top5_overlap=float(np.mean(shared)),
        largest_difference=float(np.abs(answers - reference).max()),
    )


def refusal(parity: Parity, thresholds: Thresholds) -> str:
    """Return what keeps a model from being served, with the figures, or nothing where it may be."""
    faults = []
    # Written so that a figure that is no number is a fault.
    if not parity.top1_agreement >= thresholds.min_top1:
        faults.append(f"top-1 agreement {parity.top1_agreement:.3f}, and {thresholds.min_top1:g} is asked for")
    if not parity.top5_overlap >= thresholds.min_top5:
        faults.append(f"top-5 overlap {parity.top5_overlap:.3f}, and {thresholds.min_top5:g} is asked for")
    if not parity.largest_difference <= thresholds.max_difference:
        difference = f"a probability off by {parity.largest_difference:.3f}"
        faults.append(f"{difference}, and {thresholds.max_difference:g} is allowed")
    return "; ".join(faults)


def _ranked(probabilities: Floats) -> npt.NDArray[np.intp]:
    """Return the class indexes of the five likeliest of each row (all, where there are fewer), the best first."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]

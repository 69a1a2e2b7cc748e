"""In which numbers a network computes: float32, or bfloat16 where the processor has arithmetic for it.

bfloat16 is a float32 without the last 16 bits of its fraction. Processors that multiply such numbers (AVX512-BF16, AMX)
get through a convolution in half the time; others imitate it, and take longer. What changes in a probability is its
second decimal.
"""

from typing import Any

import keras
from keras import layers

from shared.classifier.folding import fold_batch_norms
from shared.errors import ModelOptionsError

# The end of a network: what little arithmetic it costs decides how probabilities compare.
_KEPT = (layers.InputLayer, layers.GlobalAveragePooling2D, layers.Dense, layers.Softmax)


def in_bfloat16(model: keras.Model) -> keras.Model:
    """Return a copy that computes in bfloat16 up to its last pooling, and answers in float32.

    Batch normalisations are folded before, while their numbers are still exact.
    Raises ModelOptionsError for a model within a model, whose layers are not reached.
    """
    folded = fold_batch_norms(model)

    if any(isinstance(layer, keras.Model) for layer in folded.layers):
        raise ModelOptionsError(
            "This model holds another model, and cannot be put into bfloat16.",
            "Ask for float32, or build the model flat: `Model(base.input, head(base.output))`.",
        )

    def clone(layer: Any) -> Any:  # noqa: ANN401 - Keras has no types
        precision = {} if isinstance(layer, _KEPT) or layer is folded.layers[-1] else {"dtype": "bfloat16"}
        return layer.__class__.from_config(layer.get_config() | precision)

    copy = keras.models.clone_model(folded, clone_function=clone)
    copy.set_weights(folded.get_weights())
    return copy

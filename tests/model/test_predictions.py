import json

from shared.classifier.images import ImageFacts
from shared.classifier.predictions import Answer, Explanation, ModelVersion, Prediction

VERSION = ModelVersion(
    "inception_v3", "00c9ea4e4762" + "0" * 52, "float32", "stretch-299x299-bilinear-minus_one_to_one"
)


def test_the_answer_in_json_has_the_words_of_the_contract():
    answer = Answer(
        (Prediction(281, "n02123045", "tabby", 0.123456789),),
        VERSION,
        ImageFacts("JPEG", 451, 300, 34306),
        {"decode": 1.23456},
    )

    assert json.loads(json.dumps(answer.to_json())) == {
        "predictions": [{"class_index": 281, "wnid": "n02123045", "label": "tabby", "probability": 0.123457}],
        "model_version": "inception_v3/00c9ea4e4762/float32/stretch-299x299-bilinear-minus_one_to_one",
        "image": {"format": "JPEG", "width": 451, "height": 300, "bytes": 34306},
        "timings_ms": {"decode": 1.235},
    }


def test_an_explanation_is_in_the_answer_only_where_there_is_one():
    explanation = Explanation(281, ((0.5, 1.23456),), (0.0, 0.25, 1.0, 0.75))

    answer = Answer((), VERSION, ImageFacts("PNG", 1, 1, 70), explanation=explanation)

    assert answer.to_json()["explanation"] == {
        "class_index": 281,
        "grid": [[0.5, 1.235]],
        "region": [0.0, 0.25, 1.0, 0.75],
    }

"""The web application that most tutorials end with, to be broken and to be measured against.

Flask's own server, Keras's own loading of a picture, and `model.predict` in each request. It even does what many
forget: the model is loaded once.

`python -m tests.benchmarks.tutorial FILE` sends it a file, with the offline model, and prints the status of its answer;
`python -m tests.benchmarks.tutorial MODEL.keras SCALING PORT` serves.
"""

import io
import sys
from pathlib import Path

import keras
import numpy as np
from flask import Flask, Response, jsonify, request

from shared.classifier import efficientnet_lite0
from shared.classifier.preprocess import EFFICIENTNET_LITE0, SCALINGS


def create_app(model: keras.Model, scaling: str) -> Flask:
    app = Flask(__name__)
    mean, deviation = np.float32(SCALINGS[scaling].mean), np.float32(SCALINGS[scaling].deviation)
    size = model.input_shape[1:3]

    @app.get("/readyz")
    def readyz() -> str:
        return "ready"

    @app.post("/v1/classify")
    def classify() -> Response:
        file = io.BytesIO(request.files["image"].read())
        image = keras.utils.img_to_array(keras.utils.load_img(file, target_size=size))
        probabilities = model.predict((image[np.newaxis] - mean) / deviation)[0]
        best = probabilities.argsort()[::-1][:5]
        return jsonify([{"class_index": int(index), "probability": float(probabilities[index])} for index in best])

    return app


def main(*arguments: str) -> None:
    if len(arguments) == 1:
        model = efficientnet_lite0.build(efficientnet_lite0.packaged_weights())
        client = create_app(model, EFFICIENTNET_LITE0.scaling.name).test_client()
        picture = Path(arguments[0]).read_bytes()
        print(client.post("/v1/classify", data={"image": (io.BytesIO(picture), "picture")}).status)
    else:
        model, scaling, port = arguments
        create_app(keras.models.load_model(model), scaling).run(port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])

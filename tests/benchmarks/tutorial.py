"""The web application that most tutorials end with, to be measured against: `python -m tests.benchmarks.tutorial`.

Flask's own server, Keras's own loading of a picture, and `model.predict` in each request. It even does what many
forget: the model is loaded once. Arguments: a .keras file, the name of its scaling, a port.
"""

import io
import sys

import keras
import numpy as np
from flask import Flask, Response, jsonify, request

from shared.classifier.preprocess import SCALINGS


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


if __name__ == "__main__":
    create_app(keras.models.load_model(sys.argv[1]), sys.argv[2]).run(port=int(sys.argv[3]))

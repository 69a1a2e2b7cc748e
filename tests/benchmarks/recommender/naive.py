"""The naive way: factors and dictionaries in a pickle, all of it in memory, and the dot products in each request."""

import pickle
import sys
from pathlib import Path

import numpy as np
from flask import Flask, jsonify, request

from tests.benchmarks.recommender.millions import ITEMS, items, user_id

FACTORS = 64


def write(path: Path, users: int) -> None:
    """Write what a notebook would have left."""
    random = np.random.default_rng(1)
    model = {
        "user_factors": random.standard_normal((users, FACTORS), np.float32),
        "item_factors": random.standard_normal((ITEMS, FACTORS), np.float32),
        "rows": {user_id(number): number for number in range(users)},
        "items": {number: tuple(item) for number, item in enumerate(items())},
    }
    with path.open("wb") as file:
        pickle.dump(model, file, protocol=5)


def create_app(path: str) -> Flask:
    """Serve what is in that file."""
    with Path(path).open("rb") as file:
        model = pickle.load(file)  # noqa: S301 - our own
    app = Flask(__name__)

    @app.get("/readyz")
    def readyz() -> str:
        return "ready"

    @app.get("/v1/recommendations")
    def recommendations() -> object:
        row = model["rows"][request.args["user_id"]]
        scores = model["item_factors"] @ model["user_factors"][row]
        best = np.argpartition(-scores, 20)[:20]
        installed = request.args.get("installed", "").split(",")
        ordered = (model["items"][number] for number in best[np.argsort(-scores[best])].tolist())
        return jsonify(items=[item for item in ordered if item[0] not in installed][:6])

    return app


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))

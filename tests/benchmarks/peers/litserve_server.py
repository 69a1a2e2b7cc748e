"""The same model behind LitServe: `python -m tests.benchmarks.peers.litserve_server ARTIFACT PRECISION PORT`.

One process with the model, which uses all cores, and the same largest batch as ours. Its wait for a batch is no longer
than a picture takes: without one it never rests, and polls.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import litserve
import numpy as np
from fastapi import Request

from tests.benchmarks.peers.pipeline import Pipeline

MAX_BATCH_SIZE, BATCH_TIMEOUT_S = 4, 0.005


class Api(litserve.LitAPI):
    def __init__(self, folder: Path, precision: str) -> None:
        super().__init__(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_TIMEOUT_S, api_path="/v1/classify")
        self.folder = folder
        self.precision = precision

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.pipeline = Pipeline(self.folder, self.precision)

    def decode_request(self, request: Request) -> np.ndarray:
        return self.pipeline.prepare(request["image"].file.read())

    def batch(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(inputs)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.pipeline.classifier.predict(batch)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray):  # unannotated: LitServe would check each answer against it
        return self.pipeline.answer(output)


def main(folder: str, precision: str, port: str) -> None:
    server = litserve.LitServer(Api(Path(folder), precision), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The same model behind Mosec: `python -m tests.benchmarks.peers.mosec_server ARTIFACT PRECISION PORT`.

Two stages, as its examples for pictures have it: one decodes, one predicts what has come together.
"""

import os
import sys
from pathlib import Path
from typing import Any

import mosec
import numpy as np

from tests.benchmarks.peers.pipeline import Pipeline, Preparation

MAX_BATCH_SIZE, MAX_WAIT_MS = 4, 5


class Decoding(mosec.Worker):
    def __init__(self) -> None:
        super().__init__()
        self.preparation = Preparation(Path(os.environ["PEER_ARTIFACT"]))

    def deserialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> np.ndarray:
        return self.preparation.prepare(data)


class Prediction(mosec.Worker):
    def __init__(self) -> None:
        super().__init__()
        self.pipeline = Pipeline(Path(os.environ["PEER_ARTIFACT"]), os.environ["PEER_PRECISION"])

    def forward(self, data: list[np.ndarray]) -> list[list[dict[str, Any]]]:
        return [self.pipeline.answer(row) for row in self.pipeline.classifier.predict(np.concatenate(data))]


def main(folder: str, precision: str, port: str) -> None:
    # Each stage runs in processes of its own, which are told by their environment.
    os.environ |= {"PEER_ARTIFACT": folder, "PEER_PRECISION": precision}
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", port, "--log-level", "warning", "--timeout", "60000"]
    server = mosec.Server()
    server.append_worker(Decoding, route="/v1/classify")
    server.append_worker(Prediction, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS, route="/v1/classify")
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

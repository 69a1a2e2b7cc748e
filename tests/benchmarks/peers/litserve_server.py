"""The same model behind LitServe: `python -m tests.benchmarks.peers.litserve_server ARTIFACT PRECISION PORT`.

Batches as its documentation advises for a model that gains by them; a process for each core, with a thread each, as it
advises for processors, was slower here. Its HTTP server, and what it takes from a form, are its own.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import litserve
import numpy as np
from fastapi import Request

from tests.benchmarks.peers.pipeline import Pipeline

MAX_BATCH_SIZE = int(os.environ.get("PEER_BATCH", "4"))
BATCH_TIMEOUT_S = float(os.environ.get("PEER_WAIT_MS", "5")) / 1e3
WORKERS = int(os.environ.get("PEER_WORKERS", "1"))


class Api(litserve.LitAPI):
    def __init__(self, folder: Path, precision: str) -> None:
        super().__init__(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_TIMEOUT_S, api_path="/v1/classify")
        self.folder = folder
        self.precision = precision

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.pipeline = Pipeline(self.folder, self.precision, threads=1 if WORKERS > 1 else None)

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
    server = litserve.LitServer(Api(Path(folder), precision), accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

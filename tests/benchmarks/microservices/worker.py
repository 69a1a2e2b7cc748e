"""A worker process like step 3's, but compiled for batches of MAX_BATCH_SIZE, whatever size is shipped.

To find the best size, each has to be given its chance: as shipped, a batch of eight is two calls with four.
"""

import os
import sys

from step3_microservices.worker import compiled_model, process


def main() -> int:
    """Do what the worker's own module does."""
    compiled_model.BATCH_SIZES = tuple(sorted({int(os.environ["MAX_BATCH_SIZE"]), 1}, reverse=True))
    return process.main()


if __name__ == "__main__":
    sys.exit(main())

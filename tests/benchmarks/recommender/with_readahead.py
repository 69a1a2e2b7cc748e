"""The service as it is, but that the system reads ahead in the file of lists: what LMDB does by default."""

import sys
from functools import partial

from shared.recommender.artifact import open_artifact
from step3_microservices.recommender import reload, serve

if __name__ == "__main__":
    reload.open_artifact = partial(open_artifact, readahead=True)
    sys.exit(serve.main())

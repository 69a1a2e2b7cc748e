"""Let what is answered now be what drift is measured against: `python -m step3_microservices.gateway.drift_reference`.

For whoever knows that the pictures have changed for good. REDIS_URL and DRIFT_WINDOW_H are those of the gateway.
"""

import os
import sys

from redis import RedisError

from shared.errors import ExpectedError
from step3_microservices.drift import Drift
from step3_microservices.gateway.config import read_config
from step3_microservices.presence import newest_first
from step3_microservices.redis_client import connect


def main() -> int:
    """Take the current window of the model that answers as its reference; return the exit code."""
    try:
        config = read_config(os.environ)
    except ExpectedError as error:
        return _say(f"{error.detail} {error.remedy}", 2)
    redis = connect(config.redis_url)
    drift = Drift(redis, window_h=config.drift_window_h, min_pictures=config.drift_min_pictures)
    try:
        present = newest_first(redis)
        if not present:
            return _say("No worker is there, and so no model. Start one, and let it answer.", 2)
        version = present[0].model_version
        window = drift.window(version)
        pictures = drift.figures(version).window_pictures
        if pictures < config.drift_min_pictures:
            wanted = config.drift_min_pictures
            return _say(f"{version} has answered {pictures} pictures in the window; a reference needs {wanted}.", 2)
        pictures = drift.take_reference(version, window)
    except RedisError as error:
        return _say(f"Redis cannot be reached ({error}). Check REDIS_URL.", 2)
    return _say(f"{pictures} answers of {version} are its reference now.", 0)


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())

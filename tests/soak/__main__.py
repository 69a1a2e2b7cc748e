"""Long runs that look for what short ones miss: `python -m tests.soak [SECONDS]`, for each of the two.

`make soak` runs them, and neither is a part of `make test`.
"""

import sys

from tests.soak import intake, web

if __name__ == "__main__":
    seconds = float(sys.argv[1] if len(sys.argv) > 1 else 60)
    sys.exit(max(soak(seconds) for soak in (web.soak, intake.soak)))

"""Long runs that look for what short ones miss: `python -m tests.soak [SECONDS [NAME]]`.

`make soak` runs them, and neither is a part of `make test`.
"""

import sys

from tests.soak import events, intake, microservices, web

if __name__ == "__main__":
    seconds = float(sys.argv[1] if len(sys.argv) > 1 else 60)
    runs = {"web": web.soak, "intake": intake.soak, "microservices": microservices.soak, "events": events.soak}
    sys.exit(max(soak(seconds) for name, soak in runs.items() if name in (sys.argv[2:] or runs)))

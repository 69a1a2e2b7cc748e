"""The recommender as its users run it: gunicorn in processes of its own, around a store of artifacts."""

from pathlib import Path

from flask.testing import FlaskClient

from step3_microservices.recommender.app import create_app
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.config import read_config
from tests.app.serving import serving
from tests.model.recommended import written

RECOMMENDER = "step3_microservices.recommender.serve"
NO_REDIS = "redis://127.0.0.1:9/0"
QUICK = {"RELOAD_INTERVAL_S": "0.1", "REDIS_URL": NO_REDIS}


def published(source: Path, **contents) -> str:
    """Write a version and point to it; return its name."""
    version = written(source, **contents).version
    ArtifactStore(str(source)).set_current(version)
    return version


def recommending(folder: Path, source: Path, *, until_ready: bool = True, **settings: str):
    """Run the service until it is ready, with these settings; Redis is not there, and need not be."""
    database = f"sqlite:///{folder}/analytics.sqlite"
    own = {"ARTIFACTS": str(source), "ANALYTICS_DATABASE": database, "CONTROL_SHARE": "0"}
    environment = QUICK | own | settings
    return serving(RECOMMENDER, folder, until_ready=until_ready, **environment)


def in_this_process(folder: Path, **settings: str) -> FlaskClient:
    """Return a client of the service's own app, which has no model."""
    database = f"sqlite:///{folder}/analytics.sqlite"
    config = read_config({"ANALYTICS_DATABASE": database, "ARTIFACTS": f"{folder}/store"} | settings)
    return create_app(config, ArtifactStore(config.artifacts)).test_client()

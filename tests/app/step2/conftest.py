"""The web app as its users run it: gunicorn in processes of its own."""

from collections.abc import Iterator

import pytest

from tests.app.serving import Served, serving

MODULE = "step2_webapp.serve"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A ready server that tests share, with the settings that a laptop gets; whoever harms one starts their own."""
    folder = tmp_path_factory.mktemp("service")
    with serving(MODULE, folder, TMPDIR=str(folder)) as served:
        yield served

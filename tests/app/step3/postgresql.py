"""A real PostgreSQL for tests, in a folder of its own, where one is installed."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.app.serving import free_port


@dataclass
class PostgreSQL:
    """A server that can be stopped and started again with its data."""

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    @property
    def options(self) -> dict[str, object]:
        user = "nobody" if os.geteuid() == 0 else None  # it refuses to be run by root
        return {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}

    def new_database(self) -> str:
        """Make a database for one test; return its address."""
        import psycopg  # noqa: PLC0415 - optional

        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres", f"/{name}")

    def make(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        command = [self.programs / "initdb", "-D", self.folder / "data", "-U", "tester", "-A", "trust", "-N"]
        subprocess.run(command, check=True, **self.options)

    def start(self) -> None:
        command = [
            self.programs / "postgres",
            "-D",
            self.folder / "data",
            "-p",
            str(self.port),
            "-k",
            self.folder,
            "-F",
        ]
        self.process = subprocess.Popen(command, **self.options)
        is_ready = [self.programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(is_ready, check=False, **self.options).returncode:
            assert self.process.poll() is None, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # do not wait for whoever is still connected
            self.process.wait(timeout=60)


@contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    pytest.importorskip("psycopg", reason="requirements-postgresql.txt is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here (Debian, Ubuntu: apt-get install postgresql)")
    # Not in pytest's folder, which is root's alone, where the server is nobody's.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        server = PostgreSQL(programs, Path(folder))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps out of PATH."""
    on_path = shutil.which("postgres")
    found = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "initdb").is_file()), None)

"""The script as its users run it: a command in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

COMMAND = [sys.executable, "-m", "step1_script.classify"]
OFFLINE = ("--model", "efficientnet_lite0")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def classify():
    """Run the script with the offline model, unless another is named, and return what came of it."""

    def run(*arguments, environment=None, shell_command=None, **options):
        model = () if "--model" in arguments else OFFLINE
        shell = ("sh", "-c", shell_command, "sh") if shell_command else ()
        options = {"capture_output": True, "text": True, "timeout": 120} | options
        environment = ENVIRONMENT | (environment or {})
        return subprocess.run([*shell, *COMMAND, *model, *map(str, arguments)], check=False, env=environment, **options)

    return run


@pytest.fixture
def start():
    """Start the script with the offline model and return the process; it is ended with the test."""
    started = []

    def popen(*arguments, **options):
        command = [*COMMAND, *OFFLINE, *map(str, arguments)]
        process = subprocess.Popen(command, env=ENVIRONMENT, **options)
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

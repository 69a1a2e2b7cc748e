"""A request to stop that comes at any moment."""

import subprocess
import sys
import textwrap

from step3_microservices.stop_request import StopRequest
from tests.app.serving import ROOT

INTERRUPTED = textwrap.dedent("""
    import signal
    from step3_microservices.stop_request import StopRequest

    signals = 0
    request = StopRequest()

    def ask(*_):
        global signals
        signals += 1
        request.set()

    signal.signal(signal.SIGALRM, ask)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.00013)
    while signals < 5000:
        request.wait(0.00001)
        request._is_set = False  # so that it waits again
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("heard all")
""")


def test_it_may_be_set_in_the_middle_of_its_own_wait():
    command = [sys.executable, "-c", INTERRUPTED]
    program = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (program.stdout, program.stderr) == ("heard all\n", "")


def test_a_wait_ends_by_the_request_or_by_the_time():
    request = StopRequest()

    before = request.is_set(), request.wait(0.01)
    request.set()

    assert before == (False, False)
    assert request.is_set()
    assert request.wait(3600)

"""What a person at a terminal sees, and what a pipe is spared."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tests.app.step1.conftest import ENVIRONMENT
from tests.conftest import SAMPLES

BAR = "━"


def read_all(terminal: int) -> str:
    """Read what was drawn until the other side is closed."""
    drawn = bytearray()
    try:
        while chunk := os.read(terminal, 65_536):
            drawn += chunk
    except OSError:  # how Linux reports that the last writer has gone
        pass
    return drawn.decode()


def test_a_terminal_gets_bars_and_progress(start):
    terminal, program_side = os.openpty()
    process = start(SAMPLES, stdout=program_side, stderr=program_side)
    os.close(program_side)

    drawn = read_all(terminal)

    os.close(terminal)
    assert process.wait() == 0
    assert "espresso" in drawn
    assert BAR in drawn
    assert "4/4" in drawn


def test_progress_shows_on_the_terminal_while_answers_go_into_a_pipe(start):
    terminal, program_side = os.openpty()
    process = start(SAMPLES, "--format", "csv", stdout=subprocess.PIPE, stderr=program_side, text=True)
    os.close(program_side)

    with ThreadPoolExecutor(1) as eyes:  # a terminal that nobody reads is full soon, and halts who draws on it
        drawing = eyes.submit(read_all, terminal)
        answers, _ = process.communicate()
        drawn = drawing.result()

    os.close(terminal)
    assert "4/4" in drawn
    assert answers.startswith("source,rank,")
    assert "\x1b" not in answers


def test_a_pipe_gets_neither_bars_nor_progress(classify):
    result = classify(SAMPLES)

    assert BAR not in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    assert "4/4" not in result.stderr


def test_a_file_name_cannot_command_the_terminal(classify, tmp_path):
    (tmp_path / "\x1b[31mred\n.jpg").write_bytes(b"")
    os.close(os.open(os.fsencode(tmp_path) + b"/not-utf8-\xff.jpg", os.O_CREAT))

    result = classify(tmp_path, "--format", "csv")

    assert result.returncode == 1
    assert "\x1b" not in result.stdout + result.stderr
    assert "not-utf8-\N{REPLACEMENT CHARACTER}.jpg" in result.stdout
    assert "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}.jpg" in result.stdout


def test_a_narrow_terminal_still_shows_the_numbers(start, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "COLUMNS", "30")
    terminal, program_side = os.openpty()
    process = start(SAMPLES / "coffee.jpg", stdout=program_side, stderr=program_side)
    os.close(program_side)

    drawn = read_all(terminal)

    os.close(terminal)
    assert process.wait() == 0
    assert "77.93%" in drawn

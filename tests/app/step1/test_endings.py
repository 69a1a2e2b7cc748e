"""How the script ends when things do not go well: with the right exit code, and never with a stack trace."""

import json
import signal
import subprocess
from pathlib import Path

import keras
import pytest

from tests.app.serving import wait_until
from tests.conftest import SAMPLES

CAT = SAMPLES / "cat.jpg"
# Real programs on a machine whose every way out is refused.
NO_NETWORK = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


@pytest.fixture
def many_pictures(tmp_path):
    """A folder with more pictures than are answered before the test ends."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number:04}.jpg").symlink_to(CAT)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--nonsense",),
        (CAT, "--top-k", "0"),
        (CAT, "--scaling", "zero_to_one"),
        (CAT, "--model", "vgg16"),
        (CAT, "--model", "mine.keras"),
    ],
)
def test_wrong_options_end_with_2_and_say_why(classify, arguments):
    result = classify(*arguments)

    assert result.returncode == 2
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr


def test_an_output_that_cannot_be_written_ends_with_2(classify, tmp_path):
    result = classify(CAT, "--output", tmp_path / "no such folder" / "answers.txt")

    assert result.returncode == 2
    assert "cannot be written: No such file or directory" in result.stderr


def test_an_output_that_is_one_of_the_pictures_is_refused_and_the_picture_stays(classify, tmp_path):
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(CAT.read_bytes())

    result = classify(picture, "--output", picture)

    assert result.returncode == 2
    assert picture.read_bytes() == CAT.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_ends_with_2_and_says_so(classify):
    result = classify(CAT, "--format", "csv", "--output", "/dev/full")

    assert result.returncode == 2
    assert "No space left" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_heat_map_folder_that_cannot_be_written_ends_with_2(classify, tmp_path):
    (tmp_path / "file").touch()

    result = classify(CAT, "--explain", tmp_path / "file")

    assert result.returncode == 2
    assert "heat map" in result.stderr


def test_a_model_that_cannot_be_explained_ends_with_2_before_any_picture_is_read(classify, tmp_path):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    )
    model.save(tmp_path / "flat.keras")
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    own = ("--model", tmp_path / "flat.keras", "--labels", tmp_path / "labels.txt", "--scaling", "zero_to_one")

    answered = classify(CAT, *own, "--top-k", 9)
    explained = classify(CAT, *own, "--explain", tmp_path / "maps")

    assert (answered.returncode, explained.returncode) == (0, 2)
    assert "cannot be explained" in explained.stderr
    assert explained.stdout == ""


def test_without_network_inception_v3_ends_with_3_and_three_remedies(classify, tmp_path):
    result = classify(CAT, "--model", "inception_v3", environment=NO_NETWORK | {"KERAS_HOME": str(tmp_path)})

    assert result.returncode == 3
    assert all(remedy in result.stderr for remedy in ("  1. ", "  2. ", "  3. "))
    assert "Traceback" not in result.stderr


def test_without_network_auto_is_the_offline_model_and_says_so_once(classify, tmp_path):
    result = classify(CAT, CAT, "--model", "auto", environment=NO_NETWORK | {"KERAS_HOME": str(tmp_path)})

    assert result.returncode == 0
    assert result.stdout.count("efficientnet_lite0") == 2
    assert result.stderr.count("answers instead") == 1


@pytest.mark.parametrize("weights", ["x" * 5000 + ".pth", "~nobody-of-that-name/x.pth", "http://[::1/x.pth"])
def test_weights_that_can_be_no_path_or_address_end_with_3(classify, weights):
    result = classify(CAT, "--weights", weights)

    assert result.returncode == 3
    assert "Traceback" not in result.stderr


def test_weights_that_are_missing_end_with_3(classify, tmp_path):
    result = classify(CAT, "--weights", tmp_path / "missing.pth")

    assert result.returncode == 3
    assert "missing.pth" in result.stderr


def test_a_reader_that_goes_away_ends_the_script_quietly(start, many_pictures):
    process = start(many_pictures, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()

    assert "0000.jpg" in first
    assert process.wait(60) == 141
    assert complaints == ""


def size_of(path):
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_ctrl_c_ends_cleanly_with_what_was_done_written_out(start, many_pictures, tmp_path, form):
    output = tmp_path / "answers"
    process = start(many_pictures, "--format", form, "--output", output, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: size_of(output) >= 20_000)

    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)

    written = output.read_text()
    assert process.returncode == 130
    assert complaints == "Stopped. What was answered until then has been written.\n"
    assert written.endswith("\n")
    if form == "json":
        assert 16 < len(json.loads(written)) < 3000
    elif form == "jsonl":
        assert all(json.loads(line)["predictions"] for line in written.splitlines())
    else:
        assert {line.count(",") for line in written.splitlines()} == {7}


def test_ctrl_c_ends_the_wait_for_standard_input_and_what_came_before_it_is_answered(start, tmp_path):
    output = tmp_path / "answers"
    process = start(
        CAT, "-", "--format", "jsonl", "--output", output, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: size_of(output) > 0)

    process.send_signal(signal.SIGINT)
    complaints = process.stderr.read()

    assert process.wait(60) == 130, complaints
    assert complaints.startswith("Stopped.")
    assert json.loads(output.read_text())["source"] == str(CAT)


@pytest.mark.parametrize(("closed", "answered"), [("2>&-", True), (">&-", False), ("<&-", True)])
def test_a_stream_that_the_shell_has_closed_is_no_reason_to_fail(classify, closed, answered):
    command = f'exec "$@" {closed}'

    result = classify(CAT, "--format", "csv", shell_command=command)

    assert result.returncode == 0
    assert ("Egyptian cat" in result.stdout) == answered
    assert "Traceback" not in result.stderr

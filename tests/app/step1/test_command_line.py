"""What the script answers, writes and returns."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import FINE_TUNED, SAMPLES, needs_fine_tuned_model

CAT = SAMPLES / "cat.jpg"


def test_one_picture_gives_its_five_best_labels_and_says_who_answered(classify):
    result = classify(CAT)

    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert lines[0] == f"{CAT}  (451 x 300 JPEG, efficientnet_lite0)"
    assert [line.split("%  ")[1] for line in lines[1:6]] == [
        "Egyptian cat",
        "tabby",
        "tiger cat",
        "lynx",
        "Siamese cat",
    ]
    assert result.stderr == ""


def test_files_folders_and_standard_input_are_answered_in_their_order(classify, tmp_path):
    for name in ("b.png", "nested/deeper/c.JPG", "a.webp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(CAT).save(path, "JPEG")
    (tmp_path / "notes.txt").write_text("no picture, and not named like one")

    result = classify(SAMPLES / "coffee.jpg", tmp_path, "-", "--format", "jsonl", text=False, input=CAT.read_bytes())

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert [record["source"] for record in records] == [
        str(SAMPLES / "coffee.jpg"),
        str(tmp_path / "a.webp"),
        str(tmp_path / "b.png"),
        str(tmp_path / "nested/deeper/c.JPG"),
        "standard input",
    ]
    assert [record["predictions"][0]["label"] for record in records] == ["espresso", *["Egyptian cat"] * 4]
    assert b"5 answered, 0 failed." in result.stderr


def test_one_bad_picture_among_many_is_reported_and_the_rest_go_on(classify, tmp_path):
    (tmp_path / "1-good.jpg").write_bytes(CAT.read_bytes())
    (tmp_path / "2-empty.jpg").touch()
    (tmp_path / "3-cut.jpg").write_bytes(CAT.read_bytes()[:9000])
    (tmp_path / "4-text.png").write_text("this is no picture")
    (tmp_path / "5-good.jpg").write_bytes(CAT.read_bytes())

    result = classify(tmp_path, tmp_path / "missing.jpg", "--format", "jsonl")

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert [record.get("error", {}).get("code") for record in records] == [
        None,
        "image_empty",
        "image_truncated",
        "not_an_image",
        None,
        "source_unreadable",
    ]
    assert f"{tmp_path / '3-cut.jpg'}: The JPEG file ends too early." in result.stderr
    assert "2 answered, 4 failed." in result.stderr
    assert "Traceback" not in result.stderr


def test_names_that_no_file_can_have_are_failures_like_others(classify):
    result = classify(CAT, "x" * 5000, "--top-k", 1, SAMPLES / "coffee.jpg", "--format", "jsonl")

    first, second, third = (json.loads(line) for line in result.stdout.splitlines())
    assert result.returncode == 1
    assert (first["source"], third["source"]) == (str(CAT), str(SAMPLES / "coffee.jpg"))
    assert second["error"]["code"] == "source_unreadable"


def test_a_name_that_the_terminals_encoding_lacks_is_no_failure(classify, tmp_path):
    (tmp_path / "日本.jpg").write_bytes(CAT.read_bytes())

    result = classify(tmp_path, environment={"PYTHONIOENCODING": "latin-1"})

    assert result.returncode == 0
    assert r"\u65e5\u672c.jpg" in result.stdout


def test_json_is_one_array_with_the_answer_of_the_contract(classify):
    result = classify(CAT, SAMPLES / "coffee.jpg", "--format", "json", "--top-k", 2)

    cat, coffee = json.loads(result.stdout)
    assert cat["predictions"][0] == {
        "class_index": 285,
        "wnid": "n02124075",
        "label": "Egyptian cat",
        "probability": pytest.approx(0.3037, abs=1e-3),
    }
    assert cat["model_version"] == "efficientnet_lite0/579344248a93/float32/crop0.875-224x224-bicubic-imagenet"
    assert cat["image"] == {"format": "JPEG", "width": 451, "height": 300, "bytes": CAT.stat().st_size}
    assert set(cat["timings_ms"]) == {"decode", "preprocess", "predict"}
    assert len(coffee["predictions"]) == 2


def test_csv_has_a_row_for_each_label_and_one_for_a_failure(classify, tmp_path):
    (tmp_path / "bad, or not.jpg").touch()

    result = classify(CAT, tmp_path, "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", ""]
    assert rows[0]["wnid"] == "n02124075"
    assert rows[5]["source"].endswith("bad, or not.jpg")
    assert rows[5]["error"] == "image_empty"


def test_answers_can_go_to_a_file(classify, tmp_path):
    result = classify(CAT, "--format", "json", "--output", tmp_path / "answers.json")

    assert result.stdout == ""
    assert json.loads((tmp_path / "answers.json").read_text())[0]["source"] == str(CAT)


def test_batches_of_any_size_give_the_same_answers(classify):
    answers = [
        [
            record["predictions"]
            for record in json.loads(classify(SAMPLES, "--format", "json", "--batch-size", size).stdout)
        ]
        for size in (1, 3)
    ]

    for one, three in zip(*answers, strict=True):
        assert [prediction["label"] for prediction in one] == [prediction["label"] for prediction in three]
        assert [prediction["probability"] for prediction in one] == pytest.approx(
            [prediction["probability"] for prediction in three], abs=1e-5
        )


def test_explain_writes_a_heat_map_for_each_picture_into_a_mirrored_folder(classify, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "pets").mkdir(parents=True)
    (pictures / "pets" / "cat.jpg").write_bytes(CAT.read_bytes())
    Image.open(CAT).save(pictures / "cat.png")

    result = classify("pictures", "--explain", "maps", "--format", "json", cwd=tmp_path)

    maps = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "maps").rglob("*") if path.is_file())
    assert maps == ["maps/pictures/cat.png.heatmap.jpg", "maps/pictures/pets/cat.jpg.heatmap.jpg"]
    with Image.open(tmp_path / maps[0]) as heat_map, Image.open(CAT) as photograph:
        assert heat_map.size == photograph.size
        assert np.abs(np.asarray(heat_map).astype(int) - np.asarray(photograph)).max() > 100
    explanation = json.loads(result.stdout)[0]["explanation"]
    assert explanation["class_index"] == 285
    assert np.shape(explanation["grid"]) == (7, 7)


def test_two_pictures_never_share_a_heat_map(classify, tmp_path):
    here = tmp_path / "here"
    for folder in (tmp_path / "photos", here / "photos"):
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(CAT.read_bytes())

    classify("photos", "../photos", "--explain", "maps", cwd=here)

    assert len(list((here / "maps").rglob("*.jpg"))) == 2


@needs_fine_tuned_model
def test_a_users_own_model_answers_with_its_labels(classify):
    labels = FINE_TUNED.with_name("labels.txt")

    result = classify("--model", FINE_TUNED, "--labels", labels, "--scaling", "zero_to_one", CAT, "--format", "json")

    (record,) = json.loads(result.stdout)
    assert record["predictions"][0]["label"] == "neutral"
    assert record["predictions"][0]["wnid"] is None
    assert record["model_version"].startswith("image_safety_inception_v3/")

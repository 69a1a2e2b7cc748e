import numpy as np
import pytest

from shared.classifier.labels import Label, imagenet_labels, read_labels, top_k
from shared.errors import LabelsMismatchError


def test_there_are_a_thousand_classes_in_the_order_of_their_wordnet_ids():
    wnids = [label.wnid for label in imagenet_labels()]

    assert len(set(wnids)) == 1000
    assert wnids == sorted(wnids)


@pytest.mark.parametrize(
    ("class_index", "wnid", "text"),
    [
        (0, "n01440764", "tench"),
        (285, "n02124075", "Egyptian cat"),
        (504, "n03063599", "coffee mug"),
        (967, "n07920052", "espresso"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_a_class_index_has_the_wordnet_id_and_label_that_imagenet_gives_it(class_index, wnid, text):
    assert imagenet_labels()[class_index] == Label(text, wnid)


def test_no_two_classes_share_a_label():
    assert len({label.text for label in imagenet_labels()}) == 1000


def test_a_labels_file_is_read_without_blank_lines_and_byte_order_mark(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\N{BYTE ORDER MARK}cat\r\nchien é\r\n\r\n".encode())

    assert read_labels(path) == (Label("cat"), Label("chien é"))


@pytest.mark.parametrize("contents", [None, b"", b"\xff\xfe\x00\x01"])
def test_a_missing_empty_or_undecodable_labels_file_is_a_clear_error(tmp_path, contents):
    path = tmp_path / "labels.txt"
    if contents is not None:
        path.write_bytes(contents)

    with pytest.raises(LabelsMismatchError, match=r"labels\.txt"):
        read_labels(path)


def test_top_k_gives_the_likeliest_first_and_ties_in_the_order_of_their_indexes():
    labels = [Label(name) for name in "abcd"]

    best = top_k(np.array([0.1, 0.4, 0.1, 0.4], np.float32), labels, k=3)

    assert [prediction.label for prediction in best] == ["b", "d", "a"]
    assert best[0].probability == pytest.approx(0.4)


def test_top_k_of_more_than_there_are_gives_all():
    assert len(top_k(np.array([0.5, 0.5], np.float32), [Label("a"), Label("b")], k=5)) == 2

"""The figures that models are compared by, on lists whose figures are known by hand."""

from math import log2

import numpy as np
import pytest

from shared.recommender.list_writing import NO_ITEM
from shared.recommender.metrics import concentration, coverage, ndcg_at_k, novelty, recall_at_k

HITS = np.array([[True, False, True], [False, False, False], [True, True, True]])
WANTED = np.array([2, 1, 5])
LISTS = np.array([[0, 1, 2], [0, 2, NO_ITEM], [0, NO_ITEM, NO_ITEM]], np.uint32)


def test_recall_is_the_share_of_what_was_taken():
    assert recall_at_k(HITS, WANTED, 3).tolist() == [1, 0, 3 / 5]
    assert recall_at_k(HITS, WANTED, 1).tolist() == [1 / 2, 0, 1 / 5]


def test_ndcg_counts_early_hits_more_and_is_1_at_best():
    expected = [(1 + 1 / log2(4)) / (1 + 1 / log2(3)), 0, 1]

    assert ndcg_at_k(HITS, WANTED, 3) == pytest.approx(expected)


def test_lists_shorter_than_k_lose_what_is_not_there():
    expected = [1 / (1 + 1 / log2(3)), 0, 1 / (1 + 1 / log2(3) + 1 / 2)]

    assert ndcg_at_k(HITS[:, :1], WANTED, 3) == pytest.approx(expected)


def test_coverage_counts_each_item_once():
    assert coverage(LISTS, items=6, k=3) == 3 / 6
    assert coverage(LISTS, items=6, k=1) == 1 / 6


def test_novelty_is_the_mean_surprise_in_bits():
    assert novelty(LISTS, np.array([1, 1 / 2, 1 / 4]), k=3) == pytest.approx((0 + 1 + 2 + 0 + 2 + 0) / 6)


def test_concentration_is_the_share_of_lists_with_the_commonest_item():
    assert concentration(LISTS, k=3) == 1
    assert concentration(LISTS[:, 1:], k=2) == pytest.approx(2 / 3)


def test_nobody_being_shown_anything_is_no_failure():
    nothing = np.full((2, 3), NO_ITEM, np.uint32)

    assert (coverage(nothing, 6, 3), novelty(nothing, np.ones(1), 3), concentration(nothing, 3)) == (0, 0, 0)

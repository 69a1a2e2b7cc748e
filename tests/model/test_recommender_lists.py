import re
import subprocess
import sys

import numpy as np
import pytest

from shared.errors import ArtifactError
from shared.recommender.list_writing import NO_ITEM, write_lists
from shared.recommender.lists import KEY_BYTES, Lists
from tests.model.recommended import LISTS, rows


def lists_of(seed, users, items):
    """Lists of random lengths, none of length 0, and their users."""
    random = np.random.default_rng(seed)
    numbers = random.integers(items, size=(users, 20), dtype=np.uint32)
    numbers[np.arange(20) >= random.integers(1, 21, size=(users, 1))] = NO_ITEM
    return [f"user-{number}" for number in random.permutation(users)], numbers


def expected(row):
    return tuple(row[row != NO_ITEM].tolist())


def test_every_user_gets_the_list_that_was_written(tmp_path):
    users, numbers = lists_of(seed=1, users=5_000, items=65_536)

    assert (
        write_lists(tmp_path / "lists", [(users[:100], numbers[:100]), (users[100:], numbers[100:])], 65_536) == 5_000
    )

    with Lists(tmp_path / "lists", 2, KEY_BYTES) as lists:
        assert all(lists.get(user) == expected(row) for user, row in zip(users, numbers, strict=True))
        assert [lists.get(user) for user in ("", "stranger", "user-5000", "üser\ud800")] == [None] * 4


def test_more_items_than_two_bytes_count_take_four(tmp_path):
    users, numbers = lists_of(seed=2, users=300, items=65_537)
    numbers[0, 0] = 65_536

    write_lists(tmp_path / "lists", [(users, numbers)], 65_537)

    with Lists(tmp_path / "lists", 4, KEY_BYTES) as lists:
        assert all(lists.get(user) == expected(row) for user, row in zip(users, numbers, strict=True))


@pytest.mark.parametrize("key_bytes", [1, 2], ids=["all share keys", "some do"])
def test_users_whose_keys_are_equal_keep_their_own_lists(tmp_path, key_bytes):
    users, numbers = lists_of(seed=3, users=2_000, items=500)

    write_lists(tmp_path / "lists", [(users, numbers)], 500, key_bytes=key_bytes)

    with Lists(tmp_path / "lists", 2, key_bytes) as lists:
        assert all(lists.get(user) == expected(row) for user, row in zip(users, numbers, strict=True))
        assert lists.get("a stranger whose key is taken twice") is None


def test_a_user_who_comes_twice_is_refused(tmp_path):
    twice = [(["ann", "ben"], rows([[1], [2]])), (["ann"], rows([[3]]))]

    with pytest.raises(ArtifactError, match="ann came twice"):
        write_lists(tmp_path / "lists", twice, 40)


def test_a_user_with_an_empty_list_is_as_good_as_a_stranger(tmp_path):
    assert write_lists(tmp_path / "lists", [(["ann", "ben"], rows([[], [2]]))], 40) == 1

    with Lists(tmp_path / "lists", 2, KEY_BYTES) as lists:
        assert (lists.get("ann"), lists.get("ben")) == (None, (2,))


@pytest.mark.parametrize("batches", [[], [([], rows([]))]], ids=["no batch", "an empty batch"])
def test_no_users_at_all_are_written_too(tmp_path, batches):
    assert write_lists(tmp_path / "lists", batches, 40) == 0

    with Lists(tmp_path / "lists", 2, KEY_BYTES) as lists:
        assert lists.get("ann") is None


@pytest.mark.parametrize(
    ("users", "numbers", "message"),
    [
        (["ann"], rows([[40]]), "above the 40"),
        (["ann"], rows([[NO_ITEM, 3]]), "gap"),
        (["ann"], rows([[1], [2]]), "1 users came with 2 lists"),
    ],
)
def test_lists_that_cannot_be_served_are_refused(tmp_path, users, numbers, message):
    with pytest.raises(ArtifactError, match=message):
        write_lists(tmp_path / "lists", [(users, numbers)], 40)


def test_a_list_of_twenty_costs_less_than_a_hundred_bytes(tmp_path):
    users, numbers = [f"user-{number}" for number in range(20_000)], np.full((20_000, 20), 7, np.uint32)

    write_lists(tmp_path / "lists", [(users, numbers)], 5_000)

    assert (tmp_path / "lists").stat().st_size / 20_000 < 65


def test_what_is_no_store_of_lists_is_told(tmp_path):
    (tmp_path / "lists").write_bytes(b"not LMDB" * 4096)

    with pytest.raises(ArtifactError, match=re.escape(str(tmp_path / "lists"))):
        Lists(tmp_path / "lists", 2, KEY_BYTES)


def test_threads_share_the_lists(tmp_path):
    """In a process of its own: what threads do to a C library they would do to the test runner."""
    write_lists(tmp_path / "lists", [(list(LISTS), rows(list(LISTS.values())))], 40)
    program = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shared.recommender.lists import KEY_BYTES, Lists
lists = Lists(Path(sys.argv[1]), 2, KEY_BYTES)
with ThreadPoolExecutor(16) as pool:
    print({tuple(map(lists.get, ("ann", "ben", "dan"))) for _ in range(2_000)} == {*pool.map(
        lambda _: tuple(map(lists.get, ("ann", "ben", "dan"))), range(20_000))})
"""

    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lists"], capture_output=True, text=True, check=True
    )

    assert run.stdout == "True\n"

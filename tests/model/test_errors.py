import re

from shared import errors
from tests.conftest import ROOT

CODES = [kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")]


def test_no_two_errors_share_a_code():
    assert len(set(CODES)) == len(CODES) > 0


def test_every_code_is_in_the_table_of_the_page_and_no_other():
    table = re.findall(
        r"^\| `(\w+)` \| \S", (ROOT / "shared" / "README.md").read_text().split("## Errors")[1], re.MULTILINE
    )

    assert sorted(table) == sorted(CODES)


def test_an_error_says_what_happened_and_what_to_do():
    error = errors.ImageEmptyError("The file is empty.", "Send another.")

    assert (error.detail, error.remedy) == ("The file is empty.", "Send another.")
    assert str(error) == "The file is empty. Send another."

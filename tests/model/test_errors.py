import re

from shared import errors
from tests.conftest import ROOT
from tests.repo.checkout import python_in

CODES = [
    code
    for path in python_in("shared")
    for code in re.findall(r'^    code = "(\w+)"$', (ROOT / path).read_text(), re.MULTILINE)
]


def test_no_two_errors_share_a_code():
    named = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}

    assert len(set(CODES)) == len(CODES)
    assert named < {*CODES}


def test_every_code_is_in_the_table_of_the_page_and_no_other():
    page = (ROOT / "shared" / "README.md").read_text().split("## Errors")[1].split("\n## ")[0]
    table = [code for row in re.findall(r"^\|([^|]+)\|", page, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)]

    assert sorted(table) == sorted(CODES)


def test_an_error_says_what_happened_and_what_to_do():
    error = errors.ImageEmptyError("The file is empty.", "Send another.")

    assert (error.detail, error.remedy) == ("The file is empty.", "Send another.")
    assert str(error) == "The file is empty. Send another."

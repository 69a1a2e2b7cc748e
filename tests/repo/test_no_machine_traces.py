import re
from pathlib import Path

import pytest

from tests.repo.checkout import FILES, ROOT

# Put together from parts, or this file would find itself.
FOLDERS = "|".join("/" + name for name in ("home/[^/ ]+/", "Users/[^/ ]+/", "root/", "work/"))
REGISTRIES = "|".join(
    re.escape(".".join(host))
    for host in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
    )
)
TRACE = re.compile(rf"(?<![\w.~$}}-])(?:{FOLDERS})|(?:{REGISTRIES})")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_tells_where_it_was_written(path: Path):
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:  # a picture
        return

    traces = [f"{path}:{number}: {line}" for number, line in enumerate(text.splitlines(), 1) if TRACE.search(line)]

    assert traces == []

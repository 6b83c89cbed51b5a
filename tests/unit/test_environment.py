"""What a developer tells the tests by the environment reaches them: the rest is taken out of it."""

import re
from pathlib import Path

from environment import OURS

TESTS = Path(__file__).parents[1]


def test_every_variable_that_tests_read_is_left_to_them() -> None:
    read = {
        name
        for file in TESTS.rglob("*.py")
        for name in re.findall(r"""environ(?:\.get)?[\[(]"(WINNOW_\w+)\"""", file.read_text())
    }
    assert read
    assert read <= OURS

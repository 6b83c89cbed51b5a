"""The border before SQL: what trials and people say is made fit for every database, or refused with a sentence.

Databases differ in what they take: PostgreSQL no NUL, MariaDB no infinity and no long text, SQLite nearly anything.
"""

import json
import math
from typing import Any

from winnow.records import LARGEST_ATTRIBUTE, LARGEST_STEP
from winnow.storage.errors import ContentRefused

LONGEST_NAME = 512
_OF_MARIADB = 65_535
_MARIADB = ("mysql", "mariadb")


def text(said: str, longest: int, dialect: str = "") -> str:
    """Return a text without what a database cannot hold, cut to a length. MariaDB may know Latin letters only."""
    encoding, errors = ("ascii", "backslashreplace") if dialect in _MARIADB else ("utf-8", "replace")
    return said.replace("\x00", "?").encode(encoding, errors).decode()[:longest]


def name(said: Any, what: str) -> str:
    """Return the name of a study, a parameter or an attribute as it is; raise ContentRefused."""
    if not isinstance(said, str):
        raise ContentRefused(f"{what} must have a text for its name, not {type(said).__name__}")
    if len(said) > LONGEST_NAME:
        raise ContentRefused(f"{what} has a name of {len(said)} characters", f"take at most {LONGEST_NAME}")
    if text(said, LONGEST_NAME) != said:
        raise ContentRefused(
            f"{what} has a name that is no text for a database: {said!a:.100}",
            "remove the characters that a database cannot store",
        )
    return said


def as_json(key: str, said: Any, dialect: str) -> str:
    """Return an attribute as JSON; raise ContentRefused. Lone surrogates, which no page can show, become `?`."""
    try:
        made = json.dumps(said)
        if "\\ud" in made:
            made = json.dumps(json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")))
    except (TypeError, ValueError, RecursionError) as error:
        raise ContentRefused(
            f"the attribute {key!r} cannot be written as JSON: {type(error).__name__}: {text(str(error), 200)}",
            "give texts, numbers, booleans, None, and lists and dicts of these",
        ) from None
    longest = _OF_MARIADB if dialect in _MARIADB else LARGEST_ATTRIBUTE
    if len(made) > longest:
        raise ContentRefused(
            f"the attribute {key!r} has {len(made):,} characters as JSON, and at most {longest:,} are kept",
            "keep it in a file",
        )
    return made


def step(said: Any) -> int:
    """Return the step of an intermediate value; raise ContentRefused."""
    if not 0 <= said <= LARGEST_STEP or int(said) != said:
        raise ContentRefused(f"the step {said!r} is not valid", f"steps are whole numbers from 0 to {LARGEST_STEP:,}")
    return int(said)


def result(said: float) -> float:
    """Return the value of a finished trial; raise ContentRefused where it is no number."""
    if math.isnan(said):
        raise ContentRefused("its value is not a number (NaN)")
    return float(said)

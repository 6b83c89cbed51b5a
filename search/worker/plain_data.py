"""The border that what a trial says crosses on its way to the storage: it is data, cleaned and bounded here.

A text loses what a database cannot hold; a value, a step or an attribute that cannot be kept is an error of the trial.
"""

import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any, SupportsFloat

from winnow.records import LARGEST_ATTRIBUTE, LARGEST_STEP

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What makes a terminal write in bold or in a colour: PyTorch's own messages have it."""
REASON_CHARACTERS = 500
TRACEBACK_CHARACTERS = 4000
MOST_METRICS = 100
"""Beside the value, in one epoch."""
METRIC_CHARACTERS = 60


def text(content: object, most: int = REASON_CHARACTERS) -> str:
    """Return anything as a text that every database and page can hold, of its last `most` characters."""
    try:
        said = str(content)
    except BaseException as error:  # an exception whose __str__ raises
        said = f"<{type(content).__name__} whose text cannot be had: {type(error).__name__}>"
    plain = COLOUR.sub("", said)[-most:].encode("utf-8", "replace").decode()
    return plain.replace("\0", "\N{REPLACEMENT CHARACTER}")


def trace(content: str) -> str:
    """Return a traceback as such a text: of a long one its beginning and its end, where the user's own lines stand."""
    half = TRACEBACK_CHARACTERS // 2
    if len(content) > TRACEBACK_CHARACTERS:
        content = f"{content[: half - 3]}\n…\n{content[-half:]}"
    return text(content, TRACEBACK_CHARACTERS)


def reason(error: BaseException) -> str:
    """Return an exception in one line: its type and its text, or as much of it as fits."""
    said, _, trace = text(error, 10 * REASON_CHARACTERS).partition("Traceback (most recent call last)")
    if trace:  # of another process, as DataLoader's workers hand it on: its last line says what went wrong
        said = f"{said.removesuffix('Original ')} {trace.strip().splitlines()[-1]}"
    words = " ".join(f"{type(error).__name__}: {said}".split()).removesuffix(":")
    return words if len(words) <= REASON_CHARACTERS else f"{words[: REASON_CHARACTERS - 1]}…"


def result(value: object) -> float:
    """Return what an objective returned as a number, which may be infinite; raises ValueError with what is wrong."""
    if isinstance(value, str | bytes):
        raise ValueError(f"the objective returned {text(value, 60)!r}, which is no number")
    try:
        number = float(value)  # type: ignore[arg-type]
    except Exception:
        raise ValueError(f"the objective returned a {type(value).__name__}, which is no number") from None
    if math.isnan(number):
        raise ValueError("the objective returned NaN")
    return number


def step(number: Any) -> int:
    """Return a step that can be kept; raises TypeError or ValueError."""
    whole = int(number)
    if not 0 <= whole <= LARGEST_STEP:
        raise ValueError(f"the step {whole} is not between 0 and {LARGEST_STEP}")
    return whole


def metrics(measured: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """Return what an objective measured in an epoch as numbers by their names; raises TypeError or ValueError."""
    if len(measured) > MOST_METRICS:
        raise ValueError(f"{len(measured)} metrics were reported for one epoch, and {MOST_METRICS} can be kept")
    return {text(name, METRIC_CHARACTERS): float(value) for name, value in measured.items()}


def attribute(key: str, value: Any) -> Any:
    """Return the value of an attribute as plain data; raises TypeError or ValueError where it cannot be kept."""
    try:
        content = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"the attribute {text(key, 100)!r} cannot be kept as JSON ({text(error)}); give numbers, texts and lists"
        ) from None
    if len(content) > LARGEST_ATTRIBUTE:
        raise ValueError(
            f"the attribute {text(key, 100)!r} takes {len(content)} characters, and {LARGEST_ATTRIBUTE} can be kept; "
            "use trial.store_artifact"
        )
    return _cleaned(json.loads(content))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return text(value, sys.maxsize)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {text(key, sys.maxsize): _cleaned(item) for key, item in value.items()}
    return value

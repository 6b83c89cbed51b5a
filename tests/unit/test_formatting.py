"""Numbers as people read them."""

import math

import pytest

from winnow.search.analysis import formatting
from winnow.search.analysis.statistics import Sample


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "—"),
        ("", "—"),
        (True, "on"),
        (0.00012345, "0.0001234"),
        ([64, 128], "64, 128"),
        ("sgd", "sgd"),
        (math.nan, "nan"),
    ],
)
def test_numbers_are_said_in_four_digits(value: object, said: str) -> None:
    assert formatting.number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0123, "12 ms"),
        (4.21, "4.2 s"),
        (59.97, "1 min 0 s"),
        (200.4, "3 min 20 s"),
        (3599.8, "1 h 0 min"),
        (18720, "5 h 12 min"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    assert formatting.duration(seconds) == said


def test_what_was_recorded_is_said_with_its_unit() -> None:
    told = {"wall_seconds": 4.035, "peak_memory_bytes": 595058688, "parameters": 13706, "versions": {"torch": "2.14"}}
    assert formatting.recorded(told | {"training_seconds": 3.5, "attempts": 1, "git_commit": None}) == {
        "wall time": "4.0 s",
        "peak memory": "0.55 GiB",
        "parameters": "13,706",
        "versions": "torch 2.14",
        "training time": "3.5 s",
        "attempts": "1",
        "git commit": "—",
    }
    assert [formatting.state_word(each) for each in ("COMPLETE", "FAIL", "RUNNING")] == [
        "completed",
        "failed",
        "running",
    ]


def test_samples_are_said_with_what_is_known_of_them() -> None:
    assert formatting.spread(Sample((0.9, 0.92))) == "0.9100 ± 0.0141"
    assert formatting.spread(Sample((0.9,))) == "0.9000"
    assert formatting.interval(Sample((0.9,))) == "unknown"
    assert formatting.interval(Sample((0.1, 0.1)), "+") == "+0.1000 to +0.1000"


def test_one_is_not_several() -> None:
    assert [formatting.counted(count, "trial") for count in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


def test_a_noun_has_its_article() -> None:
    assert formatting.with_article("validation accuracy") == "a validation accuracy"
    assert formatting.with_article("objective value") == "an objective value"

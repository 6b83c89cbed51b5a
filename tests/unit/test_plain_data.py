"""What a trial says is data: cleaned and bounded before anything is written."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from winnow.search.worker import plain_data


@pytest.mark.parametrize(
    ("returned", "number"), [(1, 1.0), (True, 1.0), (torch.tensor(0.5), 0.5), (torch.ones(1), 1.0), (-1e308, -1e308)]
)
def test_a_result_is_what_is_one_number(returned: object, number: float) -> None:
    assert plain_data.result(returned) == number
    assert plain_data.result(float("inf")) == float("inf")


@pytest.mark.parametrize("returned", [None, "1", b"1", (1, 2), [1], {}, torch.ones(2), float("nan"), 1j, object()])
def test_a_result_is_nothing_else(returned: object) -> None:
    with pytest.raises(ValueError, match="the objective returned "):
        plain_data.result(returned)


def test_a_tensor_is_no_attribute_and_its_numbers_are() -> None:
    with pytest.raises(TypeError, match="the attribute 'loss' cannot be kept as JSON"):
        plain_data.attribute("loss", torch.ones(1))
    assert plain_data.attribute("loss", torch.ones(2).tolist()) == [1.0, 1.0]
    assert plain_data.attribute("k\0", {"a\ud800": ["\0"]}) == {"a?": ["\N{REPLACEMENT CHARACTER}"]}


def test_the_reason_of_an_error_in_another_process_is_its_last_line() -> None:
    class Faulty(torch.utils.data.IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            raise ValueError("this shard is torn")

    with pytest.raises(ValueError, match="this shard is torn") as raised:
        list(torch.utils.data.DataLoader(Faulty(), num_workers=1))
    reason = plain_data.reason(raised.value)
    assert reason == "ValueError: Caught ValueError in DataLoader worker process 0. ValueError: this shard is torn"


def test_a_long_traceback_keeps_the_line_that_began_it_and_the_one_that_raised() -> None:
    lines = [
        '  File "train.py", line 3',
        *(f'  File "library.py", line {line}' for line in range(1000)),
        "ValueError: no",
    ]
    kept = plain_data.trace("\n".join(lines))
    assert len(kept) <= plain_data.TRACEBACK_CHARACTERS
    assert kept.splitlines()[0] == lines[0]
    assert kept.splitlines()[-2:] == lines[-2:]
    assert plain_data.trace("\n".join(lines[:5])) == "\n".join(lines[:5])


def test_a_worker_imports_nothing_that_only_reports_need() -> None:
    heavy = "[name for name in ('torch', 'pandas', 'sklearn', 'scipy.stats', 'plotly', 'rich') if name in sys.modules]"
    code = f"import sys, winnow.search.cli.work; print({heavy})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"

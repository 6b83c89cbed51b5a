import pickle
import random
from typing import Any

import optuna
import pytest
import torch

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import SnapshotError
from winnow.objectives.snapshots import check_origin, from_bytes, on_cpu, to_bytes
from winnow.objectives.training_objective import TrainingObjective


def snapshot() -> dict[str, Any]:
    weights = torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)
    return {"model": {"weight": weights}, "curve": [{"loss": 1.5, "accuracy": None}], "data": "abc", "step": {0: 3}}


def test_bytes_come_back_as_they_went() -> None:
    back = from_bytes(to_bytes(snapshot()))
    assert torch.equal(back["model"]["weight"], snapshot()["model"]["weight"])
    assert back["model"]["weight"].stride() == snapshot()["model"]["weight"].stride()
    assert {**back, "model": None} == {**snapshot(), "model": None}


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a snapshot", pickle.dumps({"a": 1}), pickle.dumps(Evil()), to_bytes({"evil": Evil()})],
    ids=["empty", "two bytes", "text", "pickle", "evil pickle", "evil archive"],
)
def test_what_is_no_snapshot_is_refused(content: bytes) -> None:
    with pytest.raises(SnapshotError, match=f"these {len(content)} bytes are no snapshot"):
        from_bytes(content)


def test_a_trial_whose_checkpoint_nobody_can_read_trains_from_the_start_and_says_so() -> None:
    study = optuna.create_study(direction="maximize")
    objective = TrainingObjective(DataSpec("digits", validation=100))
    trials = [study.ask(), study.ask()]
    for trial in trials:
        trial.set_user_attr("winnow:given", {"epochs": 2, "hidden": [8], "seed": 3})
    unbroken, restarted = objective(trials[0]), objective(trials[1], b"PK and then nothing")
    assert restarted == unbroken
    assert "winnow:restarted" not in trials[0].user_attrs
    said = trials[1].user_attrs["winnow:restarted"]
    assert said.startswith("its checkpoint cannot be read (these 19 bytes are no snapshot")
    assert said.endswith("so it trained again from the start")
    assert sorted(study.trials[1].intermediate_values) == [1, 2]


def test_a_torn_snapshot_is_refused_wherever_it_is_torn() -> None:
    content = to_bytes(snapshot())
    for length in {0, 1, 2, len(content) - 1, *random.Random(0).sample(range(len(content)), 30)}:
        with pytest.raises(SnapshotError):
            from_bytes(content[:length])


def test_only_a_dict_is_a_snapshot() -> None:
    with pytest.raises(SnapshotError, match="this is a list"):
        from_bytes(to_bytes([1, 2]))  # type: ignore[arg-type]


def test_a_copy_does_not_follow_the_original() -> None:
    weight = torch.ones(2, requires_grad=True)
    copy = on_cpu({"a": [weight, 1, None]})
    with torch.no_grad():
        weight.zero_()
    assert copy["a"][0].tolist() == [1, 1]
    assert not copy["a"][0].requires_grad
    assert copy["a"][1:] == [1, None]


def test_the_origin_is_named_where_it_differs() -> None:
    check_origin({"config": {"lr": 1}, "data": "abc"}, {"lr": 1}, "abc")
    with pytest.raises(SnapshotError, match="its data is 'abc' and not 'def'"):
        check_origin({"config": {"lr": 1}, "data": "abc"}, {"lr": 1}, "def")
    with pytest.raises(SnapshotError, match=r"its widths is \[128\] and not \[8\]"):
        check_origin({"config": {"lr": 1}, "data": "abc"}, {"lr": 1, "widths": [8]}, "abc")
    with pytest.raises(SnapshotError, match="its lr is None and not 1"):
        check_origin({}, {"lr": 1}, "abc")

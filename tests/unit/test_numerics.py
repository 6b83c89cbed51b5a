"""What all trials of a study compute with: one precision and so many threads, which suit all devices of a fleet."""

from pathlib import Path

import pytest

from example_study import SPEC
from winnow import storage
from winnow.errors import StudyError
from winnow.search.study import study as studies
from winnow.search.study.study import WinnowStudy
from winnow.search.study.validation import check
from winnow.search.worker import numerics
from winnow.search.worker.devices import Device

NEW, OLD = Device("cuda:0", "GPU-a"), Device("cuda:1", "GPU-b", native_bf16=False)


@pytest.fixture
def study(tmp_path: Path) -> WinnowStudy:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db", create=True)
    return studies.create(opened, check(SPEC, "SPEC"))


def test_a_fleet_of_old_and_new_gpus_trains_in_fp32(study: WinnowStudy) -> None:
    numerics.suit_all(study, [NEW, OLD], threads=2)
    assert not numerics.is_precision_open(study)
    assert numerics.settle(study, threads=2, precision="bf16") == "fp32", "whichever a worker found faster"


def test_gpus_of_one_kind_are_left_to_measure(study: WinnowStudy) -> None:
    numerics.suit_all(study, [NEW, NEW], threads=2)
    assert numerics.is_precision_open(study)
    assert numerics.settle(study, threads=2, precision="bf16") == "bf16"
    numerics.suit_all(study, [NEW, OLD], threads=2)
    assert numerics.settle(study, threads=2, precision="fp32") == "bf16", "what is settled stays"


def test_other_threads_are_refused(study: WinnowStudy) -> None:
    numerics.settle(study, threads=2, precision="fp32")
    assert numerics.settled_threads(study) == 2
    with pytest.raises(StudyError, match="trains with 2 threads a worker, not 1"):
        numerics.settle(study, threads=1, precision="fp32")


def test_a_device_that_emulates_what_others_have_settled_says_so(
    study: WinnowStudy, caplog: pytest.LogCaptureFixture
) -> None:
    for device, precision in ((NEW, "bf16"), (OLD, "fp32")):
        numerics.warn_of_emulation(study, device, precision)
    assert not caplog.messages
    numerics.warn_of_emulation(study, OLD, "bf16")
    assert "cuda:1 only emulates bfloat16, in which" in caplog.text

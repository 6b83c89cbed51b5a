"""What all trials of a study compute with, settled once: precision and CPU threads, or none could be compared."""

import logging
from collections.abc import Sequence

from winnow.errors import StudyError
from winnow.records import NUMERICS
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.devices import Device
from winnow.storage import designs, settled

_log = logging.getLogger("winnow")


def settled_threads(study: WinnowStudy) -> int | None:
    """Return with how many CPU threads all trials of a study train; None while none has trained."""
    numerics = settled.settled(study.storage.database, study.study_id, NUMERICS)
    return None if numerics is None else int(numerics["threads"])


def is_precision_open(study: WinnowStudy) -> bool:
    """Return whether a worker of the study is to measure which precision is faster."""
    if "precision" in {**study.spec.fixed, **study.spec.search}:
        return False
    database, study_id = study.storage.database, study.study_id
    # The rows of a design say it, and its baseline is nobody's.
    return not (settled.settled(database, study_id, NUMERICS) or designs.read(database, study_id))


def settle(study: WinnowStudy, threads: int, precision: str) -> str:
    """Return the study's precision: this one, unless another was settled before; raise StudyError for other threads."""
    mine = {"threads": threads, "precision": precision}
    held = settled.settle(study.storage.database, study.study_id, NUMERICS, mine)
    if held["threads"] != threads:
        raise StudyError(
            f"the study {study.name!r} trains with {held['threads']} threads a worker, not {threads}",
            f"give --threads {held['threads']}",
        )
    return str(held["precision"])


def warn_of_emulation(study: WinnowStudy, device: Device, precision: str) -> None:
    """Say where a device is to train in bfloat16, as a study was begun or as it says, and would emulate it."""
    if not device.native_bf16 and study.spec.fixed.get("precision", precision) == "bf16":
        _log.warning(
            "%s only emulates bfloat16, in which %r trains: it is slower here than in fp32 (precision in [fixed])",
            device.name,
            study.name,
        )


def suit_all(study: WinnowStudy, devices: Sequence[Device], threads: int) -> None:
    """Settle fp32 where bfloat16 is open, and some of the devices that are to train together would emulate it."""
    if not all(device.native_bf16 for device in devices) and is_precision_open(study):
        settle(study, threads, "fp32")

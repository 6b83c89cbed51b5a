"""A training's snapshot as bytes, and back: never by unpickling."""

import io
from typing import Any

import torch

from winnow.objectives.errors import SnapshotError
from winnow.objectives.hyperparameters import config_values, make_config

Snapshot = dict[str, Any]
"""Everything a training needs to go on: tensors, numbers, texts, None, and lists and dicts of them."""


def to_bytes(snapshot: Snapshot) -> bytes:
    """Return the snapshot as bytes that `from_bytes` reads, on any device."""
    buffer = io.BytesIO()
    torch.save(snapshot, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Snapshot:
    """Return the snapshot, its tensors on the CPU.

    Raises SnapshotError on bytes that are torn or hold anything but data.
    """
    try:
        if not content.startswith(b"PK"):
            raise ValueError("not an archive")
        snapshot = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load meets torn bytes with whatever the part that was torn leads to
        raise SnapshotError(
            f"these {len(content)} bytes are no snapshot: {str(error).splitlines()[0] if str(error) else error!r}",
            "train again from the start, or from an earlier snapshot",
        ) from error
    if not isinstance(snapshot, dict):
        raise SnapshotError(
            f"a snapshot is a dict, and this is a {type(snapshot).__name__}", "train again from the start"
        )
    return snapshot


def check_origin(snapshot: Snapshot, config: dict[str, Any], data: str) -> None:
    """Raise SnapshotError where `snapshot` is not of the training of `config` on the data of fingerprint `data`."""
    known = config_values(make_config())
    theirs = {**snapshot.get("config", {}), "data": snapshot.get("data")}
    if "config" in snapshot:  # what an earlier Winnow did not know is at its default
        theirs = {**known, **theirs}
    ours = {**known, **config, "data": data}
    different = [name for name in {**config, **theirs} if theirs.get(name) != ours.get(name)]
    if different:
        name = different[0]
        raise SnapshotError(
            f"the snapshot is of another training: its {name} is {theirs.get(name)!r} and not {ours.get(name)!r}",
            "train from the start",
        )


def on_cpu(value: Any) -> Any:
    """Return a copy of nested dicts and lists with every tensor detached on the CPU: later steps do not change it."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: on_cpu(item) for key, item in value.items()}
    return [on_cpu(item) for item in value] if isinstance(value, list) else value

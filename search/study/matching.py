"""Whether a spec is the one that its study began with: in what decides a trial, and in the file of its weights."""

import json
from collections.abc import Mapping
from typing import Any

from winnow.errors import StudyError
from winnow.objectives.models import weights_file
from winnow.search.study.spec import Spec

PIN = "weights_sha256"
"""Of `[fixed]`: filled in when a study is made whose trials begin from a file of weights."""
MATCHED = (
    *("objective", "extensions", "metric", "direction", "against", "data", "fixed", "search", "baseline", "seed"),
    "devices_per_trial",
)


def pinned(spec: Spec) -> Spec:
    """Return the spec with the SHA-256 of the file of weights that its `[fixed]` names, where that file lies here."""
    file = spec.fixed.get("weights") if spec.built_in else None
    digest = weights_file.digest(file) if file else ""
    return spec.model_copy(update={"fixed": {PIN: digest, **spec.fixed}}) if digest else spec


def with_same_weights(spec: Spec, stored: Spec) -> Spec:
    """Return the spec with the file of weights that the stored one knows, which need not lie here.

    Raises StudyError.
    """
    pin = stored.fixed.get(PIN)
    if pin is None or spec.fixed.get("weights") != stored.fixed.get("weights"):
        return spec
    if spec.fixed.get(PIN, pin) != pin:
        raise StudyError(
            f"weights = {spec.fixed['weights']!r} is not the file that the study {spec.name!r} began with",
            "bring back that file, or give the spec another name",
        )
    return spec.model_copy(update={"fixed": {**spec.fixed, PIN: pin}})


def refuse_another(known: Spec, spec: Spec) -> None:
    """Raise StudyError where a spec says something else than the one that its study is known to have."""
    stored, given = ({**each.model_dump(mode="json"), **each.fleet.model_dump()} for each in (known, spec))
    differing = [key for key in MATCHED if stored[key] != given[key]]
    if differing:
        key = differing[0]
        there, here = stored[key], given[key]
        if isinstance(there, dict) and isinstance(here, dict):
            there, here = (_apart(*pair) for pair in ((there, here), (here, there)))
        raise StudyError(
            f"the study {spec.name!r} exists with another [{key}]: {_short(there)}, not {_short(here)}",
            "give the spec another name, or bring that part back" + ", moved data by a link there" * (key == "data"),
        )


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of one part of a spec is not so in another, as deep as both have parts."""
    return {
        name: _apart(value, other[name]) if isinstance(value, dict) and isinstance(other.get(name), dict) else value
        for name, value in one.items()
        if name not in other or other[name] != value
    }


def _short(content: object) -> str:
    text = json.dumps(content)
    return text if len(text) <= 60 else text[:57] + "…"

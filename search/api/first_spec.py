"""`winnow new`: look at images, other data of one's own or a named data set, and write the spec of a first search.

The choices rest on `bench/README.md`: a small convolutional network in batches of 32, whose search on seven small data
sets had the best winners, and a first rung after a sixth of the epochs, with a tenth of the trials let finish.
"""

import difflib
import json
import math
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from winnow.errors import StudyError
from winnow.objectives.data import image_files, image_folder, overview, own_parts
from winnow.objectives.data.catalog import CATALOG, DataSet, DataSpec
from winnow.objectives.data.overview import Overview
from winnow.objectives.errors import DataError
from winnow.search.analysis.formatting import counted, duration
from winnow.search.analysis.repetitions import USUAL_TRAININGS
from winnow.search.api.forecast import Forecast, look_ahead
from winnow.search.study import ready, validation
from winnow.search.worker import devices
from winnow.storage.files import write_whole

SIDES = (128, 96, 64, 48, 32)
"""Pixels a side that are tried, the largest first; on a CPU no more than 64."""
BATCH = 32
"""Examples of a step; of fewer than 64, about half of them."""
UPDATES = 600
"""Steps of a training, about: fewer epochs of more data."""
VALIDATION = 0.2
MINUTES = 10.0
"""What a first search and its confirmation may take here."""
FEWEST, ENOUGH, MOST = 20, 30, 60
"""Trials of a first search; trainings are made shorter where there is no time for enough of them."""
LEEWAY = 1.5
"""How many times as long as foreseen the fewest trials may take."""
MOST_COMPARED = 5_000
"""Files that are looked at for copies."""
LARGE, PART = 10_000, 5_000
"""Training examples beyond which a CPU takes a part of them, and how many these are."""


@dataclass(frozen=True)
class Seen:
    """What was found where a search is to begin."""

    source: str
    data: DataSet
    """As in the catalogue; of a folder, with its own numbers."""
    images: Overview | None
    grey: bool
    written: bool
    """Whether the classes are characters, which a mirror makes into something else."""
    copies: int
    """Files that are copies of others, byte for byte."""
    options: Mapping[str, Any]
    """What `[data]` is to say of it: its `path`, and what a person said: `black`, `white`, `broken`."""


def look(source: str, **options: Any) -> Seen:
    """Look at what a person names; raises StudyError where it is neither a folder nor a data set, DataError."""
    path = Path(source).expanduser()
    if (name := _own(source, path)) and not options:
        return _look_at_own(name, {"path": source} if path.exists() else {}, source)
    if path.is_file():
        raise StudyError(f"{source} is no file that Winnow reads by itself", image_folder.READ_BY_A_FUNCTION)
    if not path.is_dir():
        names = [name for name, each in CATALOG.items() if each.task and name != "image_folder"]
        if source not in names:
            folders = [str(each) for each in path.parent.glob("*") if each.is_dir()]
            near = difflib.get_close_matches(source, [*names, *folders, *ready.names()], n=1)
            named = f"a folder of images, an npz file, your own module:function, or one of {', '.join(names)}"
            remedy = f"did you mean {near[0]}?" if near else f"name {named}"
            if near and near[0] not in (*names, *folders):
                remedy = f"did you mean the ready study {near[0]}? It has its spec: winnow run {near[0]}"
            raise StudyError(f"there is no folder and no data set {source!r}", remedy)
        if options:
            raise StudyError(f"{source} is no folder of images", f"leave out --{', --'.join(options)}")
        known = CATALOG[source]
        return Seen(source, known, None, len(known.shape) == 3 and known.shape[0] == 1, known.written, 0, options)
    found = overview.of_folder(DataSpec("image_folder", path=source, validation=VALIDATION, **options))
    side = min((*(found.smallest or ()), *(found.largest or ())), default=32)
    data = DataSet("image_folder", "classification", (3, side, side), len(found.classes), found.train, found.test)
    names = [each.name for each in found.classes]
    return Seen(
        source,
        data,
        found,
        grey=image_files.all_grey(overview.evenly(found.files)),
        written=all(len(name) <= 2 and name.isalnum() for name in names),
        copies=_copies(found.files),
        options={"path": source, **options},
    )


def _own(source: str, path: Path) -> str:
    """Return the catalogue's name of data of one's own; empty of all else."""
    if path.is_dir():
        saved = any((path / f"dataset_{kind}.json").is_file() for kind in ("info", "dict"))
        return "hugging_face" if saved else "idx" * any(path.glob("*-images-idx*"))
    return "npz" if path.suffix == ".npz" and path.is_file() else source * (":" in source)


def _look_at_own(name: str, options: dict[str, Any], source: str) -> Seen:
    try:
        data = own_parts.describe(DataSpec(name, **options))
    except DataError:  # perhaps of images of many sizes
        options["size"] = SIDES[2]
        data = own_parts.describe(DataSpec(name, **options))
    return Seen(source, data, None, data.shape[0] == 1, False, 0, options)


@dataclass(frozen=True)
class Plan:
    """What is decided by how long it takes here."""

    side: int
    """Pixels of an image."""
    train: int
    """Examples."""
    epochs: int
    trials: int = 40
    device_seconds: float | None = None
    """Of the search, at most."""

    @property
    def batch(self) -> int:
        """Examples of a step: a power of two, so that an epoch has two steps and more."""
        return min(BATCH, 1 << max(2, self.train // 2).bit_length() - 1)

    @property
    def cost(self) -> int:
        """How long a training takes, in proportion to others of the same data."""
        return self.side**2 * self.train * self.epochs


def write(source: str, file: Path, minutes: float = MINUTES, **options: Any) -> tuple[Seen, Forecast | None]:
    """Write the spec that fits `source` and this machine, whose search and confirmation take about `minutes` here.

    `options` are what `[data]` is to say of a folder's images. Raises StudyError where the file is there, or as `look`.
    """
    if file.exists():
        raise StudyError(f"{file} is there already", "delete it, or name another file with --output")
    seen = look(source, **options)
    first, *cheaper = _plans(seen)
    forecast = _forecast(seen, file, plan := first)
    if forecast is not None and cheaper and (over := _over(forecast, minutes)) > 1:
        plan = next((each for each in cheaper if each.cost * over <= first.cost), cheaper[-1])
        forecast = _forecast(seen, file, plan)
    if forecast is not None:
        each, share = forecast.training_seconds, forecast.share
        left = 60 * minutes * forecast.workers - USUAL_TRAININGS * each
        trials = max(FEWEST, min(MOST, int(left / (each * share)) // 10 * 10))
        most = max(left, LEEWAY * trials * each * share)
        plan = replace(plan, trials=trials, device_seconds=most)
        seconds = (trials * each * share / forecast.workers, min(most, trials * each) / forecast.workers)
        forecast = replace(forecast, seconds=seconds, trials=trials)
    write_whole(file, spec_text(seen, file, plan).encode())
    return seen, forecast


def _plans(seen: Seen) -> list[Plan]:
    """Return what is worth a try, the costliest first: large images, then fewer epochs, then fewer examples."""
    train = seen.data.train
    if not _has_gpu() and train > LARGE:
        train = PART
    epochs = min(30, max(10, round(UPDATES * BATCH / max(1, train))))
    plans = [Plan(side, train, epochs) for side in _sides(seen)]
    plans += [replace(plans[-1], epochs=fewer) for fewer in (20, 10) if fewer < epochs]
    return plans + [replace(plans[-1], train=fewer) for fewer in (PART, PART // 2) if fewer < train]


def _forecast(seen: Seen, file: Path, plan: Plan) -> Forecast | None:
    return look_ahead(validation.parse(spec_text(seen, file, plan), str(file)))


def _over(forecast: Forecast, minutes: float) -> float:
    """Return how many times too long a training is for a search of `ENOUGH` trials and its confirmation."""
    seconds = forecast.training_seconds * (ENOUGH * forecast.share + USUAL_TRAININGS) / forecast.workers
    return seconds / (60 * minutes)


def spec_text(seen: Seen, file: Path, plan: Plan) -> str:
    """Return the spec as TOML, each choice with its reason."""
    data, images, epochs = seen.data, len(seen.data.shape) == 3, plan.epochs
    quoted = shlex.quote(str(file))
    lines = [
        f"# A first search on {seen.source}: {_what(seen)}.",
        f"# Written by `winnow new`. Change what you like; `winnow check {quoted}` says what it will do.",
        f"name = {_text(study_name(seen.source))}",
        *(['objective = "regression"'] if data.task == "regression" else []),
        "",
        "[data]",
        f"name = {_text(data.name)}",
        *(f"{name} = {_text(value)}" for name, value in seen.options.items()),
        *_data_lines(seen, plan),
        "",
        "[fixed]  # what is not searched; all else is at its default (docs/hyperparameters.md)",
        *(_network_lines(plan.side) if images else ['model = "mlp"']),
        f"batch_size = {plan.batch}  # small batches are more steps, of which a small data set has few",
        f"epochs = {epochs}  # at most; about {round(plan.train / plan.batch) * epochs:,} steps",
        "",
        "[search]",
        "lr = { low = 3e-4, high = 3e-2, log = true }",
        'optimizer = { choices = ["adam", "adamw"] }',
        "weight_decay = { low = 1e-6, high = 1e-2, log = true }",
        "dropout = { low = 0.0, high = 0.5 }",
        *(["label_smoothing = { low = 0.0, high = 0.2 }"] if data.task == "classification" else []),
        *(_augmentation_lines(seen, plan.side) if images else ["widths = { choices = [[32], [128], [64, 64]] }"]),
        "",
        "[pruner]",
        'name = "asha"  # of three trials that reach a rung, the best goes on',
        f"min_resource = {max(2, epochs // 6)}  # epochs before the first rung; the report says how much they foretold",
        "audit = 0.1  # so many finish all the same: the report says how often the pruner erred",
        "",
        "[budget]",
        f"trials = {plan.trials}",
        *_time_lines(plan),
    ]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    """Return a value as TOML writes it, which knows JSON's texts but for its halves of characters."""
    return json.dumps(value, ensure_ascii=False)


def _copies(files: Sequence[Path]) -> int:
    sizes = Counter(file.stat().st_size for file in files[:MOST_COMPARED] if file.exists())
    alike = [file for file in files[:MOST_COMPARED] if file.exists() and sizes[file.stat().st_size] > 1]
    return sum(count - 1 for count in Counter(sha256(file.read_bytes()).digest() for file in alike).values())


def _sides(seen: Seen) -> list[int]:
    """Return the sizes that are worth a try, the largest first."""
    smallest = min(seen.data.shape[1:], default=0)
    if seen.images is None:
        return [smallest]
    most = 128 if _has_gpu() else 64
    return [side for side in SIDES if side <= min(smallest, most)] or [smallest]


def _has_gpu() -> bool:
    return any(device.kind == "cuda" for device in devices.choose())


def _what(seen: Seen) -> str:
    if seen.images is None:
        return f"{seen.data.train:,} examples to train" + f", {seen.data.classes} classes" * bool(seen.data.classes)
    sizes = [each.train + each.validation + each.test for each in seen.images.classes]
    colour = "grey" if seen.grey else "colour"
    return (
        f"{sum(sizes):,} {colour} images of {len(sizes)} classes ({min(sizes):,} to {max(sizes):,} a class)"
        + f", {counted(seen.copies, 'file')} of them copies of others" * bool(seen.copies)
    )


def study_name(source: str) -> str:
    """Return what the study of a folder or data set is called."""
    path = Path(source).expanduser().resolve()
    plain = unicodedata.normalize("NFKD", path.stem if path.is_file() else path.name).encode("ascii", "ignore")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain.decode()).strip("-._") or "images"


def _data_lines(seen: Seen, plan: Plan) -> list[str]:
    part = [f"train = {plan.train}  # of {seen.data.train:,}: more would take too long here"]
    part = part if plan.train < seen.data.train else []
    if seen.images is None:
        count = "1000" if part else f"{VALIDATION}  # of the examples, to judge the trials by"
        return [*part, f"validation = {count}"]
    smallest, largest = seen.images.smallest or (plan.side,) * 2, seen.images.largest or (plan.side,) * 2
    pixels = " to ".join(dict.fromkeys(f"{width} x {height}" for width, height in (smallest, largest)))
    return [
        *part,
        f"size = {plan.side}  # pixels a side that they are resized to, of {pixels}; doubled, it takes 4 times as long",
        f"validation = {VALIDATION}  # of the images, to judge the trials by; a folder `val` is taken instead",
    ]


def _time_lines(plan: Plan) -> list[str]:
    if plan.device_seconds is None:
        return []
    hours = math.ceil(plan.device_seconds / 36) / 100
    return [
        f"device_hours = {hours}  # or these, {duration(3600 * hours)} of all workers together, should it take longer"
    ]


def _network_lines(side: int) -> list[str]:
    filters = [16, 32] if side <= 32 else [16, 32, 64]
    return ['model = "cnn"', f"filters = {filters}  # one convolution each, and a pooling after it", "hidden = [64]"]


def _augmentation_lines(seen: Seen, side: int) -> list[str]:
    lines = ["batch_norm = { choices = [false, true] }", "crop = { choices = [false, true] }"]
    lines.append(f"crop_padding = {{ low = 1, high = {max(2, side // 8)}, when = {{ crop = [true] }} }}")
    if seen.written:
        return [*lines, "# no flip: the classes look like characters, which a mirror makes into something else"]
    lines.append("flip = { choices = [false, true] }  # leave it out where left and right differ")
    return lines if seen.grey else [*lines, "color_jitter = { choices = [false, true] }"]

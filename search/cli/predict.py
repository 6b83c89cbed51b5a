"""`winnow predict`: what the winner of a study says of new images."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from winnow.errors import StudyError, WinnowError
from winnow.search.analysis.formatting import number
from winnow.search.cli.options import json_option, storage_option
from winnow.search.report.terminal.screen import FittingTable, screen

if TYPE_CHECKING:
    from winnow.objectives.prediction import Model


@click.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@storage_option
@click.option("--top", type=click.IntRange(1), default=1, show_default=True, help="How many classes to name.")
@json_option
def predict(model: str, images: tuple[Path, ...], url: str, top: int, json: bool) -> None:
    """Say which class each of IMAGES shows, by MODEL: a study that was confirmed, or a folder that was exported.

    An image may be a folder, which stands for all images in it. Files that are no images are named, and the others
    predicted; the exit status is then 1.
    """
    from winnow.search.api.model import load_model  # torch comes with it
    from winnow.search.api.study import load_study

    files = list(_files(images))
    if not files:
        raise StudyError(f"there is no image in {images[0]}", "name image files, or a folder of them")
    found = load_model(model if Path(model, "config.json").is_file() else load_study(model, url))
    images_read, problems = _read(found, files)
    rows = _predictions(found, images_read, top)
    if json:
        click.echo(dumps(rows, indent=2))
    else:
        _show(rows)
    for problem in problems:
        click.echo(f"winnow: {problem}", err=True)
    if problems:
        sys.exit(1)


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    table = FittingTable()
    table.add_column("image", overflow="fold")
    table.add_column("prediction")
    for row in rows:
        said = ", ".join(f"{name} {share:.1%}" for name, share in row["classes"].items()) or number(row["value"])
        table.add_row(row["image"], said)
    screen().print(table)


def _files(given: Sequence[Path]) -> Iterator[Path]:
    from winnow.objectives.data.image_folder import extensions

    for path in given:
        inside = path.rglob("*") if path.is_dir() else [path]
        yield from sorted(each for each in inside if each == path or each.suffix.lower() in extensions())


def _read(model: "Model", files: Sequence[Path]) -> tuple[dict[Path, Any], list[WinnowError]]:
    """Return the images that can be read, and what is wrong with the others; raises DataError where none can be."""
    images: dict[Path, Any] = {}
    problems: list[WinnowError] = []
    for file in files:
        try:
            images[file] = model.read_images([file])[0]
        except WinnowError as error:
            problems.append(error)
    if not images:
        raise problems[0]
    return images, problems


def _predictions(model: "Model", images: Mapping[Path, Any], top: int) -> list[dict[str, Any]]:
    """Return for each file its most probable classes, the first the largest, or in a regression its value."""
    import numpy as np

    inputs = np.stack([*images.values()])
    if not model.class_names:
        values = model.predict(inputs)
        return [
            {"image": str(file), "classes": {}, "value": float(value)}
            for file, value in zip(images, values, strict=True)
        ]
    return [
        {
            "image": str(file),
            "classes": {model.class_names[label]: float(shares[label]) for label in (-shares).argsort()[:top]},
        }
        for file, shares in zip(images, model.probabilities(inputs), strict=True)
    ]

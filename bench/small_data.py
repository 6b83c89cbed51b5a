"""Small data sets that `bench.learning_curves` trains on: drawn by chance, or scikit-learn's.

Each takes a generator and how many examples are wanted, and returns inputs and targets; those of scikit-learn give all.
"""

from collections.abc import Callable
from functools import partial
from string import ascii_lowercase
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn import datasets

from bench.defaults import Images


def letters(random: np.random.Generator, count: int) -> Images:
    """Letters of 12 x 12 pixels in three of the DejaVu fonts, turned, moved and in noise."""
    faces = [
        ImageFont.truetype(f"{name}.ttf", size)
        for name in ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono-Bold")
        for size in (20, 26, 32)
    ]
    labels = random.integers(0, 26, count)
    images = np.zeros((count, 12, 12), np.uint8)
    for at, label in enumerate(labels):
        image = Image.new("L", (36, 36))
        where = tuple(random.uniform(15, 21, 2))
        face = faces[random.integers(len(faces))]
        ImageDraw.Draw(image).text(where, ascii_lowercase[label], 255, face, "mm")
        small = image.rotate(random.uniform(-30, 30), Image.Resampling.BILINEAR).resize((12, 12))
        images[at] = (np.asarray(small) + random.normal(0, 40, (12, 12))).clip(0, 255)
    return images, labels


def mislabelled(random: np.random.Generator, count: int) -> Images:
    """Letters of which a fifth say another."""
    images, labels = letters(random, count)
    return images, np.where(random.random(count) < 0.2, random.integers(0, 26, count), labels)


_OVAL = np.array([1, 0.8])


def shapes(random: np.random.Generator, count: int) -> Images:
    """Ellipses, boxes, triangles, stars and rings of 16 x 16 pixels, each in its own colour on another, in noise."""
    labels = random.integers(0, 5, count)
    images = np.zeros((count, 16, 16, 3), np.uint8)
    for at, label in enumerate(labels):
        ground, colour = (tuple(int(part) for part in random.uniform(0, 255, 3)) for _ in range(2))
        image = Image.new("RGB", (48, 48), ground)
        draw, middle, turn = ImageDraw.Draw(image), random.uniform(18, 30, 2), random.uniform(0, 2 * np.pi)
        radius = random.uniform(8, 16)
        if label in (0, 4):
            box = [*(middle - radius * _OVAL), *(middle + radius * _OVAL)]
            draw.ellipse(box, **({"fill": colour} if label == 0 else {"outline": colour, "width": 5}))
        else:
            corners = (0, 4, 3, 10)[label]
            angle = turn + 2 * np.pi * np.arange(corners) / corners
            far = radius * np.where(np.arange(corners) % 2, 0.45, 1) if label == 3 else radius
            draw.polygon([*map(tuple, (middle + (np.stack([np.cos(angle), np.sin(angle)]) * far).T))], fill=colour)
        images[at] = (np.asarray(image.resize((16, 16))) + random.normal(0, 35, (16, 16, 3))).clip(0, 255)
    return images, labels


def of_scikit_learn(name: str, random: np.random.Generator, _: int) -> tuple[Any, Any]:
    """All that a small data set of scikit-learn's has; numbers to predict have mean 0 and deviation 1."""
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = random.permutation(len(targets))
    if targets.dtype.kind == "f":
        targets = ((targets - targets.mean()) / targets.std()).astype(np.float32)
    return inputs[order].astype(np.float32), targets[order]


def odd_digits(random: np.random.Generator, _: int) -> Images:
    """The digits, and whether each is odd."""
    inputs, labels = of_scikit_learn("digits", random, 0)
    return np.round(inputs * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8), labels % 2


MADE: dict[str, Callable[[np.random.Generator, int], tuple[Any, Any]]] = {
    "letters": letters,
    "mislabelled": mislabelled,
    "shapes": shapes,
    **{name: partial(of_scikit_learn, name) for name in ("breast_cancer", "wine", "diabetes")},
    "odd_digits": odd_digits,
}

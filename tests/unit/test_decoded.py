"""Decoded data on disk: believed when whole and current, decoded again when not, never unpickled."""

import json
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from winnow.objectives.data import decoded


class Decoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, allocate: decoded.Allocate = np.empty) -> decoded.Arrays:
        self.calls += 1
        return np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), np.array([7, self.calls])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


def kept(cache: Path) -> Path:
    """The one file of the cache."""
    (file,) = (file for file in cache.iterdir() if file.suffix != ".lock")
    return file


def test_what_was_decoded_once_is_read(cache: Path) -> None:
    decode = Decoder()
    first, second = (decoded.read("made", (), decode) for _ in range(2))
    assert decode.calls == 1
    for before, after in zip(first, second, strict=True):
        assert np.array_equal(before, after)
        assert before.dtype == after.dtype


def test_whoever_asks_while_another_decodes_waits_and_reads(cache: Path) -> None:
    decode, together = Decoder(), threading.Barrier(4)

    def ask(_: int) -> int:
        together.wait()
        return int(decoded.read("made", (), decode)[1][1])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [1] * 4
    assert decode.calls == 1


def test_a_source_that_changed_is_decoded_again_in_the_same_place(cache: Path, tmp_path: Path) -> None:
    decode, source = Decoder(), tmp_path / "source"
    for content in (b"one", b"three"):
        source.write_bytes(content)
        decoded.read("made", [source], decode)
    assert decode.calls == 2
    assert kept(cache)


@pytest.mark.parametrize("damage", ["torn", "flipped", "longer", "empty", "pickled", "objects"])
def test_a_damaged_file_is_decoded_again(cache: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    decode = Decoder()
    decoded.read("made", (), decode)
    file = kept(cache)
    content = file.read_bytes()
    header, body = content.split(b"\n", 1)
    objects = json.loads(header)
    objects["arrays"][0]["type"] = "|O"
    file.write_bytes(
        {
            "torn": content[:-3],
            "flipped": content[:-1] + b"\xff",
            "longer": content + b"\0",
            "empty": b"",
            "pickled": pickle.dumps(objects),
            "objects": json.dumps(objects).encode() + b"\n" + body,
        }[damage]
    )
    with caplog.at_level(logging.WARNING, "winnow"):
        assert decoded.read("made", (), decode)[1].tolist() == [7, 2]
    assert "is damaged" in caplog.text
    assert file.read_bytes() != content
    assert decoded.read("made", (), decode)[1].tolist() == [7, 2]


def test_without_a_place_to_keep_it_data_is_decoded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "winnow"):
        assert decoded.read("made", (), Decoder())[1].tolist() == [7, 1]
    assert "decoded data is not kept" in caplog.text

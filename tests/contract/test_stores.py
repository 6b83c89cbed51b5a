"""Where checkpoints and artifacts lie: a folder and S3 keep the same promises."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from winnow.storage import artifacts, stores
from winnow.storage.errors import FileDamaged, StorageError
from winnow.storage.stores import Bucket, Folder, Store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    place = str(tmp_path) if request.param == "folder" else request.getfixturevalue("s3_place")
    made = stores.at(place)
    assert isinstance(made, Folder if request.param == "folder" else Bucket)
    yield made
    if isinstance(made, Bucket):
        made.store.client.close()


def test_a_file_is_read_as_it_was_written(store: Store) -> None:
    digest = store.write("artifacts/1/a", b"weights")
    assert store.read("artifacts/1/a", digest) == b"weights"
    again = store.write("artifacts/1/a", b"others")
    assert store.read("artifacts/1/a", again) == b"others"


def test_a_file_with_other_bytes_or_none_is_refused(store: Store) -> None:
    digest = store.write("checkpoints/1", b"whole")
    store.write("checkpoints/1", b"torn")
    with pytest.raises(FileDamaged, match="does not hold the bytes that were written"):
        store.read("checkpoints/1", digest)
    with pytest.raises(FileDamaged, match="cannot be read"):
        store.read("checkpoints/2", digest)


def test_files_are_found_by_how_their_names_begin_and_removed(store: Store) -> None:
    for name in ("checkpoints/1-002", "checkpoints/1-001", "checkpoints/12-001", "artifacts/1/a"):
        store.write(name, b"x")
    assert store.names("checkpoints/1-") == ["checkpoints/1-001", "checkpoints/1-002"]
    assert store.names("artifacts/1/") == ["artifacts/1/a"]
    assert store.names("artifacts/2/") == []
    store.remove("checkpoints/1-001")
    store.remove("checkpoints/1-001")
    assert store.names("checkpoints/") == ["checkpoints/1-002", "checkpoints/12-001"]


def test_what_s3_does_not_take_is_a_disks_error(s3_place: str) -> None:
    elsewhere = stores.at("s3://no-such-bucket-of-winnows/prefix")
    assert isinstance(elsewhere, Bucket)
    with pytest.raises(OSError, match=r"S3 did not take or give checkpoints/1: .*NoSuchBucket"):
        elsewhere.write("checkpoints/1", b"x")
    with pytest.raises(FileDamaged, match="cannot be read"):
        elsewhere.read("checkpoints/1", "0" * 64)
    elsewhere.store.client.close()


def test_what_does_not_answer_is_not_taken_for_lost(s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
    away = stores.at(s3_place)
    assert isinstance(away, Bucket)
    with pytest.raises(OSError, match="S3 did not take or give checkpoints/1"):
        away.read("checkpoints/1", "0" * 64)
    with pytest.raises(StorageError, match=r"does not give home/artifacts/1: .*; try again when it does"):
        artifacts.read(away, "home/artifacts/1")
    away.store.client.close()


def test_a_silent_store_is_left_alone_for_a_while(s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "SILENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        away = stores.at(s3_place)
        assert isinstance(away, Bucket)
        with pytest.raises(OSError, match="S3 did not take or give checkpoints/1"):
            away.write("checkpoints/1", b"x")
        with pytest.raises(OSError, match="S3 was silent; it is asked again in"):
            away.write("checkpoints/2", b"x")
    away.store.client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="of a file whose disk does not give it")
def test_a_disks_error_is_not_taken_for_a_lost_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error"):
        Folder(tmp_path).read("a", "0" * 64)


def test_others_may_read_what_this_user_writes(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    Folder(tmp_path).write("a", b"x")
    assert (tmp_path / "a").stat().st_mode == plain.stat().st_mode, "as the umask has it"


def test_a_place_without_a_bucket_is_refused() -> None:
    with pytest.raises(StorageError, match="names no bucket; write s3://BUCKET/PREFIX"):
        stores.at("s3:///prefix")

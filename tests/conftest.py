"""What all tests share: an environment that is not the developer's, and a home and a cache of their own."""

import sys
from collections.abc import Iterator

import pytest

import environment

environment.clean()


class SkipWithoutTorch:
    """Asked last for a module, so only for what is not installed: a test that needs PyTorch is skipped without it.

    safetensors is there where PyTorch is: Winnow's own training needs both.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name in ("torch", "safetensors"):
            pytest.skip("PyTorch is not installed", allow_module_level=True)


sys.meta_path.append(SkipWithoutTorch())


def pytest_collection_finish() -> None:
    """Take out what test modules put in as they were imported: Lightning has torch count GPUs by NVML's word alone."""
    environment.clean()


# Its proofs show what they compared; several folders import it, whichever is collected first.
pytest.register_assert_rewrite("faults.fleet_under_fire")

pytest_plugins = ["storage_servers", "dashboard_server"]


@pytest.fixture(autouse=True, scope="session")
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point `HOME` and `WINNOW_CACHE` at empty folders, for this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("WINNOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

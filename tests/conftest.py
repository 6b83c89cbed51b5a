"""What all tests share: a cache folder of their own, so that none reads what another run left behind."""

from collections.abc import Iterator

import pytest

pytest_plugins = ["storage_servers", "dashboard_server"]


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point `WINNOW_CACHE` at an empty folder, for this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINNOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

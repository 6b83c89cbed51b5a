"""What `storage.open` returns is an Optuna storage: Optuna's own suite, on every database."""

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from winnow.storage import Storage


@pytest.fixture
def storage(opened: Storage) -> Storage:
    """The name under which Optuna's suite asks for it."""
    return opened


class TestOptunasSuite(StorageTestCase):
    """59 tests of Optuna 5.0."""

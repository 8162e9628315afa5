"""What several test files share, and the order in which workers take the files (pytest-xdist)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

# The files that compile most, in turn from parts of the code that have few kernels in common: two
# workers that begin with these compile different things, and the other files find them compiled.
FIRST = (
    "test_kernels_integer_rules.py",
    "test_kernels_training.py",
    "test_golden_training.py",
    "test_dynamics_free.py",
    "test_integer_kernels.py",
    "test_more_rules.py",
    "test_implicit_networks.py",
    "test_kernels_third_factor.py",
    "test_rate_kernels.py",
    "test_fixed_points.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the `FIRST` files before the others."""
    rank = {name: k for k, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))


@pytest.hookimpl(optionalhook=True)  # nothing where pytest-xdist is not loaded
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """With ``-n``, hand whole files to the workers, in order: they share fixtures and kernels."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder of the four original MNIST files; tests that need them are skipped without it."""
    from_user = os.environ.get("BINNET_MNIST_DIR")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
    for folder in [Path(from_user)] if from_user else [beside]:
        if folder.is_dir():
            return folder
    pytest.skip("needs the four MNIST files: set BINNET_MNIST_DIR to their folder")

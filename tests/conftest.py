"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder of the four original MNIST files; tests that need them are skipped without it."""
    from_user = os.environ.get("BINNET_MNIST_DIR")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
    for folder in [Path(from_user)] if from_user else [beside]:
        if folder.is_dir():
            return folder
    pytest.skip("needs the four MNIST files: set BINNET_MNIST_DIR to their folder")

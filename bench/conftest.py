"""Workers and trained networks that the benchmarks share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks import their neighbours

from sides import Side, both_sides


@pytest.fixture(scope="session")
def sides() -> Iterator[tuple[Side, Side]]:
    """binnet and the peer, each in its own process."""
    with both_sides() as pair:
        yield pair


@pytest.fixture(scope="session")
def make_case(
    sides: tuple[Side, Side], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """Return a function that trains a network to start from, once, and names it."""
    folder, known = tmp_path_factory.mktemp("networks"), {}

    def make(preset: str, n_hidden: int, epochs_before: int, seed: int = 0) -> dict[str, Any]:
        key = f"{preset}-{n_hidden}-{epochs_before}-{seed}"
        if key not in known:
            known[key] = {
                "preset": preset,
                "n_hidden": n_hidden,
                "epochs_before": epochs_before,
                "seed": seed,
                "path": str(folder / f"{key}.npz"),
            }
            sides[0].ask("prepare", threads=1, **known[key])
        return known[key]

    return make

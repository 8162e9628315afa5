"""Workers and trained networks that the benchmarks share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks import their neighbours

from sides import Side, has_torch, running_side


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether nothing is timed (``--benchmark-disable``): a benchmark then runs on little work."""
    return bool(request.config.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def binnet_side() -> Iterator[Side]:
    """binnet, in a process of its own."""
    with running_side("binnet") as side:
        yield side


@pytest.fixture(scope="session")
def torch_side() -> Iterator[Side | None]:
    """The peer, in a process of its own; None where PyTorch is not installed."""
    if not has_torch():
        yield None
        return
    with running_side("torch") as side:
        yield side


@pytest.fixture(scope="session")
def make_case(
    binnet_side: Side, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """Return a function that trains a network to start from, once, and names it."""
    folder = tmp_path_factory.mktemp("networks")
    known: dict[str, dict[str, Any]] = {}

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
            binnet_side.ask("prepare", threads=1, **known[key])
        return known[key]

    return make

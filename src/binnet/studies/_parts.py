"""The sweeps that a study is made of: all are checked before the first one is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from binnet import sweeps
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr


class Part(NamedTuple):
    """One sweep of a study."""

    path: Path | None
    axes: Mapping[str, Sequence[Any]]
    observable: Observable
    fixed: Mapping[str, Any]


def run_parts(
    parts: Sequence[Part], *, workers: int, progress: bool, scheduler: str | None = None
) -> list[xr.Dataset]:
    """Run sweeps one after the other; what is wrong with any is found before there is work."""
    for part in parts:
        sweeps.check(part.axes, part.observable, fixed=part.fixed, path=part.path)
    return [
        sweeps.run(
            part.axes,
            part.observable,
            fixed=part.fixed,
            path=part.path,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
        for part in parts
    ]

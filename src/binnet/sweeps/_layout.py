"""What a file can hold: names, dimensions and types, checked before there is work to lose.

Coordinates are tried before the first cell is measured, its measurement before the second is. The
cells after it must be laid out like it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from binnet.sweeps._journal import KeptCell, Measurement
from binnet.sweeps._results import assemble
from binnet.sweeps._store import try_to_hold
from binnet.sweeps.grid import Grid, cell_key

# Types that other readers know, too.
_TYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float32", "float64")  # fmt: skip


class Layout:
    """How the measurements of a sweep are laid out, from its first cell on.

    Without `suffix` there is no file, and no more is asked than that they fit into a dataset.
    """

    def __init__(self, grid: Grid, description: Mapping[str, Any], suffix: str | None) -> None:
        self.grid = grid
        self._description = description
        self._suffix = suffix
        self._sizes: dict[str, int] = {}  # of dimensions
        self._dims: dict[str, tuple[str, ...]] = {}  # of variables
        self._tried: set[tuple[str, ...]] = set()
        for name in grid.axes:
            self._check_name("axis", name)

    @property
    def is_known(self) -> bool:
        """Whether a cell has been laid out."""
        return bool(self._dims)

    def try_coordinates(self) -> None:
        """Refuse a grid that the file cannot hold."""
        if self._suffix is not None:
            dataset = assemble(self.grid, self._description, {}, [])
            for name, values in self.grid.axes.items():
                if dataset[name].values.tolist() != list(values):
                    raise ValueError(f"axis {name!r} holds values that a file changes: {values!r}")
            try_to_hold(dataset, self._suffix)

    def accept(self, measurements: Iterable[Measurement]) -> None:
        """Take these for laid out well, as they were checked when they were measured."""
        for measurement in measurements:
            self._note(measurement)

    def check(self, measurement: Measurement) -> None:
        """Refuse a measurement that the result cannot hold beside those before it."""
        sizes = dict(self._sizes)
        for name, (dims, values) in measurement.items():
            self._check_variable(name, dims, values, measurement)
            if self._dims.get(name, dims) != dims:
                self._refuse_other(name, self._dims[name], dims)
            for dim, size in zip(dims, values.shape, strict=True):
                if sizes.setdefault(dim, size) != size:
                    self._refuse_other(name, f"{dim} of {sizes[dim]}", f"{dim} of {size}")
        kinds = tuple(f"{name} {values.dtype}" for name, (_, values) in measurement.items())
        if self._suffix is not None and kinds not in self._tried:
            small = Grid({name: values[:1] for name, values in self.grid.axes.items()},
                         self.grid.fixed)  # fmt: skip
            (cell,) = small.cells()
            kept = {cell_key(cell): KeptCell(measurement, None)}
            try_to_hold(assemble(small, self._description, kept, []), self._suffix)
            self._tried.add(kinds)
        self._note(measurement)

    def _note(self, measurement: Measurement) -> None:
        for name, (dims, values) in measurement.items():
            self._dims[name] = dims
            self._sizes |= zip(dims, values.shape, strict=True)

    def _check_variable(
        self, name: str, dims: tuple[str, ...], values: Any, measurement: Measurement
    ) -> None:
        self._check_name("variable", name)
        for dim in dims:
            self._check_name("dimension", dim)
            if dim in self.grid.axes:
                raise ValueError(
                    f"{name} has the dimension {dim!r}, an axis of the grid; rename it"
                )
        if len(set(dims)) < len(dims):
            raise ValueError(f"{name} has a dimension twice: {dims}; name each once")
        if name in self.grid.axes:
            raise ValueError(f"the variable {name!r} is called like an axis of the grid; rename it")
        if any(name in others for others, _ in measurement.values()):
            raise ValueError(f"the variable {name!r} is called like a dimension; rename one")
        if self._suffix is not None and values.dtype.name not in _TYPES:
            raise ValueError(
                f"{name} is {values.dtype}, which {self._suffix} files do not hold; return float32 "
                "or float64"
            )

    def _check_name(self, kind: str, name: str) -> None:
        if self._suffix is None:
            return
        bad = (
            not name
            or name != name.strip()
            or "/" in name
            or not name.strip(".")
            or name.startswith(("__", "_nc4_"))
            or any(unicodedata.category(letter).startswith("C") for letter in name)
        )
        if bad:
            raise ValueError(
                f"a file cannot hold the {kind} {name!r}: names must be of printable letters, "
                "without / and without spaces around them, and not begin with __; rename it"
            )

    def _refuse_other(self, name: str, first: object, now: object) -> None:
        raise ValueError(f"{name} must have the same dimensions in every cell: {first} and {now}")

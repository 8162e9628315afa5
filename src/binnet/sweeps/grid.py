"""What a sweep measures, and where: the observable, and the grid of its parameters."""

from __future__ import annotations

import copy
import hashlib
import inspect
import itertools
import json
import math
import numbers
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import warn_of_old_name
from binnet._provenance import get_version
from binnet._validation import check_integer
from binnet.sweeps._identity import identify, name_function

Cell = dict[str, Any]  # a value for each parameter
_INT64, _UINT64 = np.iinfo(np.int64), np.iinfo(np.uint64)

# Parameters of binnet's own observables by the names that they had before.
RENAMED = {"dynamics": "update_order", "module_coupling": "excitation"}


@dataclass(frozen=True)
class Observable:
    """A function to measure at every cell of a grid, and what is known of it beforehand.

    Parameters
    ----------
    function : callable
        Called as ``function(**parameters)`` in a worker process, so it must be importable there;
        returns a mapping from names to numbers or to ``(dims, array)``. It must depend on its
        parameters alone: randomness enters through a parameter such as ``seed``. Its code is part
        of what a sweep is: see `run`.
    cost : callable, optional
        ``cost(**parameters)``, relative work of a cell: weighs the time left. Default: all alike.
    check : callable, optional
        ``check(**parameters)``, raises an error about parameters that are out of their range; it
        is called for every cell before any is measured.
    settings : mapping, optional
        What the function reads besides its parameters, such as a preset that one of them names, as
        plain values: with others it is another sweep. Default: nothing.
    many : callable, optional
        ``many(cells)`` measures some cells at once, where that is faster: takes a list of mappings
        of parameters and returns as many results, those that `function` returns for each, bit by
        bit. If it raises, each cell is measured by itself. Default: there is no such way.
    chunk : int, default 32
        Most cells that `many` is given at once. They are finished together: a sweep that is
        stopped has measured the others before.
    group : callable, optional
        ``group(**parameters)``, something hashable: only cells of which it is the same are
        measured at once. Default: any.

    Raises
    ------
    TypeError, ValueError
        If `chunk` is not an integer of at least 1.
    """

    function: Callable[..., Mapping[str, Any]]
    cost: Callable[..., float] | None = None
    check: Callable[..., None] | None = None
    settings: Mapping[str, Any] | None = None
    many: Callable[[Sequence[Cell]], Sequence[Mapping[str, Any]]] | None = None
    chunk: int = 32
    group: Callable[..., Hashable] | None = None

    def __post_init__(self) -> None:
        check_integer("chunk", self.chunk, 1)

    @property
    def name(self) -> str:
        """Module and name of the function, of that behind a `functools.partial`, or of a class."""
        return name_function(self.function)

    def identify(self) -> dict[str, str] | None:
        """Return digests of the code and of the values that the function is made of.

        Returns
        -------
        dict of str or None
            One for each part: the function's bytecode; functions, classes and values of the
            user's that it refers to; versions of the installed packages among them. None for an
            observable of binnet's own, whose version says what it does.

        Raises
        ------
        TypeError
            If it refers to something that cannot be told from another, as an open file or a lock.
        """
        code = identify(self.function)
        more = None if self.many is None else identify(self.many)
        if more is None:
            return code
        return {**(code or {}), **{f"many: {name}": digest for name, digest in more.items()}}

    def rename_parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters by the names that they have now.

        Parameters
        ----------
        values : mapping of str
            Something for each parameter; those of old names get their new ones, with a warning.

        Returns
        -------
        dict
            The same values in the same order.
        """
        known = inspect.signature(self.function).parameters
        renamed = {}
        for name, value in values.items():
            new = RENAMED.get(name, name)
            if new != name and new in known and name not in known:
                warn_of_old_name(f"parameter {name} of {self.name}", new)
                renamed[new] = value
            else:
                renamed[name] = value
        return renamed

    def check_parameters(self, names: Sequence[str]) -> None:
        """Refuse parameters that the function does not take, and ask for those that it lacks.

        Parameters
        ----------
        names : sequence of str
            Names of all parameters that the function will be called with.

        Raises
        ------
        ValueError
            If one is unknown, or a required one is missing.
        """
        parameters = inspect.signature(self.function).parameters.values()
        known = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        takes_any = any(p.kind == p.VAR_KEYWORD for p in parameters)
        for name in names:
            if name not in known and not takes_any:
                raise ValueError(
                    f"the grid has an unknown parameter {name!r}; {self.name} takes "
                    f"{', '.join(known)}"
                )
        required = [p.name for p in parameters if p.default is p.empty and p.name in known]
        missing = [name for name in required if name not in names]
        if missing:
            raise ValueError(
                f"{self.name} needs {', '.join(missing)}: add an axis to the grid, or a fixed value"
            )


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of some parameters, the last one running fastest.

    Parameters
    ----------
    axes : mapping of str to sequence
        Values of each parameter: all strings, all integers (of int64, or of uint64) or all finite
        numbers, each once. Without any, the fixed parameters are the only cell.
    fixed : mapping, optional
        Further parameters that are the same at every cell (strings, numbers, booleans, None, or
        lists and mappings of them). Every cell gets its own copy.

    Raises
    ------
    TypeError, ValueError
        If an axis is empty, holds a value twice or anything but plain values.

    Examples
    --------
    >>> grid = Grid({"self_coupling": [0.5, 1.0], "seed": range(3)})
    >>> grid.shape, next(grid.cells())
    ((2, 3), {'self_coupling': 0.5, 'seed': 0})
    """

    axes: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not hasattr(self.axes, "items") or not (self.axes or self.fixed):
            raise ValueError(
                "the grid must be a mapping from parameters to their values, with at least one "
                f"parameter, got {self.axes!r}"
            )
        axes = {name: _check_axis(name, values) for name, values in self.axes.items()}
        object.__setattr__(self, "axes", axes)
        fixed = dict(self.fixed)
        both = [name for name in fixed if name in axes]
        if both:
            raise ValueError(f"{', '.join(both)} is both an axis of the grid and fixed; drop one")
        try:
            fixed = json.loads(json.dumps(fixed, default=_to_plain, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"fixed parameters must be plain finite values: {error}") from None
        object.__setattr__(self, "fixed", fixed)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def n_cells(self) -> int:
        """Number of combinations."""
        return math.prod(self.shape)

    def cells(self) -> Iterator[Cell]:
        """Iterate over the combinations; each holds the fixed parameters too.

        Yields
        ------
        dict
            Value of each parameter.
        """
        for values in itertools.product(*self.axes.values()):
            yield {**dict(zip(self.axes, values, strict=True)), **copy.deepcopy(dict(self.fixed))}

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the values of the axes as arrays, integers exactly.

        Returns
        -------
        dict of ndarray
            One for each axis.
        """
        found = {}
        for name, values in self.axes.items():
            unsigned = isinstance(values[0], int) and max(values) > _INT64.max
            found[name] = np.array(values, np.uint64 if unsigned else None)
        return found

    def describe(self, observable: Observable) -> dict[str, Any]:
        """Return what makes two sweeps the same, as plain values.

        Parameters
        ----------
        observable : Observable
            What is measured.

        Returns
        -------
        dict
            Observable, grid and binnet's version, and a digest of the observable's settings.
        """
        description = {
            "observable": observable.name,
            "grid": {name: list(values) for name, values in self.axes.items()},
            "fixed": dict(self.fixed),
            "binnet": get_version(),
        }
        if observable.settings is not None:
            text = json.dumps(observable.settings, sort_keys=True)
            description["settings"] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return description


def cell_key(cell: Cell) -> str:
    """Return a cell's parameters as text, the same for the same parameters in any order.

    Parameters
    ----------
    cell : dict
        Value of each parameter.

    Returns
    -------
    str
        Canonical JSON.
    """
    return json.dumps(cell, sort_keys=True, allow_nan=False)


def _to_plain(value: Any) -> Any:
    """Return what json does not know, NumPy's scalars and arrays, as plain values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | range):
        return list(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def _check_axis(name: str, values: Any) -> tuple[Any, ...]:
    """Return the values of an axis as plain strings, ints or floats, all of one kind."""
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(
            f"axis {name!r} must be a sequence of values, got {values!r}; write [{values!r}] for "
            "one value"
        )
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not plain:
        raise ValueError(f"axis {name!r} has no values")
    if all(isinstance(v, str) for v in plain):
        pass
    elif all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in plain):
        plain = [int(v) for v in plain]
        _check_integers(name, plain)
    elif all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in plain):
        plain = [_to_float(name, v) for v in plain]
    else:
        raise TypeError(f"axis {name!r} must hold only strings or only numbers, got {plain!r}")
    for value in plain:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"axis {name!r} must hold finite numbers, got {value}")
    if len(set(plain)) < len(plain):
        twice = next(value for value in plain if plain.count(value) > 1)
        raise ValueError(f"axis {name!r} holds {twice!r} twice; name each value once")
    return tuple(plain)


def _check_integers(name: str, values: list[int]) -> None:
    """Refuse integers that no one type of NumPy's and of the files' holds."""
    low, high = min(values), max(values)
    if low < _INT64.min or high > (_INT64.max if low < 0 else _UINT64.max):
        raise ValueError(
            f"axis {name!r} must hold integers in {_INT64.min}..{_INT64.max}, or in "
            f"0..{_UINT64.max}, got {low} to {high}"
        )


def _to_float(name: str, value: Any) -> float:
    """Return a number as a float, which must hold it."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if isinstance(value, numbers.Integral | np.floating) and number != value == value:
        raise ValueError(f"axis {name!r} holds {value}, which is no float; give it rounded")
    return number

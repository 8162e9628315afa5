"""How initial connectivity decides what a rate network learns: gain x rule x learning rate x seed.

The experiments of Liu, Liu & Liu 2024 (docs/model/rate.md, section 5). Every network of a grid is
trained by `measure_training`; `run_rate` runs the grids, and the functions below it choose the
best learning rate of each condition, as the source does, and read off what its figures show.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet import sweeps
from binnet._validation import check_integer
from binnet.rate import RateConfiguration
from binnet.rate.tasks import get
from binnet.studies._parts import Part, run_parts
from binnet.studies.rate_measuring import BLOCK, measure_run, measure_runs
from binnet.studies.rate_tables import count_until, select_best, summarise
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "BLOCK",
    "GAINS",
    "ITERATIONS",
    "TRAINING",
    "Experiment",
    "count_until",
    "load_plan",
    "load_study",
    "measure_run",
    "measure_training",
    "measure_trainings",
    "plan_study",
    "run_plan",
    "run_rate",
    "select_best",
    "summarise",
]

GAINS = (0.2, 0.5, 1.0, 1.5)
MORE_GAINS = (0.3, 0.4, 0.75, 1.25)
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
ITERATIONS = {"bptt": 3400, "eprop": 4400}
FLOSSED = (1, 8, 16, 64)
FLOSSED_GAIN = 0.2
_LARGEST = {"n_exponents": 1}
# Networks that are trained at once: enough for a few cores, and few are lost by a stop.
_CHUNK = 8


def measure_training(n_exponents: int | None = None, **parameters: Any) -> dict[str, Any]:
    """Train one network and return its learning curve and its Lyapunov exponents.

    Parameters
    ----------
    n_exponents : int, optional
        Leading exponents to measure, which takes longer the more there are. Default: all.
    **parameters
        Of `RateConfiguration`.

    Returns
    -------
    dict
        "loss", the learning curve in blocks of 20 updates; "final_loss", the mean of the last 100
        updates; "lowest_loss", the lowest mean of 100 in a row; "exponents_before" and
        "exponents_after" training (and after flossing, if any). NaN where one of them diverged.
    """
    return measure_run(RateConfiguration(**parameters), n_exponents)


def measure_trainings(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Train many networks at once and return what `measure_training` does for each.

    Parameters
    ----------
    cells : sequence of mapping
        Parameters of `measure_training`.

    Returns
    -------
    list of dict
        As of `measure_training`, in the same order.
    """
    parts = [dict(cell) for cell in cells]
    n_exponents = [part.pop("n_exponents", None) for part in parts]
    return measure_runs([RateConfiguration(**part) for part in parts], n_exponents)


def _check(n_exponents: int | None = None, **parameters: Any) -> None:
    """Refuse a cell before any is measured."""
    configuration = RateConfiguration(**parameters)
    get(configuration.task)
    configuration.check_memory()
    if n_exponents is not None:
        check_integer("n_exponents", n_exponents, 1, configuration.n_hidden)


TRAINING = Observable(measure_training, check=_check, many=measure_trainings, chunk=_CHUNK)
"""`measure_training` with its checks, for `sweeps.run`."""


@dataclass(frozen=True)
class Experiment:
    """One grid of a study.

    Attributes
    ----------
    name : str
        Its file is NAME.nc.
    axes, fixed : dict
        Grid and constant parameters of the observable.
    observable : Observable
        What is measured of each cell. Default: `measure_training`.
    """

    name: str
    axes: dict[str, tuple[Any, ...]]
    fixed: dict[str, Any]
    observable: Observable = TRAINING

    def run(self, folder: Path, *, workers: int = 1, progress: bool = True) -> xr.Dataset:
        """Run what is missing of it, and return all of it.

        Parameters
        ----------
        folder : Path
            Where its file is.
        workers, progress : optional
            As of `binnet.sweeps.run`.

        Returns
        -------
        xarray.Dataset
            The measurements on the grid.
        """
        (result,) = run_parts([self.locate(folder)], workers=workers, progress=progress)
        return result

    def locate(self, folder: Path) -> Part:
        """Return its sweep, with its file.

        Parameters
        ----------
        folder : Path
            Where its file is.

        Returns
        -------
        Part
            The sweep.
        """
        return Part(folder / f"{self.name}.nc", self.axes, self.observable, self.fixed)


def plan_study(*, quick: bool = False, seeds: int = 5) -> list[Experiment]:
    """Return the grids of the study.

    Parameters
    ----------
    quick : bool, default False
        A small study of about two minutes that shows the trend on the Romo task.
    seeds : int, default 5
        Independent runs of each gain, rule and learning rate on the Romo task. Flossing has 3 at
        most, the other tasks and gains 2, all at the two higher learning rates.

    Returns
    -------
    list of Experiment
        In the order in which they are run.
    """
    seeds = check_integer("seeds", seeds, 1)
    # The seed is the first axis: a study that is stopped has all conditions with fewer seeds.
    if quick:
        return _plan_quick()
    every, some, few = (tuple(range(min(seeds, n))) for n in (seeds, 3, 2))
    high = LEARNING_RATES[2:]
    plan = [
        Experiment(
            f"romo-{rule}",
            {"seed": every, "gain": GAINS, "learning_rate": LEARNING_RATES},
            {"task": "romo", "rule": rule, "iterations": iterations}
            | ({} if rule == "bptt" else _LARGEST),
        )
        for rule, iterations in ITERATIONS.items()
    ]
    plan.append(
        Experiment(
            "romo-eprop-flossed",
            {"seed": some, "floss_version": ("local", "full"), "floss_exponents": FLOSSED,
             "learning_rate": high},
            {"task": "romo", "rule": "eprop", "iterations": ITERATIONS["eprop"],
             "gain": FLOSSED_GAIN},
        )
    )  # fmt: skip
    for task in ("two-alternative", "delayed-match"):
        plan += [
            Experiment(
                f"{task}-{rule}",
                {"seed": few, "gain": GAINS, "learning_rate": high},
                {"task": task, "rule": rule, "iterations": 2500, **_LARGEST},
            )
            for rule in ITERATIONS
        ]
    plan += [
        Experiment(
            f"romo-{rule}-more-gains",
            {"seed": few, "gain": MORE_GAINS, "learning_rate": high},
            {"task": "romo", "rule": rule, "iterations": iterations, **_LARGEST},
        )
        for rule, iterations in ITERATIONS.items()
    ]
    return plan


def _plan_quick() -> list[Experiment]:
    fixed = {"task": "romo", "iterations": 2000, "n_exponents": 16}
    rates = {"learning_rate": (1e-3, 3e-3)}
    plan = [
        Experiment(
            f"romo-{rule}", {"seed": (0, 1), "gain": (0.2, 1.0), **rates}, {**fixed, "rule": rule}
        )
        for rule in ITERATIONS
    ]
    flossed = {"seed": (0, 1), "floss_version": ("local",), "floss_exponents": (1, 8), **rates}
    return [
        *plan,
        Experiment("romo-eprop-flossed", flossed, {**fixed, "rule": "eprop", "gain": FLOSSED_GAIN}),
    ]


def run_rate(
    folder: Path,
    *,
    quick: bool = False,
    seeds: int = 5,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, xr.Dataset]:
    """Run the grids of the study, each into its file NAME.nc; a stopped study goes on.

    Parameters
    ----------
    folder : Path
        Where the files are.
    quick, seeds : optional
        As of `plan_study`.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    dict
        The measurements of each grid by its name.
    """
    return run_plan(
        plan_study(quick=quick, seeds=seeds), folder, workers=workers, progress=progress
    )


def run_plan(
    plan: Sequence[Experiment], folder: Path, *, workers: int = 1, progress: bool = True
) -> dict[str, xr.Dataset]:
    """Run the grids of any study of rate networks, as `run_rate` does those of this one.

    Parameters
    ----------
    plan : sequence of Experiment
        The grids.
    folder : Path
        Where the files are.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    dict
        The measurements of each grid by its name.
    """
    found = run_parts([grid.locate(folder) for grid in plan], workers=workers, progress=progress)
    return {grid.name: result for grid, result in zip(plan, found, strict=True)}


def load_study(folder: Path, *, quick: bool = False, seeds: int = 5) -> dict[str, xr.Dataset]:
    """Load what there is of the grids of the study.

    Parameters
    ----------
    folder : Path
        Where the files are.
    quick, seeds : optional
        As of `plan_study`.

    Returns
    -------
    dict
        As of `run_rate`; without the grids that were not begun.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    """
    return load_plan(plan_study(quick=quick, seeds=seeds), folder)


def load_plan(plan: Sequence[Experiment], folder: Path) -> dict[str, xr.Dataset]:
    """Load what there is of the grids of any study of rate networks.

    Parameters
    ----------
    plan : sequence of Experiment
        The grids.
    folder : Path
        Where the files are.

    Returns
    -------
    dict
        As of `run_plan`; without the grids that were not begun.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    """
    found = {}
    for grid in plan:
        with contextlib.suppress(FileNotFoundError):
            found[grid.name] = sweeps.load(folder / f"{grid.name}.nc")
    if not found:
        raise FileNotFoundError(f"{folder} holds no results; run the study without --draw-only")
    return found

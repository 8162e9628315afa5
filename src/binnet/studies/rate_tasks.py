"""Settings under which e-prop learns 2AF and DMS worse from a small initial gain: a search.

The source finds that it does; with the settings of the study of gains it does not. This study
tries leak, trace, mask of the loss, learning rates beyond the grid, batches, sizes, fixation, and
long sequences that hold many trials one after the other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._validation import check_choice, check_integer
from binnet.rate import RateConfiguration
from binnet.rate.configuration import CUSTOM
from binnet.rate.tasks import LOSS_MASKS, Task, Trials, delayed_match, two_alternative
from binnet.studies.rate import BLOCK, GAINS, Experiment, measure_run
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_DRAWN: dict[str, Task] = {
    "two-alternative": two_alternative,
    "two-alternative-first-step": partial(two_alternative, fixation="first-step"),
    "delayed-match": delayed_match,
}
#: Tasks of this study; "first-step" shows the fixation input on the first step alone.
VARIANTS = tuple(_DRAWN)
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
ITERATIONS = 2500
#: Steps of a long sequence, those of the source's training set.
SEQUENCE = 100


def make_task(variant: str, loss_mask: str = "task", n_steps: int = 0) -> Task:
    """Return a task whose sequences may hold many trials, and whose loss the decision alone.

    Parameters
    ----------
    variant : str
        One of `VARIANTS`.
    loss_mask : {"task", "response"}, default "task"
        Which steps count: all, or those of the decision.
    n_steps : int, default 0
        Length of a sequence. It begins somewhere in a trial, and trials follow each other in it
        without a reset of the network. 0: one trial.

    Returns
    -------
    callable
        ``task(batch_size, seed) -> Trials``.
    """
    draw = _DRAWN[check_choice("variant", variant, VARIANTS)]
    check_choice("loss_mask", loss_mask, LOSS_MASKS)
    n_steps = check_integer("n_steps", n_steps, 0)

    def task(batch_size: int = 32, seed: Any = 0) -> Trials:
        parts = seed if isinstance(seed, tuple) else (seed,)
        trials = draw(batch_size, parts)
        if n_steps:
            trials = _join(draw, trials, n_steps, parts)
        if loss_mask == "response":
            mask = (trials.targets != 0).astype(np.float32)
            trials = Trials(trials.inputs, trials.targets, mask, trials.loss, trials.n_outputs)
        return trials

    return task


def _join(draw: Task, first: Trials, n_steps: int, seed: tuple[int, ...]) -> Trials:
    """Return sequences of trials in a row, cut out of a longer row."""
    batch_size, length = first.targets.shape
    n_trials = -(-n_steps // length) + 1
    more = [first, *(draw(batch_size, (*seed, k)) for k in range(1, n_trials))]
    begin = np.random.default_rng([*seed, 0, 0]).integers(0, length, (batch_size, 1))
    rows, steps = np.arange(batch_size)[:, None], begin + np.arange(n_steps)

    def cut(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        found: NDArray[Any] = np.concatenate(arrays, axis=1)[rows, steps]
        return found

    inputs, targets = cut([t.inputs for t in more]), cut([t.targets for t in more])
    mask = cut([t.mask for t in more])
    return Trials(inputs, targets, mask, first.loss, first.n_outputs)


def measure_task(
    variant: str,
    loss_mask: str = "task",
    n_steps: int = 0,
    n_exponents: int | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """Train one network on a variant of a task and return what `measure_training` does.

    Parameters
    ----------
    variant, loss_mask, n_steps : optional
        As of `make_task`.
    n_exponents : int, optional
        Leading exponents to measure. Default: all.
    **parameters
        Of `RateConfiguration`.

    Returns
    -------
    dict
        As of `binnet.studies.rate.measure_training`.
    """
    configuration = RateConfiguration(task=CUSTOM, **parameters)
    return measure_run(configuration, n_exponents, make_task(variant, loss_mask, n_steps))


def _check(
    variant: str,
    loss_mask: str = "task",
    n_steps: int = 0,
    n_exponents: int | None = None,
    **parameters: Any,
) -> None:
    """Refuse a cell before any is measured."""
    make_task(variant, loss_mask, n_steps)
    configuration = RateConfiguration(task=CUSTOM, **parameters)
    configuration.check_memory()
    if n_exponents is not None:
        check_integer("n_exponents", n_exponents, 1, configuration.n_hidden)


TASKS = Observable(measure_task, check=_check)
"""`measure_task` with its checks, for `sweeps.run`."""


def plan_tasks(*, quick: bool = False, seeds: int = 5) -> list[Experiment]:
    """Return the grids of the study.

    Parameters
    ----------
    quick : bool, default False
        Two gains, two learning rates and two leaks on 2AF.
    seeds : int, default 5
        Independent runs of each condition; the scans have 2 at most.

    Returns
    -------
    list of Experiment
        In the order in which they are run.
    """
    seeds = check_integer("seeds", seeds, 1)
    few = tuple(range(min(seeds, 2)))
    if quick:
        axes = {"seed": few, "variant": VARIANTS[:1], "leak": (0.5, 0.8), "gain": (0.2, 1.0),
                "learning_rate": (3e-4, 3e-3)}  # fmt: skip
        fixed = {"rule": "eprop", "iterations": 1000, "n_exponents": 1}
        return [Experiment("tasks-leak", axes, fixed, TASKS)]
    plain = ("two-alternative", "delayed-match")
    common = {"iterations": ITERATIONS, "n_exponents": 1}
    middle = LEARNING_RATES[1:4]

    def grid(name: str, axes: dict[str, Any], **fixed: Any) -> Experiment:
        axes = {"seed": few, "variant": plain, **axes}
        return Experiment(f"tasks-{name}", axes, {"rule": "eprop", **common, **fixed}, TASKS)

    leaks, gains, every = {"leak": (0.0, 0.5, 0.8)}, {"gain": GAINS}, LEARNING_RATES
    return [
        grid("leak", {**leaks, **gains, "learning_rate": every}),
        grid("sequences", {"leak": (0.5, 0.8), **gains, "learning_rate": middle}, n_steps=SEQUENCE),
        grid("response", {**leaks, **gains, "learning_rate": middle}, loss_mask="response"),
        grid("self", {**leaks, **gains, "learning_rate": middle}, rule="eprop-self"),
        grid("batch", {**gains, "learning_rate": middle}, batch_size=64),
        grid("size", {"n_hidden": (32, 128), **gains, "learning_rate": middle}),
        grid(
            "fixation",
            {"variant": VARIANTS[1:2], **leaks, **gains, "learning_rate": middle},
        ),
        # Small learning rates with all seeds, where the scans show differences between the gains.
        grid(
            "small-rates",
            {
                "seed": tuple(range(seeds)),
                "variant": VARIANTS,
                "leak": (0.5, 0.8),
                **gains,
                "learning_rate": LEARNING_RATES[:2],
            },
        ),
    ]


def summarise(result: xr.Dataset) -> list[dict[str, float | str]]:
    """Say of each setting and learning rate whether the loss falls with the gain.

    Parameters
    ----------
    result : xarray.Dataset
        Measurements of one grid.

    Returns
    -------
    list of dict
        Of each condition whose gains are all measured, for the mean loss of the first 500 and 1000
        updates and for the final loss: mean and standard deviation over seeds at each gain, runs at
        the gain that has the fewest, and "order", as `judge_order` says.
    """
    first = {f"first {n}": result["loss"].isel(block=slice(n // BLOCK)) for n in (500, 1000)}
    losses = {name: part.mean("block") for name, part in first.items()}
    losses["final"] = result["final_loss"]
    dims = [str(d) for d in result["final_loss"].dims if d not in ("seed", "gain")]
    records = []
    for index in np.ndindex(*(result.sizes[name] for name in dims)):
        here = dict(zip(dims, index, strict=True))
        for measure, loss in losses.items():
            values = loss.isel(here).transpose("gain", "seed")
            runs = values.notnull().sum("seed")
            if int(runs.min()) == 0:
                continue
            record: dict[str, Any] = {name: result[name][k].item() for name, k in here.items()}
            record |= {"runs": int(runs.min()), "loss": measure}
            for gain in values["gain"].values:
                record[f"gain {gain:g}"] = float(values.sel(gain=gain).mean())
                record[f"gain {gain:g}_std"] = float(values.sel(gain=gain).std())
            record["order"] = judge_order(values.values)
            records.append(record)
    return records


def judge_order(losses: NDArray[np.float64]) -> str:
    """Say whether losses fall with the gain.

    Parameters
    ----------
    losses : ndarray, shape (n_gains, n_seeds)
        Losses by rising gain; NaN where there is none.

    Returns
    -------
    str
        "yes": the mean falls at each step by more than 2 standard errors of the difference; "ends":
        it falls at each step, and by more than 2 standard errors from first to last; "no"; "one
        seed" where there is no standard error.
    """
    n = np.isfinite(losses).sum(axis=1)
    if n.min() < 2:
        return "one seed"
    means, variances = np.nanmean(losses, axis=1), np.nanvar(losses, axis=1, ddof=1) / n
    falls = means[:-1] - means[1:]
    if (falls > 2 * np.sqrt(variances[:-1] + variances[1:])).all():
        return "yes"
    whole = means[0] - means[-1] > 2 * np.sqrt(variances[0] + variances[-1])
    return "ends" if (falls > 0).all() and whole else "no"

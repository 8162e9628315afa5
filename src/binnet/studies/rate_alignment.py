"""How well each learning rule follows the exact gradient while a rate network learns.

Networks are trained by BPTT or by e-prop; at some updates `binnet.rate.alignment` compares the
gradients of all rules on trials that no training draws (docs/model/rate.md, section 6).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._validation import check_integer
from binnet.rate import DivergenceError, RateConfiguration, RateRNN, alignment, train
from binnet.rate.alignments import BLOCKS, MEASURES
from binnet.rate.starting import draw_feedback
from binnet.rate.tasks import TASKS, get
from binnet.studies.rate import Experiment
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: e-prop with a random matrix in place of the readout (Murray 2019).
RFLO = "rflo"
#: Rules that are compared in dense networks; snap-1 is eprop-self, and snap-2 is rtrl there.
COMPARED = ("eprop", "eprop-self", RFLO, "tbptt-8", "modprop-2", "uoro", "kf-rtrl")
#: Those compared in sparse networks.
COMPARED_SPARSE = ("eprop", "snap-1", "snap-2", "snap-3")
UPDATES = (0, 100, 300, 1000, 3000)
#: Of each rule that trains, the learning rate.
LEARNING_RATES = {"bptt": 1e-3, "eprop": 3e-4}
#: Trials whose gradient is compared, as many as a batch of training has.
TRIALS = 32
_SHOWN = {
    "recurrent": (
        "single_cosine", "single_norm_ratio", "cosine", "squared_bias", "squared_bias_error",
        "variance",
    ),
    "input_weights": ("single_cosine", "single_norm_ratio"),
}  # fmt: skip
# A seed of trials that no training draws: those of training end with the number of the update.
_PROBE = 10**9 + 1


def measure_alignment(
    compared: Sequence[str], updates: Sequence[int], n_draws: int = 32, **parameters: Any
) -> dict[str, Any]:
    """Train one network and compare gradients of rules on the way.

    Parameters
    ----------
    compared : sequence of str
        Rules, or "rflo" for e-prop with a random matrix in place of the readout.
    updates : sequence of int
        After how many updates to compare, in rising order; the last ends training.
    n_draws : int, default 32
        Draws of a stochastic rule.
    **parameters
        Of `RateConfiguration`, without iterations.

    Returns
    -------
    dict
        The measures of `binnet.rate.Alignment` over (update, compared, block), "exact_norm" over
        (update, block), and over (update) "probe_loss". NaN from where training, or flossing before
        it, diverged on, and of a rule whose gradient is not finite.
    """
    c = RateConfiguration(**parameters, iterations=max(1, updates[-1]))
    trials = get(c.task)(TRIALS, (c.seed, _PROBE)).masked(c.loss_mask)
    batch = (trials.inputs, trials.targets, trials.mask)
    shape = (len(updates), len(compared), len(BLOCKS))
    found = {name: np.full(shape, np.nan) for name in MEASURES}
    norms, losses = np.full((shape[0], shape[2]), np.nan), np.full(shape[0], np.nan)

    def look(n: int, network: RateRNN) -> None:
        """Compare, if it is time to."""
        if n not in updates:
            return
        random = draw_feedback(c.seed, network)
        k = list(updates).index(n)
        for row, name in enumerate(compared):
            try:
                here = alignment(
                    network, *batch, rules=[_find_rule(name)], loss=trials.loss, n_draws=n_draws,
                    feedback=random if name == RFLO else None, seed=(c.seed, _PROBE, n),
                )  # fmt: skip
            except DivergenceError:
                continue  # of this rule here: the others may well be finite
            for measure in MEASURES:
                found[measure][k, row] = getattr(here, measure)[0]
            norms[k], losses[k] = here.exact_norm, here.loss

    try:
        result = train(c, on_update=look)
    except DivergenceError:
        pass
    else:
        if not result.completed:
            raise KeyboardInterrupt  # no half-trained network among the results
    return {
        **{name: (("update", "compared", "block"), values) for name, values in found.items()},
        "exact_norm": (("update", "block"), norms),
        "probe_loss": ("update", losses),
    }


def _find_rule(name: str) -> str:
    return "eprop" if name == RFLO else name


def _check(
    compared: Sequence[str], updates: Sequence[int], n_draws: int = 32, **parameters: Any
) -> None:
    """Refuse a cell before any is measured."""
    configuration = RateConfiguration(**parameters)
    get(configuration.task)
    configuration.check_memory()
    check_integer("n_draws", n_draws, 3)
    for name in compared:
        RateConfiguration(rule=_find_rule(name))
    if not compared or len(set(compared)) < len(compared):
        raise ValueError(f"compared must be at least one rule, each once, got {list(compared)}")
    whole = [check_integer("updates", n, 0) for n in updates]
    if not whole or whole != sorted(set(whole)):
        raise ValueError(f"updates must be whole numbers >= 0 in rising order, got {list(updates)}")


ALIGNMENT = Observable(measure_alignment, check=_check)
"""`measure_alignment` with its checks, for `sweeps.run`."""


def plan_alignment(*, quick: bool = False, seeds: int = 5) -> list[Experiment]:
    """Return the grids of the study.

    Parameters
    ----------
    quick : bool, default False
        A small study that shows the trend on the Romo task: 2 seeds, up to 300 updates.
    seeds : int, default 5
        Networks of each task and rule that trains.

    Returns
    -------
    list of Experiment
        In the order in which they are run: before training, over the gain, all rules in dense
        networks and snap-n in sparse ones; the same along training by BPTT or e-prop, from gain 1
        and of dense ones also from gain 0.2.
    """
    # The seed is the first axis: a study that is stopped has all conditions with fewer seeds.
    every = tuple(range(check_integer("seeds", seeds, 1)))
    updates: tuple[int, ...] = UPDATES
    axes: dict[str, tuple[Any, ...]] = {"seed": every, "task": TASKS}
    if quick:
        axes, updates = {"seed": (0, 1), "task": ("romo",)}, UPDATES[:3]
    dense = {"compared": COMPARED, "n_draws": 8 if quick else 32}
    sparse = {"compared": COMPARED_SPARSE, "structure": "sparse-8"}
    start, trained = {"updates": (0,)}, {"updates": updates}
    gains = {**axes, "gain": (0.2, 1.0)}

    def train_by(rule: str, **fixed: Any) -> dict[str, Any]:
        return {"rule": rule, "learning_rate": LEARNING_RATES[rule], **trained, **fixed}

    grids = [
        Experiment("start", gains, {**start, **dense}, ALIGNMENT),
        Experiment("start-sparse", gains, {**start, **sparse}, ALIGNMENT),
    ]
    grids += [
        Experiment(f"trained-by-{rule}", axes, train_by(rule, **dense), ALIGNMENT)
        for rule in LEARNING_RATES
    ]
    if quick:
        return grids
    return [
        *grids,
        Experiment("trained-by-bptt-sparse", axes, train_by("bptt", **sparse), ALIGNMENT),
        *(
            Experiment(
                f"trained-by-{rule}-gain-0.2", axes, train_by(rule, gain=0.2, **dense), ALIGNMENT
            )
            for rule in LEARNING_RATES
        ),
    ]


def label(result: xr.Dataset) -> xr.Dataset:
    """Name the rules, updates and blocks along the axes of a result.

    Parameters
    ----------
    result : xarray.Dataset
        Of a grid of `plan_alignment`.

    Returns
    -------
    xarray.Dataset
        The same with coordinates "compared", "update" and "block".
    """
    if "compared" in result.coords:
        return result
    fixed = json.loads(result.attrs["sweep"])["fixed"]
    return result.assign_coords(
        compared=list(fixed["compared"]), update=list(fixed["updates"]), block=list(BLOCKS)
    )


def summarise(result: xr.Dataset) -> list[dict[str, float | str]]:
    """Return what a table of the study shows: each rule at the start and at the end.

    Parameters
    ----------
    result : xarray.Dataset
        Of a grid of `plan_alignment`.

    Returns
    -------
    list of dict
        Task, gain if it is an axis, number of updates, rule and how many runs there are; for the
        recurrent and the input weights the mean and standard deviation over seeds of cosine and
        norm ratio of single draws; for the recurrent ones also of the cosine of the mean of draws,
        the squared bias (with the mean of its standard errors) and the variance. Conditions that
        are not measured yet are left out.
    """
    labelled = label(result)
    ends = dict.fromkeys([labelled["update"].values[0], labelled["update"].values[-1]])
    outer = [name for name in ("task", "gain") if name in labelled.dims]
    records = []
    for values in product(*(labelled[name].values for name in outer), ends):
        here = labelled.sel(dict(zip([*outer, "update"], values, strict=True)))
        for rule in labelled["compared"].values:
            row = here.sel(compared=rule)
            runs = int(row["cosine"].sel(block="recurrent").notnull().sum())
            if runs == 0:
                continue
            record: dict[str, Any] = {name: row[name].item() for name in outer}
            record |= {"updates": int(row["update"]), "compared": str(rule), "runs": runs}
            for block, names in _SHOWN.items():
                for name in names:
                    seeds = row[name].sel(block=block)
                    key = f"{name}_{block}"
                    record[key] = float(seeds.mean())
                    if name != "squared_bias_error":
                        record[f"{key}_std"] = float(seeds.std())
            records.append(record)
    return records

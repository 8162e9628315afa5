"""Rich and lazy learning: structure of the initial weights x gain x rule x seed on the Romo task.

Each network is trained, and compared with what it was before (`binnet.rate.learning_regime`;
docs/model/rate.md, section 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._validation import check_integer
from binnet.rate import (
    STRUCTURES,
    RateConfiguration,
    learning_regime,
    lyapunov_spectrum,
    start_network,
    train,
)
from binnet.rate.tasks import get
from binnet.studies.rate import BLOCK, GAINS, Experiment
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: Of each rule, the learning rate.
LEARNING_RATES = {"bptt": 1e-3, "eprop": 3e-4}
ITERATIONS = 2000
#: What is measured of a network, with what it means.
MEASURES = {
    "recurrent_change": "relative change of W_h",
    "input_change": "relative change of W_x",
    "readout_change": "relative change of w",
    "change_rank": "participation ratio of the change of W_h",
    "change_entropy_rank": "entropy rank of the change of W_h",
    "kernel_alignment": "alignment of tangent kernels",
    "representation_alignment": "alignment of rates",
    "centred_representation_alignment": "alignment of centred rates",
    "final_loss": "final loss",
    "lowest_loss": "lowest loss",
    "exponent_before": "max Lyapunov exponent before",
    "exponent_after": "max Lyapunov exponent after",
}
_TRIALS = 32
# A seed of trials that no training draws: those of training end with the number of the update.
_PROBE = 10**9 + 2


def measure_regime(**parameters: Any) -> dict[str, Any]:
    """Train one network and compare it with what it was before.

    Parameters
    ----------
    **parameters
        Of `RateConfiguration`.

    Returns
    -------
    dict
        The names of `MEASURES`, and "loss", the learning curve in blocks of 20 updates. NaN where
        training, or flossing before it, diverged, but for "exponent_before" if there was one.
    """
    c = RateConfiguration(**parameters)
    probe = get(c.task)(_TRIALS, (c.seed, _PROBE))
    n_blocks = c.iterations // BLOCK
    curve = np.full(n_blocks, np.nan)
    found: dict[str, Any] = dict.fromkeys(MEASURES, np.nan)
    try:
        network = start_network(c)
        found["exponent_before"] = lyapunov_spectrum(network, probe.inputs).exponents[0]
        result = train(c, network=network)
        if not result.completed:
            raise KeyboardInterrupt  # no half-trained network among the results
        regime = learning_regime(network, result.network, probe.inputs, probe.response)
        found["exponent_after"] = lyapunov_spectrum(result.network, probe.inputs).exponents[0]
    except ArithmeticError:  # it is not finite any more
        return {**found, "loss": ("block", curve)}
    for name, block in (
        ("recurrent_change", "recurrent"),
        ("input_change", "input_weights"),
        ("readout_change", "readout"),
    ):
        found[name] = regime.weight_change[block]
    for name in MEASURES:
        if hasattr(regime, name):
            found[name] = getattr(regime, name)
    found["final_loss"], found["lowest_loss"] = result.final_loss, result.lowest_loss
    curve = result.losses[: n_blocks * BLOCK].reshape(n_blocks, BLOCK).mean(axis=1)
    return {**found, "loss": ("block", curve)}


def _check(**parameters: Any) -> None:
    """Refuse a cell before any is measured."""
    configuration = RateConfiguration(**parameters)
    get(configuration.task)
    configuration.check_memory()


REGIME = Observable(measure_regime, check=_check)
"""`measure_regime` with its checks, for `sweeps.run`."""


def plan_regimes(*, quick: bool = False, seeds: int = 3) -> list[Experiment]:
    """Return the grids of the study, one for each rule.

    Parameters
    ----------
    quick : bool, default False
        A small study: three structures, two gains, 2 seeds, 600 updates.
    seeds : int, default 3
        Networks of each structure, gain and rule.

    Returns
    -------
    list of Experiment
        In the order in which they are run.
    """
    # The seed is the first axis: a study that is stopped has all conditions with fewer seeds.
    axes: dict[str, tuple[Any, ...]] = {
        "seed": tuple(range(check_integer("seeds", seeds, 1))),
        "structure": STRUCTURES,
        "gain": GAINS,
    }
    iterations = ITERATIONS
    if quick:
        few = ("gaussian", "low-rank-4", "dale")
        axes, iterations = {"seed": (0, 1), "structure": few, "gain": (0.2, 1.0)}, 600
    return [
        Experiment(
            f"regimes-{rule}",
            axes,
            {"task": "romo", "rule": rule, "learning_rate": rate, "iterations": iterations},
            REGIME,
        )
        for rule, rate in LEARNING_RATES.items()
    ]


def summarise(result: xr.Dataset) -> list[dict[str, float | str]]:
    """Return what a table of the study shows, one record for each structure and gain.

    Parameters
    ----------
    result : xarray.Dataset
        A grid of `plan_regimes`.

    Returns
    -------
    list of dict
        Structure and gain; how many runs there are that did not diverge; mean and standard
        deviation over these of each measure. Conditions that are not measured yet are left out.
    """
    records: list[dict[str, Any]] = []
    for structure in result["structure"].values:
        for gain in result["gain"].values:
            row = result.sel(structure=structure, gain=gain)
            if row["exponent_before"].isnull().all():
                continue  # nothing is measured yet
            record: dict[str, Any] = {"structure": str(structure), "gain": float(gain)}
            record["runs"] = int(row["final_loss"].notnull().sum())
            for name in MEASURES:
                record[name] = float(row[name].mean())
                record[f"{name}_std"] = float(row[name].std())
            records.append(record)
    return records

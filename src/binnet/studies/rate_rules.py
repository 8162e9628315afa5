"""Learning curves of every rule on Romo: gain x rule x learning rate x seed, beside BPTT."""

from __future__ import annotations

from typing import Any

from binnet._validation import check_integer
from binnet.studies.rate import ITERATIONS, Experiment, summarise

__all__ = ["FEEDBACKS", "RULES", "SPARSE_RULES", "plan_rules", "summarise"]

#: Rules with the readout as feedback; eprop-self is snap-1.
RULES = ("bptt", "tbptt-8", "eprop", "eprop-self", "uoro", "kf-rtrl", "modprop-2")
#: Those of a sparse network, where snap-n is cheaper than rtrl.
SPARSE_RULES = ("bptt", "eprop", "snap-1", "snap-2")
SPARSE = "sparse-8"
FEEDBACKS = ("random", "learned")
GAIN = 1.0
MORE_GAINS = (0.2, 0.5, 1.5)
LEARNING_RATES = (3e-4, 1e-3)


def plan_rules(*, quick: bool = False, seeds: int = 5) -> list[Experiment]:
    """Return the grids of the study.

    Parameters
    ----------
    quick : bool, default False
        Three rules at one learning rate, 1000 updates, 2 seeds.
    seeds : int, default 5
        Independent runs of each condition.

    Returns
    -------
    list of Experiment
        In the order in which they are run.
    """
    seeds = check_integer("seeds", seeds, 1)
    # The seed is the first axis: a study that is stopped has all conditions with fewer seeds.
    every = tuple(range(seeds))
    common: dict[str, Any] = {"task": "romo", "n_exponents": 1}
    if quick:
        axes = {"seed": (0, 1), "rule": ("bptt", "eprop", "kf-rtrl"), "learning_rate": (1e-3,)}
        return [Experiment("rules", axes, {**common, "gain": GAIN, "iterations": 1000})]
    common["iterations"] = ITERATIONS["eprop"]
    rates = {"learning_rate": LEARNING_RATES}

    def grid(name: str, axes: dict[str, Any], **fixed: Any) -> Experiment:
        return Experiment(name, {"seed": every, **axes, **rates}, {**common, **fixed})

    return [
        grid("rules", {"rule": RULES}, gain=GAIN),
        grid("rules-feedback", {"feedback": FEEDBACKS}, gain=GAIN, rule="eprop"),
        grid("rules-sparse", {"rule": SPARSE_RULES}, gain=GAIN, structure=SPARSE),
        grid("rules-more-gains", {"rule": RULES, "gain": MORE_GAINS}),
    ]

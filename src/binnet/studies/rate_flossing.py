"""Gradient flossing and e-prop on Romo: gains, numbers of exponents, lengths, again in training."""

from __future__ import annotations

from typing import Any

from binnet._validation import check_integer
from binnet.studies.rate import FLOSSED_GAIN, GAINS, ITERATIONS, Experiment, summarise

__all__ = ["EXPONENTS", "plan_flossing", "summarise"]

#: k, how many exponents are flossed.
EXPONENTS = (1, 4, 8, 16, 32)
#: Those of the recipes, which helped at the smallest gain.
FEW_EXPONENTS = (8, 16)
MANY_EXPONENTS = (16, 32)
LEARNING_RATES = (3e-4, 1e-3)
#: Steps of flossing before training; the first grid has 100.
LONGER = (300, 1000)
STEPS = (50, 100, 200)
#: Rounds of flossing in training: updates between two, and steps of each.
ROUNDS = ((100, 20), (500, 100))


def plan_flossing(*, quick: bool = False, seeds: int = 5) -> list[Experiment]:
    """Return the grids of the study.

    Parameters
    ----------
    quick : bool, default False
        Two gains, k = 8, flossed before training for 100 steps, 1000 updates, 2 seeds.
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
    common: dict[str, Any] = {"task": "romo", "rule": "eprop"}
    if quick:
        axes = {"seed": (0, 1), "floss_exponents": (0, 8), "gain": (0.2, 1.0),
                "learning_rate": (3e-4,)}  # fmt: skip
        return [Experiment("romo-eprop-flossing", axes,
                           {**common, "iterations": 1000, "n_exponents": 16})]  # fmt: skip
    common["iterations"] = ITERATIONS["eprop"]
    rates = {"learning_rate": LEARNING_RATES}
    recipe = {**common, "gain": FLOSSED_GAIN, "floss_version": "local", "n_exponents": 32}

    def grid(name: str, axes: dict[str, Any], fixed: dict[str, Any]) -> Experiment:
        return Experiment(f"romo-eprop-{name}", {"seed": every, **axes, **rates}, fixed)

    return [
        grid(
            "flossing",
            {"floss_version": ("local", "full"), "floss_exponents": EXPONENTS, "gain": GAINS},
            {**common, "n_exponents": 32},
        ),
        grid(
            "flossing-longer",
            {"floss_exponents": FEW_EXPONENTS, "floss_iterations": LONGER},
            recipe,
        ),
        # Around the 100 steps: 300 and more make the largest exponents positive.
        grid(
            "flossing-steps",
            {"floss_exponents": MANY_EXPONENTS, "floss_iterations": STEPS},
            recipe,
        ),
        grid("flossing-32", {"floss_exponents": (32,), "floss_iterations": LONGER}, recipe),
        *(
            grid(
                f"flossing-every-{updates}",
                {"floss_exponents": FEW_EXPONENTS},
                {**recipe, "floss_every": updates, "floss_iterations": steps},
            )
            for updates, steps in ROUNDS
        ),
    ]

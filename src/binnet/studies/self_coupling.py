"""One axis of self-coupling: what is learned, whether dynamics converges, what the theory says.

The test accuracy on entangled MNIST, the probability that random networks of the same size reach a
fixed point, and the entropies and transitions of the theory. `run_self_coupling` measures and
computes all of it in four resumable sweeps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet import theory
from binnet._validation import check_choice, check_integer, check_real
from binnet.learning import Configuration, preset
from binnet.studies._parts import Part, run_parts
from binnet.studies._training import observe, train_whole
from binnet.studies.convergence import RELAXATION, convergence_thresholds
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: Distances from a fixed point at which the densest clusters are looked for; the gap closes at
#: 0.0159.
DISTANCES = (0.0005, 0.005, 0.016, 0.05, 0.1)
TRANSITIONS = ("gap closes", "monotone", "freezing")


@dataclass(frozen=True)
class SelfCouplingPlan:
    """What is measured and computed, and how finely.

    Parameters
    ----------
    preset : str, default "source"
        Preset of the training; see `binnet.preset`.
    n_hidden : int, default 400
        H of the trained networks, and N of the random ones.
    epochs, samples : int
        Passes and training samples (the first). Default: 10 passes over all 60000.
    seeds : int, default 3
        Trainings at each self-coupling.
    trained : tuple of float
        Self-couplings J_D of the trainings.
    networks, replicas, max_sweeps : int
        Random networks, starts in each, and sweeps at most. Default: 5, 20 and 1000.
    relaxed : tuple of float
        Self-couplings of the random networks.
    calculated : tuple of float
        Self-couplings of the theory's entropies.
    n_trajectories, n_sweeps : int
        Effort of the theory's freezing threshold; see `binnet.theory.freezing_self_coupling`.
        Default: 4000 and 300.
    """

    preset: str = "source"
    n_hidden: int = 400
    epochs: int = 10
    samples: int = 60000
    seeds: int = 3
    trained: tuple[float, ...] = (
        0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2,
    )  # fmt: skip
    networks: int = 5
    replicas: int = 20
    max_sweeps: int = 1000
    relaxed: tuple[float, ...] = (
        0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.65, 0.7,
        0.8, 1.0, 1.2,
    )  # fmt: skip
    calculated: tuple[float, ...] = (
        *(k / 100 for k in range(0, 21, 2)), *(k / 20 for k in range(5, 25)),
    )  # fmt: skip
    n_trajectories: int = 4000
    n_sweeps: int = 300

    def __post_init__(self) -> None:
        for name in ("epochs", "samples", "seeds", "networks"):
            check_integer(name, getattr(self, name), 1)
        for j in self.trained:
            preset(self.preset).replace(self_coupling=j, n_hidden=self.n_hidden)

    @classmethod
    def quick(cls, **changes: Any) -> SelfCouplingPlan:
        """Return a plan of about a minute on one core that shows the same picture.

        Parameters
        ----------
        **changes
            Parameters that are to be otherwise.

        Returns
        -------
        SelfCouplingPlan
            2 epochs on 10000 samples, one seed, fewer self-couplings.
        """
        small: dict[str, Any] = {
            "epochs": 3,
            "samples": 10000,
            "seeds": 1,
            "trained": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.2),
            "networks": 2,
            "replicas": 8,
            "max_sweeps": 300,
            "relaxed": (0.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.2),
            "calculated": (0.0, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2),
            "n_trajectories": 2000,
            "n_sweeps": 100,
        }
        return cls(**(small | changes))


@dataclass(frozen=True)
class SelfCouplingResult:
    """Everything on the axis of self-coupling.

    Attributes
    ----------
    learning : xarray.Dataset
        What `train_at` measured (self_coupling, seed).
    convergence : xarray.Dataset
        What `binnet.studies.relaxation` measured (self_coupling, update_order, seed).
    entropies : xarray.Dataset
        What `compute_entropies` computed (self_coupling).
    transitions : xarray.Dataset
        What `find_transition` computed (transition).
    """

    learning: xr.Dataset
    convergence: xr.Dataset
    entropies: xr.Dataset
    transitions: xr.Dataset

    @functools.cached_property
    def thresholds(self) -> xr.Dataset:  # numpydoc ignore=RT01
        """Self-coupling at which half of the random networks' runs converge (update_order)."""
        return convergence_thresholds(self.convergence)


def train_at(
    self_coupling: float, seed: int, preset_name: str, n_hidden: int, epochs: int, samples: int
) -> Mapping[str, Any]:
    """Train one network on entangled MNIST with a given self-coupling.

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    seed : int
        Of the training.
    preset_name : str
        Where the other parameters come from.
    n_hidden, epochs : int
        H, and passes.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    mapping
        "accuracy" (epoch) on the test set; "fixed_points" (epoch), the fraction of training
        relaxations that ended in a fixed point; "seconds", spent learning.
    """
    result = train_whole(_configure(self_coupling, seed, preset_name, n_hidden, epochs), samples)
    return {
        "accuracy": ("epoch", [m.accuracy["test"] for m in result.history]),
        "fixed_points": ("epoch", [m.fixed_points for m in result.history]),
        "seconds": sum(m.seconds for m in result.history),
    }


def _configure(
    self_coupling: float, seed: int, preset_name: str, n_hidden: int, epochs: int
) -> Configuration:
    return preset(preset_name).replace(
        self_coupling=self_coupling, n_hidden=n_hidden, epochs=epochs, seed=seed
    )


def compute_entropies(self_coupling: float, distances: Sequence[float]) -> Mapping[str, Any]:
    """Return the theory's entropies at one self-coupling.

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    distances : sequence of float
        Distances d of the local entropies, in (0, 1/2].

    Returns
    -------
    mapping
        "complexity"; "local_entropy" (distance), of the densest clusters; and "distance" itself;
        nats per neuron.
    """
    return {
        "complexity": float(theory.complexity(self_coupling)),
        "local_entropy": ("cluster", theory.local_entropy(self_coupling, distances).value),
        "distance": ("cluster", distances),
    }


def find_transition(
    transition: str, n_trajectories: int = 4000, n_sweeps: int = 300
) -> Mapping[str, float]:
    """Return a self-coupling at which the theory has a transition.

    Parameters
    ----------
    transition : {"gap closes", "monotone", "freezing"}
        The overlap gap closes; the local entropy becomes monotone; the synchronous dynamics of the
        infinite network freezes.
    n_trajectories, n_sweeps : int
        Effort of the third, which is sampled.

    Returns
    -------
    mapping
        "threshold" and its "error".
    """
    _check_transition(transition, n_trajectories, n_sweeps)
    found: theory.Threshold | theory.Freezing
    if transition == "gap closes":
        found = theory.critical_self_coupling()
    elif transition == "monotone":
        found = theory.monotone_self_coupling()
    else:
        found = theory.freezing_self_coupling(n_trajectories=n_trajectories, n_sweeps=n_sweeps)
    return {"threshold": float(found.self_coupling), "error": float(found.error)}


def _check_entropies(self_coupling: float, distances: Sequence[float]) -> None:
    check_real("self_coupling", self_coupling, 0.0)
    for distance in distances:
        check_real("distances", distance, 0.0, 0.5, above=True)


def _check_transition(transition: str, n_trajectories: int, n_sweeps: int) -> None:
    check_choice("transition", transition, TRANSITIONS)
    check_integer("n_trajectories", n_trajectories, 10)
    check_integer("n_sweeps", n_sweeps, 1)


def run_self_coupling(
    output: str | Path | None = None,
    plan: SelfCouplingPlan | None = None,
    *,
    workers: int = 1,
    progress: bool = True,
) -> SelfCouplingResult:
    """Measure and compute everything on the axis; a stopped study goes on.

    Parameters
    ----------
    output : path, optional
        Results go beside it: its name with .transitions.nc, .entropies.nc, .convergence.nc and
        .learning.nc. Default: nothing is written.
    plan : SelfCouplingPlan, optional
        What to measure. Default: the full study, about a quarter of an hour on one core.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    SelfCouplingResult
        The four results.
    """
    p = plan or SelfCouplingPlan()

    def name(part: str) -> Path | None:
        return None if output is None else Path(output).with_suffix(f".{part}.nc")

    transitions = Part(
        name("transitions"),
        {"transition": TRANSITIONS},
        Observable(find_transition, check=_check_transition),
        {"n_trajectories": p.n_trajectories, "n_sweeps": p.n_sweeps},
    )
    entropies = Part(
        name("entropies"),
        {"self_coupling": p.calculated},
        Observable(compute_entropies, check=_check_entropies),
        {"distances": DISTANCES},
    )
    convergence = Part(
        name("convergence"),
        {"update_order": ("sync", "async"), "self_coupling": p.relaxed, "seed": range(p.networks)},
        RELAXATION,
        {"n_neurons": p.n_hidden, "replicas": p.replicas, "max_sweeps": p.max_sweeps},
    )
    # The seed is the first axis: a study that is stopped has every self-coupling once.
    learning = Part(
        name("learning"),
        {"seed": range(p.seeds), "self_coupling": p.trained},
        observe(train_at, p.preset, configure=_configure),
        {"preset_name": p.preset, "n_hidden": p.n_hidden, "epochs": p.epochs, "samples": p.samples},
    )
    parts = (transitions, entropies, convergence, learning)
    found = run_parts(parts, workers=workers, progress=progress)
    return SelfCouplingResult(found[3], found[2], found[1], found[0])


def summarise_self_coupling(result: SelfCouplingResult) -> dict[str, Any]:
    """Return the numbers of the figure as plain values, for JSON.

    Parameters
    ----------
    result : SelfCouplingResult
        From `run_self_coupling`.

    Returns
    -------
    dict
        "transitions" and "thresholds", each with [value, error]; "learning", a record for each
        self-coupling with test accuracies over seeds and the fraction of fixed points.
    """
    last = result.learning.isel(epoch=-1).transpose("self_coupling", "seed", ...)
    return {
        "transitions": {
            str(name): [_plain(part["threshold"]), _plain(part["error"])]
            for name, part in result.transitions.groupby("transition")
        },
        "thresholds": {
            str(name): [_plain(part["threshold"]), _plain(part["threshold_error"])]
            for name, part in result.thresholds.groupby("update_order")
        },
        "learning": [
            {
                "self_coupling": float(j),
                "accuracy": [round(float(a), 4) for a in last["accuracy"].sel(self_coupling=j)],
                "fixed_points": round(float(last["fixed_points"].sel(self_coupling=j).mean()), 4),
            }
            for j in last["self_coupling"].values
        ],
    }


def _plain(value: Any) -> float | None:
    """Return a number for JSON, which has no NaN."""
    number = float(value.item())
    return number if number == number else None

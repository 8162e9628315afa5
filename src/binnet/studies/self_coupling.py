"""The axis of self-coupling, at several margins: learning, dynamics, and what the theory says.

The test accuracy on entangled MNIST at each margin of the rule, beside a network whose hidden
weights do not learn; convergence of the dynamics after learning, before it, and of random networks
without input; and entropies and transitions of the theory at the same margins, with fields as
strong as the input and without any. `run_self_coupling` measures and computes all of it in six
resumable sweeps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet import theory
from binnet._validation import check_integer, check_real
from binnet.studies._cells import FIND_LINES, configure, observe_training, observe_untrained
from binnet.studies._parts import Part, run_parts
from binnet.studies.convergence import RELAXATION, convergence_thresholds
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: Distance from a fixed point at which the densest clusters are looked for.
DISTANCE = 0.016
# Hidden weights stay as they were drawn; the readout would learn from states that the feedback
# steers to, and that it does not meet again.
_CONTROL = {"rate_couplings": 0.0, "rate_input": 0.0, "feedback_strength": 0.0}


@dataclass(frozen=True)
class SelfCouplingPlan:
    """What is measured and computed, and how finely.

    Parameters
    ----------
    preset : str, default "source"
        Preset of the training; see `binnet.preset`.
    margin : tuple of float, default (0.0, 0.3, 0.9, 1.5)
        Margins kappa of the learning rule, and of the theory's fixed points.
    input_strength : float, default 5.0
        lambda_in > 0 of the trained networks, and sigma_b of the theory's fields.
    n_hidden : int, default 400
        H of the trained networks, and N of the random ones.
    epochs, samples : int
        Passes and training samples (the first). Default: 10 passes over all 60000.
    seeds : int, default 3
        Trainings at each margin and self-coupling.
    trained : tuple of float
        Self-couplings J_D of the trainings.
    networks, replicas, max_sweeps : int
        Random networks, starts in each, and sweeps at most. Default: 5, 20 and 1000.
    relaxed : tuple of float
        Self-couplings of the random networks.
    calculated : tuple of float
        Self-couplings of the theory's entropies.
    dynamics : bool, default True
        Whether to estimate where infinite random networks freeze: half a minute.
    """

    preset: str = "source"
    margin: tuple[float, ...] = (0.0, 0.3, 0.9, 1.5)
    input_strength: float = 5.0
    n_hidden: int = 400
    epochs: int = 10
    samples: int = 60000
    seeds: int = 3
    trained: tuple[float, ...] = (
        0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.6,
    )  # fmt: skip
    networks: int = 5
    replicas: int = 20
    max_sweeps: int = 1000
    relaxed: tuple[float, ...] = (
        0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.65, 0.7,
        0.8, 1.0, 1.2, 1.6,
    )  # fmt: skip
    calculated: tuple[float, ...] = (
        *(k / 100 for k in range(0, 21, 2)),
        *(k / 20 for k in range(5, 33)),
    )
    dynamics: bool = True

    def __post_init__(self) -> None:
        for kappa in self.margin:
            check_real("margin", kappa, 0.0)
        check_real("input_strength", self.input_strength, 0.0, 100.0, above=True)
        for name in ("epochs", "samples", "seeds", "networks"):
            check_integer(name, getattr(self, name), 1)
        for j in self.trained:
            configure(self.preset, 0, self_coupling=j, n_hidden=self.n_hidden)

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
            3 epochs on 10000 samples, one seed, fewer self-couplings; freezing is left out.
        """
        small: dict[str, Any] = {
            "epochs": 3,
            "samples": 10000,
            "seeds": 1,
            "trained": (0.0, 0.06, 0.2, 0.5, 1.0, 1.6),
            "networks": 2,
            "replicas": 8,
            "max_sweeps": 300,
            "relaxed": (0.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.6),
            "calculated": (0.0, 0.02, 0.1, 0.3, 0.32, 0.5, 0.7, 0.9, 0.92, 1.2, 1.5, 1.52, 1.6),
            "dynamics": False,
        }
        return cls(**(small | changes))


@dataclass(frozen=True)
class SelfCouplingResult:
    """Everything on the axis of self-coupling.

    Attributes
    ----------
    learning : xarray.Dataset
        What `binnet.studies.map.train_cell` measured (seed, margin, self_coupling, epoch).
    control : xarray.Dataset
        The same of a network that learns its readout only (seed, self_coupling, epoch).
    untrained : xarray.Dataset
        What `binnet.studies.map.relax_untrained` measured (seed, self_coupling).
    convergence : xarray.Dataset
        What `binnet.studies.relaxation` measured (self_coupling, update_order, seed).
    entropies : xarray.Dataset
        What `compute_entropies` computed (field_std, margin, self_coupling).
    transitions : xarray.Dataset
        What `binnet.studies.map.find_lines` found (field_std).
    """

    learning: xr.Dataset
    control: xr.Dataset
    untrained: xr.Dataset
    convergence: xr.Dataset
    entropies: xr.Dataset
    transitions: xr.Dataset

    @functools.cached_property
    def thresholds(self) -> xr.Dataset:  # numpydoc ignore=RT01
        """Self-coupling at which half of the random networks' runs converge (update_order)."""
        return convergence_thresholds(self.convergence)


def compute_entropies(
    self_coupling: float, margin: float, field_std: float, distance: float
) -> Mapping[str, float]:
    """Return the theory's entropies at one self-coupling, margin and strength of fields.

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    margin, field_std : float
        kappa >= 0 and sigma_b >= 0.
    distance : float
        Distance d of the local entropy, in (0, 1/2].

    Returns
    -------
    mapping
        "complexity" and "local_entropy" of the densest clusters, in nats per neuron.
    """
    local = theory.local_entropy(self_coupling, distance, margin=margin, field_std=field_std)
    return {
        "complexity": float(theory.complexity(self_coupling, margin, field_std)),
        "local_entropy": float(local.value),
    }


def _check_entropies(
    self_coupling: float, margin: float, field_std: float, distance: float
) -> None:
    check_real("self_coupling", self_coupling, 0.0)
    check_real("margin", margin, 0.0)
    check_real("field_std", field_std, 0.0)
    check_real("distance", distance, 0.0, 0.5, above=True)


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
        Results go beside it: its name with .transitions.nc, .entropies.nc, .convergence.nc,
        .untrained.nc, .control.nc and .learning.nc. Default: nothing is written.
    plan : SelfCouplingPlan, optional
        What to measure. Default: the full study, about half an hour on one core.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    SelfCouplingResult
        The six results.
    """
    p = plan or SelfCouplingPlan()

    def name(part: str) -> Path | None:
        return None if output is None else Path(output).with_suffix(f".{part}.nc")

    fields = {"field_std": (0.0, p.input_strength)}
    couplings = {"seed": range(p.seeds), "self_coupling": p.trained}
    network = {
        "preset_name": p.preset,
        "validation": False,
        "input_strength": p.input_strength,
        "n_hidden": p.n_hidden,
    }
    training = {**network, "epochs": p.epochs, "samples": p.samples}
    train = observe_training(p.preset)
    parts = {
        "transitions": Part(
            name("transitions"), fields, FIND_LINES, {"estimate_freezing": p.dynamics}
        ),
        "entropies": Part(
            name("entropies"),
            {**fields, "margin": p.margin, "self_coupling": p.calculated},
            Observable(compute_entropies, check=_check_entropies),
            {"distance": DISTANCE},
        ),
        "convergence": Part(
            name("convergence"),
            {
                "update_order": ("sync", "async"),
                "self_coupling": p.relaxed,
                "seed": range(p.networks),
            },
            RELAXATION,
            {"n_neurons": p.n_hidden, "replicas": p.replicas, "max_sweeps": p.max_sweeps},
        ),
        "untrained": Part(name("untrained"), couplings, observe_untrained(p.preset), network),
        "control": Part(name("control"), couplings, train, training | _CONTROL),
        # The seed is the first axis: a study that is stopped has every cell once.
        "learning": Part(
            name("learning"),
            {"seed": range(p.seeds), "margin": p.margin, "self_coupling": p.trained},
            train,
            training,
        ),
    }
    found = run_parts(list(parts.values()), workers=workers, progress=progress)
    return SelfCouplingResult(**dict(zip(parts, found, strict=True)))


def summarise_self_coupling(result: SelfCouplingResult) -> dict[str, Any]:
    """Return the numbers of the figure as plain values, for JSON.

    Parameters
    ----------
    result : SelfCouplingResult
        From `run_self_coupling`.

    Returns
    -------
    dict
        "transitions", for each strength of fields "gap closes" (of J_D - kappa) and "freezing",
        and "thresholds", each with [value, error]; "learning" and "control", a record for each
        margin and self-coupling with a list over seeds of the accuracy and the fraction of
        inferences at a fixed point; "untrained", that fraction before learning.
    """
    table = result.transitions
    return {
        "transitions": [
            {
                "field_std": float(std),
                "gap closes": [_plain(row["critical"]), _plain(row["critical_error"])],
                "freezing": [_plain(row["freezing"]), _plain(row["freezing_error"])],
            }
            for std, row in ((std, table.sel(field_std=std)) for std in table["field_std"].values)
        ],
        "thresholds": {
            str(name): [_plain(part["threshold"]), _plain(part["threshold_error"])]
            for name, part in result.thresholds.groupby("update_order")
        },
        "learning": [
            {"margin": float(kappa), **row}
            for kappa in result.learning["margin"].values
            for row in _list_last(result.learning.sel(margin=kappa))
        ],
        "control": _list_last(result.control),
        "untrained": [
            {
                "self_coupling": float(j),
                "convergence": _over_seeds(result.untrained["convergence"].sel(self_coupling=j)),
            }
            for j in result.untrained["self_coupling"].values
        ],
    }


def _list_last(learning: xr.Dataset) -> list[dict[str, Any]]:
    last = learning.isel(epoch=-1)
    return [
        {
            "self_coupling": float(j),
            **{
                name: _over_seeds(last[name].sel(self_coupling=j))
                for name in ("accuracy", "inference_convergence")
            },
        }
        for j in last["self_coupling"].values
    ]


def _over_seeds(values: xr.DataArray) -> list[float]:
    return [round(float(value), 4) for value in values.values]


def _plain(value: Any) -> float | None:
    """Return a number for JSON, which has no NaN."""
    number = float(value.item())
    return number if number == number else None

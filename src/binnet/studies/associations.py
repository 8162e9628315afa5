"""Random associations: how a network of L modules learns them, and how many it holds at most.

Observables of a sweep: `measure_capacity` finds the capacity of one network by bisection,
`recall_associations` trains at one load (docs/model/network.md, section 10.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from binnet._threads import ThreadChoice
from binnet._validation import check_choice, check_integer, check_real
from binnet.datasets import Associations, draw_associations
from binnet.dynamics import predict
from binnet.learning import Configuration, Run, preset
from binnet.learning.memory import check_size
from binnet.networks import BinaryNetwork
from binnet.networks.sparse import is_sparse
from binnet.studies._bisection import find_last_success, geometric_grid
from binnet.sweeps import Observable

#: What attaches where, beside the input to the first module: see `configure_depth`.
ATTACHMENTS = ("last", "all", "ends", "first")
# P / H between which a capacity is looked for, and where the search begins.
LOWEST, HIGHEST, _FIRST = 1.0 / 16.0, 64.0, 1.0
_MOST_ASSOCIATIONS = 10**6
# Inputs of the preset's strength, 5, hold the state so firmly that little can be stored. Readout
# and scaling of the rates are not the preset's, either: docs/results/capacity.md was measured so.
_STORING = {
    "input_strength": 1.0,
    "batch_size": 4,
    "rate_readout": 0.1,
    "readout_margin": 4.0,
    "rate_scaling": "weights",
}


def configure_depth(n_modules: int, attachment: str = "last", **changes: Any) -> Configuration:
    """Return the configuration of a deep network that learns associations.

    It is the preset "deep" with L modules; but with inputs of strength 1 (5 for "first"), batches
    of 4, and a readout and a scaling of the rates of its own.

    Parameters
    ----------
    n_modules : int
        L, at least 1.
    attachment : {"last", "all", "ends", "first"}, default "last"
        "last": input and feedback attach to every module, the readout to the last one, as in the
        preset. "all": the readout attaches to every module, too. "ends": input to the first module
        only, readout and feedback to the last one only. "first": input to the first module only,
        feedback to every one, readout to the last; with strengths, schedule and rates of its own,
        with which deeper modules learn what they are sent (docs/results/capacity.md).
    **changes
        Further parameters, as of `Configuration.replace`.

    Returns
    -------
    Configuration
        The configuration.
    """
    check_choice("attachment", attachment, ATTACHMENTS)
    configuration = preset("deep", n_modules).replace(**_STORING)
    none = (0.0,) * (n_modules - 1)
    if attachment == "all":
        configuration = configuration.replace(readout_strength=1.0)
    if attachment == "ends":
        feedback = preset("deep").network.feedback_strength
        configuration = configuration.replace(
            input_strength=(1.0, *none), feedback_strength=(*none, feedback)
        )
    if attachment == "first":
        configuration = configuration.replace(
            input_strength=(5.0, *none),
            density=(1.0, *none),
            self_coupling=(0.7, *none),
            neighbour_strength=(0.0, *(1.0,) * (n_modules - 1)),
            feedback_strength=tuple(np.linspace(3.0, 1.0, n_modules)),
            # The input goes to the last module and back; then one sweep of feedback.
            warmup=2 * n_modules,
            feedback=2 * n_modules + 1,
            free=0,
            margin=0.4,
            rate_couplings=0.2,
            rate_input=0.36,
        )
    return configuration.replace(**changes)


class _Learned(NamedTuple):
    """What the rule has reached."""

    recalled: float  # largest fraction after any epoch
    n_epochs: float  # until the level was reached, NaN where it was not
    n_presentations: int
    row_norm: float  # of the hidden neurons' weights, root mean square


def _learn(
    associations: Associations, configuration: Configuration, level: float, threads: ThreadChoice
) -> _Learned:
    """Learn until the level is reached without feedback, or all epochs are used up."""
    X, y = associations.X, associations.y
    run, best = Run.start(configuration, len(X)), 0.0
    options = configuration.training.inference_options()
    while not run.finished:
        while not run.epoch_is_complete:
            run.learn_by_clock(X, y, threads)
        run.next_epoch()
        n_recalled = np.count_nonzero(predict(run.relaxable(), X, **options) == y)
        best = max(best, n_recalled / len(X))
        if n_recalled >= _needed(level, len(X)):
            return _Learned(best, run.epoch, run.samples_seen, _row_norm(run.network()))
    return _Learned(best, math.nan, run.samples_seen, _row_norm(run.network()))


def _needed(level: float, n_associations: int) -> int:
    """Return how many must be recalled; 0.95 is not a whole number of rounding errors more."""
    return math.ceil(level * n_associations - 1e-9)


def recall_associations(
    n_modules: int,
    load: float,
    n_hidden: int,
    seed: int,
    epochs: int,
    attachment: str = "last",
    n_inputs: int = 100,
    n_classes: int = 10,
    level: float = 1.0,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train on P random associations until a level is recalled; an observable for `sweeps.run`.

    Parameters
    ----------
    n_modules : int
        L.
    load : float
        P / H; P is rounded, and at least 1.
    n_hidden : int
        H, neurons of each module.
    seed : int
        Of the associations and of the training. A larger load has the associations of a smaller
        one, and more.
    epochs : int
        Passes over the associations, at most: the budget is epochs x P presentations.
    attachment : {"last", "all", "ends", "first"}, default "last"
        See `configure_depth`.
    n_inputs, n_classes : int
        N_in and C.
    level : float, default 1
        Fraction to be recalled, in (0, 1]; the training ends where it is reached.
    changes : mapping, optional
        Further parameters, as of `configure_depth`.

    Returns
    -------
    dict
        "recalled", the fraction recalled without feedback after the best epoch; "reached", whether
        that is the level; and "n_epochs", passes until then (NaN where it was not reached).
    """
    associations = draw_associations(_count(load, n_hidden), n_inputs, n_classes, seed)
    configuration = _configure(
        n_modules, n_hidden, seed, epochs, attachment, n_inputs, n_classes, changes
    )
    found = _learn(associations, configuration, level, ThreadChoice(None))
    return {
        "recalled": found.recalled,
        "reached": not math.isnan(found.n_epochs),
        "n_epochs": float(found.n_epochs),
    }


def measure_capacity(
    n_modules: int,
    n_hidden: int,
    seed: int,
    epochs: int,
    level: float = 0.95,
    attachment: str = "last",
    accuracy: float = 0.05,
    n_inputs: int = 100,
    n_classes: int = 10,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Find the capacity of one network by bisection; an observable for `sweeps.run`.

    Loads P / H lie on a grid of equal ratio, from 1/16 to 64; each is a training from the same
    initial network on the first P associations of one draw. From load 1 on they are doubled until
    two in a row fail to reach the level (or halved until one reaches it), and what lies between the
    last success and the failure above it is bisected. Where learning is not monotone, a larger load
    may succeed where a smaller one fails: the two loads above the last success are tried in any
    case, and the search goes on from one that succeeds.

    Parameters
    ----------
    n_modules, n_hidden, seed, epochs : int
        As of `recall_associations`.
    level : float, default 0.95
        Fraction to be recalled without feedback, in (0, 1].
    attachment : {"last", "all", "ends", "first"}, default "last"
        See `configure_depth`.
    accuracy : float, default 0.05
        Largest relative distance of neighbouring loads, 0.005 to 1.
    n_inputs, n_classes, changes : optional
        As of `recall_associations`.

    Returns
    -------
    dict
        "capacity", the largest P / H that reached the level, and "upper", the next load, which did
        not; NaN where that is beyond the loads, on which side says "where": -1 below, +1 above,
        else 0. Of the training at the capacity "n_epochs" and "row_norm", the root mean square
        norm of the learned weights of a hidden neuron. "n_trainings" and "n_presentations" of the
        search, and its log: "recalled" and "epochs_needed" of every load of the grid (load), as of
        `recall_associations`; NaN where it was not tried.
    """
    loads, steps = geometric_grid(LOWEST, HIGHEST, accuracy)
    counts = [_count(load, n_hidden) for load in loads]
    associations = draw_associations(counts[-1], n_inputs, n_classes, seed)
    configuration = _configure(
        n_modules, n_hidden, seed, epochs, attachment, n_inputs, n_classes, changes
    )
    threads = ThreadChoice(None)

    tried: dict[int, _Learned] = {}  # by P: in small networks several loads are the same

    def succeeds(k: int) -> bool:
        n = counts[k]
        if n not in tried:
            part = Associations(associations.X[:n], associations.y[:n], seed)
            tried[n] = _learn(part, configuration, level, threads)
        return not math.isnan(tried[n].n_epochs)

    last = find_last_success(succeeds, len(loads), int(np.searchsorted(loads, _FIRST)), steps)
    log = np.full((2, len(loads)), np.nan)
    for k, n in enumerate(counts):
        if n in tried:
            log[:, k] = tried[n].recalled, tried[n].n_epochs
    best, at_end = tried[counts[last]] if last >= 0 else None, last == len(loads) - 1
    return {
        "capacity": counts[last] / n_hidden if best and not at_end else math.nan,
        "upper": counts[last + 1] / n_hidden if best and not at_end else math.nan,
        "where": -1 if best is None else int(at_end),
        "n_epochs": float(best.n_epochs) if best else math.nan,
        "row_norm": best.row_norm if best else math.nan,
        "n_trainings": len(tried),
        "n_presentations": sum(found.n_presentations for found in tried.values()),
        "recalled": ("load", log[0]),
        "epochs_needed": ("load", log[1]),
    }


def _row_norm(network: BinaryNetwork) -> float:
    squares = 0.0
    for weights in (network.couplings, network.input_weights):
        there = weights.data if is_sparse(weights) else weights
        squares += float(np.square(there, dtype=float).sum())
    return math.sqrt(squares / network.n_neurons)


def _configure(
    n_modules: int,
    n_hidden: int,
    seed: int,
    epochs: int,
    attachment: str = "last",
    n_inputs: int = 100,
    n_classes: int = 10,
    changes: Mapping[str, Any] | None = None,
) -> Configuration:
    # The parameters of a sweep are plain values: a tuple comes back from there as a list.
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in (changes or {}).items()}
    sizes = {"n_hidden": n_hidden, "n_inputs": n_inputs, "n_outputs": n_classes}
    return configure_depth(n_modules, attachment, epochs=epochs, seed=seed, **sizes, **plain)


def _count(load: float, n_hidden: int) -> int:
    """Return P."""
    return max(1, round(load * n_hidden))


def _check(load: float, level: float = 1.0, **parameters: Any) -> None:
    """Refuse a cell before any is measured."""
    check_real("load", load, 0.0, float(_MOST_ASSOCIATIONS), above=True)
    check_real("level", level, 0.0, 1.0, above=True)
    for name, low in (("n_modules", 1), ("n_hidden", 1), ("seed", 0), ("epochs", 1)):
        check_integer(name, parameters[name], low)
    for name, low in (("n_inputs", 1), ("n_classes", 2)):
        check_integer(name, parameters.get(name, low), low)
    n = _count(load, parameters["n_hidden"])
    check_integer("P = load * n_hidden", n, 1, _MOST_ASSOCIATIONS)
    configuration = _configure(**parameters)
    configuration.rule.synapses(configuration)
    check_size(configuration, n)


def _check_search(accuracy: float = 0.05, **parameters: Any) -> None:
    check_real("accuracy", accuracy, 0.005, 1.0)
    _check(HIGHEST, **{"level": 0.95, **parameters})


def _cost(n_modules: int, n_hidden: int, epochs: int, load: float = 4.0, **_: Any) -> float:
    # Measured at H = 100: so do the seconds grow from 1 to 4 modules.
    n = n_modules * n_hidden
    return epochs * load * n_hidden * n * (n + 200.0)


RECALL = Observable(recall_associations, cost=_cost, check=_check)
"""`recall_associations` with its checks and cost, for `sweeps.run`."""

CAPACITY = Observable(measure_capacity, cost=_cost, check=_check_search)
"""`measure_capacity` with its checks and cost, for `sweeps.run`."""

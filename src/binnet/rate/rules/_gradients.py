"""The gradient of each learning rule, for arguments that are checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from binnet.rate._losses import Goal, compute_error
from binnet.rate._names import parse_name
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.divergence import DivergenceError
from binnet.rate.model import RateRNN, follow
from binnet.rate.rules import _eprop, _exact, _modprop, _snap, _stochastic
from binnet.rate.rules._pass import Pass


class Kind(NamedTuple):
    """One kind of learning rule.

    Attributes
    ----------
    compute : callable
        Returns the gradients "recurrent" and "input_weights" of a `Pass`.
    letter : str, optional
        What stands for the number in its name; None: its name has none.
    usual : int, optional
        That number, where nobody says another.
    takes_feedback : bool
        Whether another matrix may carry the error back in place of the readout.
    draw : callable, optional
        Of a stochastic rule: as `compute`, for many seeds at once, ``draw(p, seeds=seeds)``.
    """

    compute: Callable[[Pass], dict[str, Floats]]
    letter: str | None = None
    usual: int | None = None
    takes_feedback: bool = True
    draw: Callable[..., dict[str, Floats]] | None = None

    @property
    def is_stochastic(self) -> bool:
        """Whether it draws random numbers."""
        return self.draw is not None


KINDS = {
    "bptt": Kind(_exact.bptt, takes_feedback=False),
    "tbptt": Kind(_exact.bptt, "K", 8, takes_feedback=False),
    "rtrl": Kind(_exact.rtrl, takes_feedback=False),
    "eprop": Kind(_eprop.eprop),
    "eprop-self": Kind(_eprop.eprop_self),
    "snap": Kind(_snap.snap, letter="N", usual=2),
    "modprop": Kind(_modprop.modprop, letter="C", usual=2),
    "uoro": Kind(_stochastic.uoro, draw=partial(_stochastic.draw_gradients, kind="uoro")),
    "kf-rtrl": Kind(_stochastic.kf_rtrl, draw=partial(_stochastic.draw_gradients, kind="kf-rtrl")),
}
LETTERS = {name: kind.letter for name, kind in KINDS.items()}
#: A rule of each kind, with the usual number where its name has one.
RULES = tuple(
    name if kind.usual is None else f"{name}-{kind.usual}" for name, kind in KINDS.items()
)
#: Those whose error another matrix than the readout may carry back.
LOCAL_RULES = tuple(
    rule for rule, kind in zip(RULES, KINDS.values(), strict=True) if kind.takes_feedback
)


def find_kind(rule: str) -> tuple[Kind, int | None]:
    """Return the kind of a rule, and the number in its name.

    Parameters
    ----------
    rule : str
        Its name, such as "eprop" or "snap-2".

    Returns
    -------
    Kind, int or None
        What it is.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    name = parse_name("rule", rule, LETTERS)
    return KINDS[name.kind], name.number


class Gradient(NamedTuple):
    """Loss, gradient and outputs of a batch of trials.

    Attributes
    ----------
    loss : float
        The loss.
    grads : dict of str to ndarray
        Its gradient by "recurrent", "input_weights" and "readout"; for e-prop, its approximation.
    outputs : ndarray, shape (B, T, N_out)
        What the network answers.
    """

    loss: float
    grads: dict[str, Floats]
    outputs: Floats


def compute_gradient(
    network: RateRNN,
    inputs: Floats,
    goal: Goal,
    rule: str,
    feedback: Floats | None,
    threads: int,
    work: Workspace,
    seed: int | tuple[int, ...] = 0,
) -> Gradient:
    """Return the gradient for arguments that are checked; outputs are of the workspace.

    Raises
    ------
    DivergenceError
        If activity, loss or gradient is not finite.
    """
    kind, _ = find_kind(rule)
    with np.errstate(over="ignore", invalid="ignore"):  # told in one sentence
        p, loss = go_through(network, inputs, goal, rule, feedback, threads, work, seed)
        grads = kind.compute(p)
        if network.connections is not None:
            grads["recurrent"] *= network.connections  # couplings that do not exist do not learn
        grads["readout"] = _differentiate_readout(p)
    _check_finite(loss, grads, rule)
    return Gradient(loss, grads, p.trajectory.outputs)


def compute_draws(
    network: RateRNN,
    inputs: Floats,
    goal: Goal,
    rule: str,
    feedback: Floats | None,
    threads: int,
    work: Workspace,
    seeds: Sequence[int | tuple[int, ...]],
) -> dict[str, Floats]:
    """Return gradients of a stochastic rule, one for each seed along the first axis, by one pass.

    Each is what `compute_gradient` returns for its seed, bit by bit.

    Raises
    ------
    DivergenceError
        If activity, loss or a gradient is not finite.
    """
    kind, _ = find_kind(rule)
    assert kind.draw is not None
    with np.errstate(over="ignore", invalid="ignore"):  # told in one sentence
        p, loss = go_through(network, inputs, goal, rule, feedback, threads, work)
        grads = kind.draw(p, seeds=seeds)
        if network.connections is not None:
            grads["recurrent"] *= network.connections
        readout = _differentiate_readout(p)
        grads["readout"] = np.broadcast_to(readout, (len(seeds), *readout.shape))
    _check_finite(loss, grads, rule)
    return grads


def _differentiate_readout(p: Pass) -> Floats:
    """Return the gradient of the readout, which is exact whatever the rule."""
    n, n_outputs = p.network.n_neurons, p.network.n_outputs
    gradient: Floats = p.error.reshape(-1, n_outputs).T @ p.trajectory.rates.reshape(-1, n)
    return gradient


def go_through(
    network: RateRNN,
    inputs: Floats,
    goal: Goal,
    rule: str,
    feedback: Floats | None,
    threads: int,
    work: Workspace,
    seed: int | tuple[int, ...] = 0,
) -> tuple[Pass, float]:
    """Return the pass that rules are given, and the loss; all arrays are of the workspace."""
    trajectory = follow(network, inputs, work)
    n_samples, n_times, _ = trajectory.rates.shape
    loss, output_error = compute_error(trajectory.outputs, goal)
    error = work.take("error", (n_samples, n_times, network.n_outputs), network.dtype)
    error[:, 1:] = output_error  # h_0 has no output: its row stays 0
    carrier = network.readout if feedback is None else feedback
    _, number = find_kind(rule)
    p = Pass(network, inputs, trajectory, error, carrier, number, seed, threads, work)
    return p, loss


def _check_finite(loss: float, grads: dict[str, Floats], rule: str) -> None:
    if not math.isfinite(loss):
        raise DivergenceError(
            f"the loss is {loss}", "take a smaller gain or weights, or float64 in place of float32"
        )
    for name, grad in grads.items():
        if not np.isfinite(grad).all():
            raise DivergenceError(
                f"the gradient of {name} by {rule} is not finite",
                "take a smaller gain or weights, fewer steps, or float64 in place of float32",
            )

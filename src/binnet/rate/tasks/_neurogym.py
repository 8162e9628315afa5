"""An adapter for the trials of any neurogym environment.

neurogym is no dependency: it needs PyTorch and one version of NumPy, so it lives in an environment
of its own. The adapter only uses what every `neurogym.TrialEnv` has: `new_trial`, `ob`, `gt`,
`seed` and the action space.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.rate.tasks._trials import Seed, Trials, start


def from_neurogym(env: Any) -> Callable[..., Trials]:
    """Return a task that draws its trials from a neurogym environment.

    Parameters
    ----------
    env : neurogym.TrialEnv
        A supervised environment with discrete actions, such as ``neurogym.make("GoNogo-v0")``;
        wrappers around it are taken off. It is copied as it is now, and each batch begins with a
        fresh copy: what it keeps from trial to trial, it keeps within a batch.

    Returns
    -------
    callable
        ``task(batch_size, seed) -> Trials``, for `binnet.rate.train`. Trials of different length
        are padded with zeros at the end, where their mask is 0. `Trials.response` are the steps
        whose target is not 0, the action of fixation.

    Raises
    ------
    TypeError
        If `env` is not such an environment: some have no targets, as they are for rewards only.

    Examples
    --------
    >>> task = from_neurogym(neurogym.make("PerceptualDecisionMaking-v0"))  # doctest: +SKIP
    >>> trials = task(batch_size=32, seed=0)  # doctest: +SKIP
    """
    bare = getattr(env, "unwrapped", env)
    n_actions = getattr(getattr(bare, "action_space", None), "n", None)
    if n_actions is None or not callable(getattr(bare, "new_trial", None)):
        raise TypeError(
            f"env must be a neurogym TrialEnv with discrete actions, got {type(env).__name__}"
        )
    pristine = copy.deepcopy(bare)  # the user's may go on
    # Refuse an environment without targets now, not when training begins.
    _draw_trial(_copy_seeded(pristine, 0))

    def draw(batch_size: int = 32, seed: Seed = 0) -> Trials:
        batch_size, rng = start(batch_size, seed)
        # Some keep more between trials than a generator, such as a block that they are in: a batch
        # would depend on those before it, and a run that is taken up again end otherwise.
        fresh = _copy_seeded(pristine, int(rng.integers(2**31)))
        trials = [_draw_trial(fresh) for _ in range(batch_size)]
        n_steps = max(len(labels) for _, labels in trials)
        inputs = np.zeros((batch_size, n_steps, trials[0][0].shape[1]), np.float32)
        labels = np.zeros((batch_size, n_steps), np.int64)
        mask = np.zeros((batch_size, n_steps), np.float32)
        for b, (ob, gt) in enumerate(trials):
            inputs[b, : len(gt)], labels[b, : len(gt)], mask[b, : len(gt)] = ob, gt, 1
        return Trials(inputs, labels, mask, "cross_entropy", int(n_actions), labels != 0)

    return draw


def _copy_seeded(pristine: Any, seed: int) -> Any:
    env = copy.deepcopy(pristine)
    env.seed(seed)
    return env


def _draw_trial(env: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return observations (steps, inputs) and targets (steps,) of a new trial."""
    env.new_trial()
    ob, gt = (np.asarray(getattr(env, name, None)) for name in ("ob", "gt"))
    if ob.ndim != 2 or gt.shape != ob.shape[:1]:
        raise TypeError(
            "after new_trial, env must have observations ob (steps, inputs) and targets gt (steps,)"
            f"; {type(env).__name__} has {_describe(ob)} and {_describe(gt)}: choose a supervised "
            "environment"
        )
    return ob, gt


def _describe(array: NDArray[Any]) -> str:
    return "none" if array.dtype == object else f"an array of shape {array.shape}"

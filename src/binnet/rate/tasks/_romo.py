"""Parametric working memory: which of two amplitudes, a delay apart, is larger."""

from __future__ import annotations

import numpy as np

from binnet.rate.tasks._trials import Seed, Trials, start

N_STEPS = 56
_STEP = 0.5  # dt in units of tau
_FIRST, _PULSE, _DECISION, _RESPONSE = 6, 2, 10, 20
_DELAYS, _AMPLITUDES, _LEAST_DIFFERENCE = (2.0, 8.0), (0.5, 1.5), 0.2
_TARGET = 0.5


def romo(batch_size: int = 32, seed: Seed = 0) -> Trials:
    """Draw trials of the Romo task (Schuessler et al. 2020; docs/model/rate.md, section 3.1).

    56 steps of 0.5 tau, one input without noise, two outputs. A first amplitude on steps 6-7, a
    delay of d = 4..15 steps, a second amplitude on steps 8+d, 9+d, ten steps to decide, and a
    response of 20 steps with 0.5 on the output of the larger amplitude. Both outputs count before
    the decision delay (where the target is 0) and in the response. Output 0 has loss 0.0317;
    0.25 on both channels in the response, chance, has 0.0158. `Trials.response` are the steps of
    the response: with those alone, no answer has loss 0.0625 and chance 0.0313.

    Parameters
    ----------
    batch_size : int, default 32
        B, number of trials.
    seed : int, tuple of int or numpy.random.Generator, default 0
        The same seed draws the same batch.

    Returns
    -------
    Trials
        The batch, for the squared loss.
    """
    batch_size, rng = start(batch_size, seed)
    amplitudes = rng.uniform(*_AMPLITUDES, (batch_size, 2))
    while True:  # redrawn until they differ enough
        close = np.abs(amplitudes[:, 0] - amplitudes[:, 1]) < _LEAST_DIFFERENCE
        if not close.any():
            break
        amplitudes[close] = rng.uniform(*_AMPLITUDES, (int(close.sum()), 2))
    delay = (rng.uniform(*_DELAYS, batch_size) / _STEP).astype(np.int64)

    step = np.arange(N_STEPS)
    second = (_FIRST + _PULSE + delay)[:, None]
    decision = second + _PULSE
    response = decision + _DECISION
    first_on = (step >= _FIRST) & (step < _FIRST + _PULSE)
    second_on = (step >= second) & (step < decision)
    responding = (step >= response) & (step < response + _RESPONSE)

    inputs = first_on * amplitudes[:, :1] + second_on * amplitudes[:, 1:]
    targets = np.zeros((batch_size, N_STEPS, 2), np.float32)
    larger = amplitudes.argmax(axis=1)
    targets[np.arange(batch_size), :, larger] = _TARGET * responding
    mask = (step < decision) | responding
    return Trials(inputs[..., None].astype(np.float32), targets, mask.astype(np.float32),
                  "squared", 2, responding)  # fmt: skip

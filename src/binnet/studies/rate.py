"""How initial connectivity decides what a rate network learns: gain x rule x learning rate x seed.

The experiments of Liu, Liu & Liu 2024 (rate_rnn.md, section 5). Every network of a grid is trained
by `measure_training`; the functions below it choose the best learning rate of each condition, as
the source does, and read off what its figures show.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.rate import DivergenceError, RateConfiguration, lyapunov_spectrum, start_network, train
from binnet.rate.tasks import get

#: Updates that one point of a stored learning curve is the mean of.
BLOCK = 20
_TRIALS_FOR_EXPONENTS = 32
# A seed of trials that no training draws: those of training end with the number of the update.
_MEASURED = 10**9


def measure_training(**parameters: Any) -> dict[str, Any]:
    """Train one network and return its learning curve and its Lyapunov exponents.

    Parameters
    ----------
    **parameters
        Of `RateConfiguration`.

    Returns
    -------
    dict
        "loss", the learning curve in blocks of 20 updates; "final_loss", the mean of the last 100
        updates; "lowest_loss", the lowest mean of 100 in a row; "exponents_before" and
        "exponents_after" training (and after flossing, if any). NaN where training diverged.
    """
    configuration = RateConfiguration(**parameters)
    draw = get(configuration.task)
    inputs = draw(_TRIALS_FOR_EXPONENTS, (configuration.seed, _MEASURED)).inputs
    network = start_network(configuration)
    n_blocks, n = configuration.iterations // BLOCK, configuration.n_hidden
    before = lyapunov_spectrum(network, inputs, n).exponents
    curve, final, lowest, after = np.full(n_blocks, np.nan), np.nan, np.nan, np.full(n, np.nan)
    try:
        result = train(configuration, network=network)
    except DivergenceError:
        pass
    else:
        curve = result.losses[: n_blocks * BLOCK].reshape(n_blocks, BLOCK).mean(axis=1)
        final, lowest = result.final_loss, result.lowest_loss
        after = lyapunov_spectrum(result.network, inputs, n).exponents
    return {
        "loss": ("block", curve),
        "final_loss": final,
        "lowest_loss": lowest,
        "exponents_before": ("exponent", before),
        "exponents_after": ("exponent", after),
    }

"""How the kernels are told to update neurons: the order, its random numbers, two ways to sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer
from binnet.update_orders import UpdateOrder

if TYPE_CHECKING:
    from binnet_kernels.structs import Update

_SPARSE_EVENTS = 48  # a product of sparse couplings pays where one of so many neurons changes


def stream_key(seed: int, stream: int) -> np.uint64:
    """Return the key of one stream of counter-based random numbers.

    Parameters
    ----------
    seed : int
        The user's seed, at least 0.
    stream : int
        Which of the seed's independent streams.

    Returns
    -------
    uint64
        Key for the kernels.
    """
    sequence = np.random.SeedSequence(check_integer("seed", seed, 0, None), spawn_key=(stream,))
    return np.uint64(sequence.generate_state(1, np.uint64)[0])


def make_update(
    order: UpdateOrder,
    probability: float,
    n_hidden: int,
    keys: NDArray[np.uint64],
    *,
    couplings: Any,
    stop_at_cycle: bool,
) -> Update:
    """Return the kernels' description of an update.

    Parameters
    ----------
    order : UpdateOrder
        The update order.
    probability : float
        From `check_probability`.
    n_hidden : int
        Number of hidden neurons.
    keys : ndarray of uint64, shape (B,)
        Each sample's key for random numbers.
    couplings : ndarray or SparseWeights
        As the kernels take them.
    stop_at_cycle : bool
        Whether a sample in a 2-cycle stops.

    Returns
    -------
    Update
        For the kernels.
    """
    from binnet_kernels.structs import SparseWeights, Update

    # A dense product reads each coupling once for two samples, events once for each: measured, the
    # product wins when more than about an eighth of the neurons change. One of sparse couplings
    # reads them once for sixteen samples, and events find them one by one.
    dense_above = n_hidden // (_SPARSE_EVENTS if isinstance(couplings, SparseWeights) else 8)
    return Update(order.code, probability, dense_above, stop_at_cycle, keys, order.number or 0)


def check_amplitudes(amplitudes: NDArray[np.float64], dtype: np.dtype[Any]) -> None:
    """Refuse a feedback that integers cannot scale: there a(t) gates it, without a multiplier.

    Parameters
    ----------
    amplitudes : ndarray, shape (T,)
        a(t) of the schedule.
    dtype : dtype
        Of the fields.
    """
    if dtype.kind == "i" and not np.isin(amplitudes, (0.0, 1.0)).all():
        between = amplitudes[~np.isin(amplitudes, (0.0, 1.0))][0]
        raise ValueError(
            f"in integers the importance of the feedback must be 0 or 1, got {between:g}; choose "
            'the annealing "step" or "none"'
        )

"""The dynamics: relax networks towards fixed points, and see how they got there.

`relax` takes a trained network with its inputs (:mod:`binnet.dynamics.driven`) or a random network
without input (:mod:`binnet.dynamics.free`).
"""

from __future__ import annotations

from typing import Any, overload

from numpy.typing import ArrayLike

from binnet._deprecation import renamed_parameter, warn_of_old_name
from binnet.dynamics._updates import check_amplitudes, make_update, stream_key
from binnet.dynamics.driven import (
    INFERENCE_SWEEPS,
    STATUS,
    Relaxation,
    predict,
    relax_driven,
)
from binnet.dynamics.free import Progress, energy, relax_free
from binnet.dynamics.free_relaxation import FREE_STATUS, FreeRelaxation
from binnet.networks import (
    AnyNetwork,
    BinaryNetwork,
    ImplicitNetwork,
    LaidOut,
    RandomNetwork,
    is_driven,
    lay_out,
    lay_out_structure,
)
from binnet.schedules import FeedbackSchedule
from binnet.update_orders import list_orders

__all__ = [
    "FREE_STATUS",
    "INFERENCE_SWEEPS",
    "STATUS",
    "AnyNetwork",
    "BinaryNetwork",
    "FreeRelaxation",
    "LaidOut",
    "Relaxation",
    "check_amplitudes",
    "energy",
    "is_driven",
    "lay_out",
    "lay_out_structure",
    "make_update",
    "predict",
    "relax",
    "relax_driven",
    "relax_free",
    "stream_key",
]


@overload
def relax(
    network: AnyNetwork,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    schedule: FeedbackSchedule | None = None,
    max_sweeps: int | None = None,
    update_order: str = "sync",
    update_probability: float = 0.5,
    initial_states: ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
    stop_at_cycle: bool = True,
) -> Relaxation: ...


@overload
def relax(
    network: RandomNetwork | ImplicitNetwork,
    *,
    update_order: str = "sync",
    replicas: int | None = None,
    initial_states: ArrayLike | None = None,
    max_sweeps: int = 1000,
    update_probability: float = 0.5,
    stop_at_cycle: bool = True,
    packed: bool = False,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FreeRelaxation: ...


@renamed_parameter("dynamics", "update_order")
def relax(network: Any, *inputs: Any, **options: Any) -> Any:
    """Relax a network: samples under their input, or replicas of a random network without any.

    Parameters
    ----------
    network : BinaryNetwork, QuantizedNetwork, RandomNetwork or ImplicitNetwork
        The network; its type decides which of the two is meant.
    *inputs
        For a BinaryNetwork or QuantizedNetwork: inputs, and labels where the readout is to feed
        back.
    **options
        See `binnet.dynamics.relax_driven` and `binnet.dynamics.relax_free`.

    Returns
    -------
    Relaxation or FreeRelaxation
        What was found, and how.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Examples
    --------
    >>> network = RandomNetwork.draw(200, self_coupling=1.5, dtype="int16", seed=1)
    >>> result = relax(network, update_order="async", replicas=4)
    >>> result.states.shape, result.converged.all()
    ((4, 200), np.True_)
    """
    if is_driven(network):
        return relax_driven(network, *inputs, **options)
    if isinstance(network, RandomNetwork | ImplicitNetwork):
        return relax_free(network, *inputs, **options)
    raise TypeError(
        "network must be a BinaryNetwork, QuantizedNetwork, RandomNetwork or ImplicitNetwork, got "
        f"{type(network).__name__}"
    )


def __getattr__(name: str) -> Any:
    if name == "DYNAMICS":
        warn_of_old_name("binnet.dynamics.DYNAMICS", 'binnet.update_orders.list_orders("driven")')
        return list_orders("driven")
    if name == "FREE_DYNAMICS":
        warn_of_old_name(
            "binnet.dynamics.FREE_DYNAMICS", 'binnet.update_orders.list_orders("free")'
        )
        return list_orders("free")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Presets: all parameters at once, of the source, of ours, of other architectures and controls."""

from __future__ import annotations

import math
from collections.abc import Callable

from binnet._validation import check_choice, check_integer
from binnet.learning.configuration import Configuration
from binnet.networks.modules import MOST_MODULES

# "source" are the settings of the publication (docs/model/network.md, section 3.4), with its
# constant rates. The others were chosen on a validation split, the last 10000 training samples: at
# rates that fall linearly (docs/results/training.md); "default" and "third-factor" then anew, with
# means of synapses at constant rates in their place (docs/results/search.md).
_SOURCE = Configuration()
_LINEAR = _SOURCE.replace(
    self_coupling=0.7,
    feedback_strength=1.5,
    rate_couplings=0.025,
    rate_input=0.18,
    rate_readout=0.3,
    margin=0.6,
    decay_couplings=0.0,
    decay_readout=0.0,
    rate_schedule="linear",
    rate_scaling="fields",
)
_DEFAULT = _LINEAR.replace(rate_schedule="constant", averaging=3.0)
# The source's code where it differs from its description: docs/model/network.md, section 3.4.
_SOURCE_CODE = _SOURCE.replace(
    warmup=2, inference_sweeps=5, readout_targets="balanced", feedback_weights="repeated"
)
# A rule of its own (see ThirdFactor): docs/results/third_factor.md.
_THIRD_FACTOR = _DEFAULT.replace(
    rule="third-factor",
    warmup=2,
    feedback=2,
    free=0,
    input_strength=2.0,
    feedback_strength=1.0,
    rate_couplings=0.01,
    rate_input=0.4,
    rate_readout=0.6,
    margin=12.0,
    readout_margin=2.0,
    batch_size=64,
    input_noise=0.015,
    rate_scaling="weights",
    margin_excludes_self_coupling=False,
)
# Graded pixels in [0, 1], chosen on the same split of MNIST (docs/results/search_mnist.md): fields
# of strong inputs, of which the feedback holds those near 0, and rates as high as means allow.
_MNIST = _DEFAULT.replace(
    n_inputs=784,
    n_hidden=1000,
    self_coupling=1.0,
    input_strength=12.0,
    feedback_strength=2.4,
    rate_couplings=0.02,
    rate_input=0.4,
    rate_readout=0.5,
    readout_margin=4.0,
    averaging=5.0,
)
_MNIST_THIRD_FACTOR = _THIRD_FACTOR.replace(
    n_inputs=784, n_hidden=1000, input_strength=5.0, input_noise=0.1, averaging=5.0
)


def _source_modules(n_modules: int) -> Configuration:
    """The source's cortex-inspired form in its code: excitation in place of self-coupling.

    All modules have input, readout and feedback, each a readout block of variance 1 / H of its own
    and the rate and the decay that one module has.
    """
    return _SOURCE_CODE.replace(
        n_modules=n_modules,
        self_coupling=0.0,
        excitation=4.0,
        warmup=min(n_modules + 1, 7),
        feedback=7,
        free=7,
        inference_sweeps=7,
        update_order="random-subset",
        update_probability=0.85,
        readout_strength=math.sqrt(n_modules),
        decay_readout=_SOURCE.plasticity.decay_readout * math.sqrt(n_modules),
        margin_excludes_excitation="once",
    )


def _chain(n_modules: int) -> Configuration:
    """Excitation in place of self-coupling: input, readout and couplings at the middle module.

    The others have no couplings but excitation: they hold its state. One neuron at a time, as
    simultaneous updates would pass two different states back and forth.
    """
    middle = n_modules // 2

    def there(value: float) -> tuple[float, ...]:
        return tuple(value if k == middle else 0.0 for k in range(n_modules))

    return _LINEAR.replace(
        n_modules=n_modules,
        self_coupling=0.0,
        excitation=0.35,
        density=there(1.0),
        input_strength=there(5.0),
        feedback_strength=there(1.5),
        readout_strength=there(1.0),
        update_order="async",
    )


def _deep(n_modules: int) -> Configuration:
    """Learned couplings between neighbours; the last module is read."""
    last = (*(0.0,) * (n_modules - 1), 1.0)
    return _LINEAR.replace(n_modules=n_modules, neighbour_strength=1.0, readout_strength=last)


_PRESETS: dict[str, Callable[[int], Configuration]] = {
    "source": lambda n: _SOURCE.replace(n_modules=n),
    "source-code": lambda n: _SOURCE_CODE.replace(n_modules=n),
    "source-modules": _source_modules,
    "default": lambda n: _DEFAULT.replace(n_modules=n),
    "single": lambda n: _LINEAR.replace(n_modules=n),
    "chain": _chain,
    "deep": _deep,
    "third-factor": lambda n: _THIRD_FACTOR.replace(n_modules=n),
    "mnist": lambda n: _MNIST.replace(n_modules=n),
    "mnist-third-factor": lambda n: _MNIST_THIRD_FACTOR.replace(n_modules=n),
    "fashion": lambda n: _MNIST.replace(n_modules=n),
    "fashion-third-factor": lambda n: _MNIST_THIRD_FACTOR.replace(n_modules=n),
    # Chosen on the same split: docs/results/rules.md. Twice the rate was the best tried.
    "symmetric": lambda n: _LINEAR.replace(n_modules=n, rule="symmetric", rate_couplings=0.05),
    "soft": lambda n: _LINEAR.replace(n_modules=n, rule="soft"),
    # No feedback: with it the readout learns from states that inference does not meet, and loses
    # 0.04 (docs/results/training.md, ablations).
    "reservoir": lambda n: _LINEAR.replace(
        n_modules=n, rate_couplings=0.0, rate_input=0.0, feedback_strength=0.0
    ),
    # One sweep from silence: the spins are signs of the input's fields, J plays no part.
    "random-features": lambda n: _LINEAR.replace(
        n_modules=n,
        rate_couplings=0.0,
        rate_input=0.0,
        warmup=1,
        feedback=1,
        free=0,
        inference_sweeps=1,
    ),
}
_MODULES = {"source-modules": 2, "chain": 3, "deep": 3}
PRESETS = tuple(_PRESETS)


def preset(name: str = "default", n_modules: int | None = None) -> Configuration:
    """Return a preset of all parameters.

    Parameters
    ----------
    name : str, default "default"
        "default", our settings for the source's rule, with means of synapses; "source", the
        source's; "source-code", the same in the detail of its code; "source-modules", its modules
        with excitation in place of self-coupling, each with input, readout and feedback; "single",
        one module without means of synapses, its rates falling linearly, as in all that follow:
        "chain", modules with excitation in place of self-coupling; "deep", modules with learned
        couplings to their neighbours; "symmetric" and "soft", two more rules of the source's code;
        the controls "reservoir" and "random-features", which learn their readout only. With
        means, "third-factor", a rule that is not the source's, see `ThirdFactor`; and for graded
        pixels, 784 inputs, "mnist" and "fashion" (the source's rule), "mnist-third-factor" and
        "fashion-third-factor".
    n_modules : int, optional
        Modules of the network. Default: 2 for "source-modules", 3 for "chain" and "deep",
        else 1.

    Returns
    -------
    Configuration
        The preset; change it with its method `replace`.

    Raises
    ------
    TypeError, ValueError
        If there is no such preset, or the number of modules is not at least 1.

    Examples
    --------
    >>> preset("chain", 3).network.density
    (0.0, 1.0, 0.0)
    """
    check_choice("preset", name, PRESETS)
    n = (
        _MODULES.get(name, 1)
        if n_modules is None
        else check_integer("n_modules", n_modules, 1, MOST_MODULES)
    )
    return _PRESETS[name](n)

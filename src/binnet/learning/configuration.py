"""Everything that defines a run, as one frozen object: resolved, written down and read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from binnet._validation import check_choice, check_integer, keep_integer, keep_real
from binnet.dynamics import DYNAMICS, INFERENCE_SWEEPS
from binnet.learning.arithmetic import Arithmetic
from binnet.learning.plasticity import BLOCKS, PerceptronPlasticity
from binnet.learning.third_factor import ThirdFactor
from binnet.networks import NetworkParameters
from binnet.schedules import FeedbackSchedule

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class TrainingParameters:
    """How a network is trained.

    Parameters
    ----------
    epochs : int, default 20
        Passes over the training samples, at least 1.
    batch_size : int, default 16
        B, samples per update, at least 1.
    dynamics : {"sync", "async", "random-subset"}, default "sync"
        How neurons are updated.
    update_probability : float, default 0.5
        Of each neuron in a sweep of random-subset updates, in (0, 1].
    inference_sweeps : int, default 10
        Sweeps at most when accuracies are measured.
    dtype : {"float32", "float64"}, default "float32"
        Arithmetic of the kernels.
    seed : int, default 0
        Of the initial weights, the order of samples and the dynamics.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    epochs: int = 20
    batch_size: int = 16
    dynamics: str = "sync"
    update_probability: float = 0.5
    inference_sweeps: int = INFERENCE_SWEEPS
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "inference_sweeps"):
            keep_integer(self, name, 1)
        keep_integer(self, "seed", 0)
        check_choice("dynamics", self.dynamics, DYNAMICS)
        keep_real(self, "update_probability", 0.0, 1.0, above=True)
        check_choice("dtype", self.dtype, DTYPES)


@dataclass(frozen=True)
class Configuration:
    """Network, schedule, plasticity, training, arithmetic and third factor of one run.

    Parameters
    ----------
    network : NetworkParameters
        Sizes and strengths.
    schedule : FeedbackSchedule
        The readout feedback in a training relaxation.
    plasticity : PerceptronPlasticity
        The learning rule.
    training : TrainingParameters
        Epochs, batches, dynamics, dtype and seed.
    arithmetic : Arithmetic
        Floating point, or integers and their plasticity.
    third_factor : ThirdFactor
        What the error of the readout does in the plasticity: nothing, in the source's rule.

    Examples
    --------
    >>> preset("source").replace(n_hidden=100, epochs=2).training.epochs
    2
    """

    network: NetworkParameters = field(default_factory=NetworkParameters)
    schedule: FeedbackSchedule = field(default_factory=FeedbackSchedule)
    plasticity: PerceptronPlasticity = field(default_factory=PerceptronPlasticity)
    training: TrainingParameters = field(default_factory=TrainingParameters)
    arithmetic: Arithmetic = field(default_factory=Arithmetic)
    third_factor: ThirdFactor = field(default_factory=ThirdFactor)

    def __post_init__(self) -> None:
        p = self.network
        if self.arithmetic.bits and (p.n_modules > 1 or p.density != 1.0):
            raise ValueError(
                f"integers learn one dense module, got n_modules = {p.n_modules} and "
                f'density = {p.density}; set arithmetic = "float"'
            )
        self._check_third_factor()
        for block, loss in zip(BLOCKS, self.plasticity.losses(self.network), strict=True):
            if loss >= 1.0:
                raise ValueError(
                    f"rate_{block} with its prefactor (see rate_scaling) times decay_{block} "
                    f"must be < 1, the fraction that a batch takes from the weights, got {loss:g}; "
                    "lower one of them"
                )

    def _check_third_factor(self) -> None:
        kind = self.third_factor.third_factor
        if kind == "none":
            return
        if self.arithmetic.bits:
            raise ValueError(
                f'third_factor must be "none" in integers, got {kind!r} with arithmetic = '
                f'{self.arithmetic.arithmetic!r}; train with arithmetic "float"'
            )
        if not np.any(self.network.feedback_strength):
            raise ValueError(
                f"feedback_strength must be > 0 with third_factor = {kind!r}, whose errors arrive "
                "through the feedback weights, got 0; keep the feedback off during the relaxation "
                "with a schedule of warm-up sweeps alone"
            )
        if kind == "learned" and self.schedule.amplitudes.any():
            raise ValueError(
                'a relaxation must have no feedback with third_factor = "learned", whose weights '
                f"carry errors alone, got a(t) = {self.schedule.amplitudes.tolist()}; "
                "set feedback = warmup and free = 0, as in the schedule 2 2 0"
            )

    def replace(self, **changes: Any) -> Configuration:
        """Return a copy with some parameters changed, wherever they live.

        Parameters
        ----------
        **changes
            Parameters of any of the six parts, by name.

        Returns
        -------
        Configuration
            The changed copy.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or a value is out of its range.
        """
        parts = {}
        for part in dataclasses.fields(self):
            current = getattr(self, part.name)
            names = {f.name for f in dataclasses.fields(current)}
            own = {name: changes.pop(name) for name in names & changes.keys()}
            parts[part.name] = dataclasses.replace(current, **own)
        if changes:
            known = sorted(name for values in self.to_dict().values() for name in values)
            raise TypeError(
                f"unknown parameter {next(iter(changes))!r}; known are {', '.join(known)}"
            )
        return Configuration(**parts)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the parameters as nested plain values, one table for each part.

        Returns
        -------
        dict
            One table for each of network, schedule, plasticity, training, arithmetic and
            third_factor.
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(
        cls, tables: Mapping[str, Any], base: Configuration | None = None
    ) -> Configuration:
        """Read what `to_dict` wrote; what is not there comes from `base`.

        Parameters
        ----------
        tables : mapping
            Tables of parameters.
        base : Configuration, optional
            Where missing parameters come from. Default: the source's settings.

        Returns
        -------
        Configuration
            The configuration.

        Raises
        ------
        TypeError, ValueError
            If a table or a parameter is unknown, or a value is out of its range.
        """
        configuration = base or cls()
        parts = {part.name: getattr(configuration, part.name) for part in dataclasses.fields(cls)}
        for name, values in tables.items():
            if name not in parts:
                raise ValueError(f"unknown table [{name}]; known are {', '.join(parts)}")
            if not isinstance(values, Mapping):
                raise TypeError(f"[{name}] must be a table of parameters, got {values!r}")
            known = [f.name for f in dataclasses.fields(parts[name])]
            for key in values:
                if key not in known:
                    raise ValueError(
                        f"unknown parameter {key!r} in [{name}]; known are {', '.join(known)}"
                    )
            parts[name] = dataclasses.replace(parts[name], **values)
        return cls(**parts)


# "source" are the settings of the publication (docs/model/network.md, section 3.4), with its
# constant rates. "default" was chosen on a validation split, the last 10000 training samples:
# docs/results/training.md.
_SOURCE = Configuration()
_DEFAULT = _SOURCE.replace(
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
# A rule of its own (see ThirdFactor), chosen on the same split: docs/results/third_factor.md.
_THIRD_FACTOR = _DEFAULT.replace(
    third_factor="learned",
    warmup=2,
    feedback=2,
    free=0,
    input_strength=2.0,
    feedback_strength=1.0,
    rate_couplings=0.01,
    rate_input=0.2,
    rate_readout=0.6,
    margin=6.0,
    readout_margin=2.0,
    rate_scaling="weights",
    margin_excludes_self_coupling=False,
)


def _chain(n_modules: int) -> Configuration:
    """Excitation in place of self-coupling: input, readout and couplings at the middle module.

    The others have no couplings but excitation: they hold its state. One neuron at a time, as
    simultaneous updates would pass two different states back and forth.
    """
    middle = n_modules // 2

    def there(value: float) -> tuple[float, ...]:
        return tuple(value if k == middle else 0.0 for k in range(n_modules))

    return _DEFAULT.replace(
        n_modules=n_modules,
        self_coupling=0.0,
        excitation=0.35,
        density=there(1.0),
        input_strength=there(5.0),
        feedback_strength=there(1.5),
        readout_strength=there(1.0),
        dynamics="async",
    )


def _deep(n_modules: int) -> Configuration:
    """Learned couplings between neighbours; the last module is read."""
    last = (*(0.0,) * (n_modules - 1), 1.0)
    return _DEFAULT.replace(n_modules=n_modules, neighbour_strength=1.0, readout_strength=last)


_PRESETS: dict[str, Callable[[int], Configuration]] = {
    "source": lambda n: _SOURCE.replace(n_modules=n),
    "default": lambda n: _DEFAULT.replace(n_modules=n),
    "single": lambda n: _DEFAULT.replace(n_modules=n),
    "chain": _chain,
    "deep": _deep,
    "third-factor": lambda n: _THIRD_FACTOR.replace(n_modules=n),
    # No feedback: hidden neurons do not learn to stay where it steers them, and the readout would
    # learn from states that it does not meet again.
    "reservoir": lambda n: _DEFAULT.replace(
        n_modules=n, rate_couplings=0.0, rate_input=0.0, feedback_strength=0.0
    ),
    # One sweep from silence: the spins are signs of the input's fields, J plays no part.
    "random-features": lambda n: _DEFAULT.replace(
        n_modules=n,
        rate_couplings=0.0,
        rate_input=0.0,
        warmup=1,
        feedback=1,
        free=0,
        inference_sweeps=1,
    ),
}
_MODULES = {"chain": 3, "deep": 3}
PRESETS = tuple(_PRESETS)


def preset(name: str = "default", n_modules: int | None = None) -> Configuration:
    """Return a preset of all parameters.

    Parameters
    ----------
    name : str, default "default"
        "default", our settings for the source's rule; "source", the source's; "single", one module,
        as "default"; "chain", modules with excitation in place of self-coupling; "deep", modules
        with learned couplings to their neighbours; "third-factor", a rule that is not the source's,
        see `ThirdFactor`; the controls "reservoir" and "random-features", which learn their readout
        only.
    n_modules : int, optional
        Modules of the network. Default: 3 for "chain" and "deep", else 1.

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
    n = _MODULES.get(name, 1) if n_modules is None else check_integer("n_modules", n_modules, 1)
    return _PRESETS[name](n)

"""What a learning rule is to the rest: a value with parameters, and synapses that it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record
from binnet.learning.arithmetic import Arithmetic
from binnet.learning.parameters import TrainingParameters
from binnet.learning.plasticity import PerceptronPlasticity
from binnet.networks.driven import BinaryNetwork
from binnet.networks.modules import NetworkParameters
from binnet.networks.quantised import QuantizedNetwork
from binnet.schedules import FeedbackSchedule

Tensors = Mapping[str, NDArray[Any]]


class Settings(Protocol):
    """The parameters of a run that rules read; a `Configuration` has them."""

    @property
    def network(self) -> NetworkParameters:
        """Sizes and strengths."""

    @property
    def schedule(self) -> FeedbackSchedule:
        """The readout feedback in a training relaxation."""

    @property
    def plasticity(self) -> PerceptronPlasticity:
        """Rates, margins and decays that all rules share."""

    @property
    def training(self) -> TrainingParameters:
        """Epochs, batches, update order, dtype and seed."""

    @property
    def arithmetic(self) -> Arithmetic:
        """Floating point or integers."""

    @property
    def rule(self) -> Any:
        """The rule itself."""


class Job(NamedTuple):
    """The batches that synapses are laid out for."""

    n_banks: int  # pieces that the neurons are cut into
    rate_factors: NDArray[np.float64]  # (n,): multiplies all rates
    first_batch: int  # number of the first of them since the start of the run


class LaidOutRule(NamedTuple):
    """Synapses as the kernels take them, see `binnet_kernels.training.batches`."""

    kernels: Any
    model: Any
    rule: Any
    memory: Any


class Synapses(ABC):
    """The weights that a rule changes, in one arithmetic; all that a checkpoint holds of them."""

    settings: Settings

    @classmethod
    @abstractmethod
    def start(cls, settings: Settings) -> Self:
        """Return the synapses before the first batch; refuse settings that cannot work."""

    @abstractmethod
    def network(self) -> BinaryNetwork:
        """Return the network in floating point."""

    @abstractmethod
    def relaxable(self) -> BinaryNetwork | QuantizedNetwork:
        """Return the network as it is to be relaxed."""

    def take_inputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return inputs as the kernels take them: in floating point, as they are."""
        return X

    def round_off(self, means: BinaryNetwork) -> BinaryNetwork | QuantizedNetwork:
        """Return a network of such weights, as it is to be relaxed; integers round them."""
        return means

    @abstractmethod
    def take_over(self, network: Any) -> None:
        """Take over all weights of a network but the readout, which stays as it was drawn."""

    @abstractmethod
    def lay_out(self, job: Job) -> LaidOutRule:
        """Return the synapses as the kernels take them."""

    @abstractmethod
    def take_back(self, laid_out: LaidOutRule) -> None:
        """Take over what the kernels have changed."""

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""

    def describe(self) -> dict[str, Any]:
        """Return what `from_tensors` needs besides arrays and settings, as plain values."""
        return {}

    def count_updates(self) -> NDArray[np.int64] | None:
        """Return what is counted of the plasticity since the start: nothing, in floating point.

        In integers the changes of weights, and the sums that saturated, of each block, (4, 2).
        """
        return None

    @classmethod
    @abstractmethod
    def expect_tensors(cls, settings: Settings) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape and dtype of each array of `tensors` that is always there."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, settings: Settings, tensors: Tensors, info: Record) -> Self:
        """Return the synapses that `tensors` and `describe` told of."""

    @abstractmethod
    def batches_before_pause(self, batch: int) -> int | None:
        """Return how many batches from number `batch` of an epoch on may be learned in one call."""

    @abstractmethod
    def pause(self) -> None:
        """Put the weights in order, after so many batches and at the end of an epoch."""


class PlasticityRule:
    """Base of the parameters of a rule: a frozen dataclass whose fields are the rule's own.

    What all rules share, rates, margins and decays, is in `PerceptronPlasticity`.
    """

    #: How the rule is called in a configuration.
    name: ClassVar[str]
    #: What the rule changes in floating point.
    float_synapses: ClassVar[type[Synapses]]
    #: What it changes in integers; None: it is not defined in them, and why.
    integer_synapses: ClassVar[type[Synapses] | None] = None
    why_no_integers: ClassVar[str] = ""

    def check(self, settings: Settings) -> None:
        """Refuse settings that the rule cannot work with."""
        self.synapses(settings)

    def synapses(self, settings: Settings) -> type[Synapses]:
        """Return the kind of synapses that the rule changes in this arithmetic."""
        if not settings.arithmetic.bits:
            return self.float_synapses
        if self.integer_synapses is None:
            raise ValueError(
                f'the rule "{self.name}" learns in floating point only, {self.why_no_integers}; '
                f'got arithmetic = {settings.arithmetic.arithmetic!r}, set it to "float" or choose '
                'the rule "perceptron"'
            )
        return self.integer_synapses

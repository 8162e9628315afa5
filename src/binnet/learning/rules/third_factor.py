"""A third factor in the plasticity of hidden neurons; not the source's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from binnet._validation import check_choice, keep_real
from binnet.learning.rules._float import FloatSynapses
from binnet.learning.rules._integer import IntegerSynapses
from binnet.learning.rules._protocol import LaidOutRule, PlasticityRule, Settings, Synapses
from binnet.networks import BLOCKS

THIRD_FACTORS = ("learned", "fixed")


class ThirdFactorSynapses(FloatSynapses):
    """Synapses of the rule in floating point."""

    def _kernels(self) -> Any:
        from binnet_kernels.rules.third_factor import KERNELS

        return KERNELS

    def _rule(self, shared: Any) -> Any:
        from binnet_kernels.rules.third_factor import ThirdFactorRule

        rule = self.settings.rule
        return ThirdFactorRule(
            **shared._asdict(),
            rate=rule.scaled_rate(self.settings.network.n_outputs),
            temperature=float(rule.error_temperature),
            error_threshold=float(rule.error_threshold),
        )

    def _memory(self, n_banks: int) -> Any:
        from binnet_kernels.rules.third_factor import make_memory

        size = self.settings.training.batch_size
        return make_memory(self.scales, self.weights.feedback, n_banks, size)

    def take_back(self, laid_out: LaidOutRule) -> None:  # numpydoc ignore=PR01
        """Take over what the kernels have changed."""
        from binnet_kernels.structs import from_banks

        super().take_back(laid_out)
        feedback = from_banks(laid_out.memory.weights, self.weights.n_neurons).T
        self.weights = replace(self.weights, feedback=np.ascontiguousarray(feedback))


class ThirdFactorIntegers(IntegerSynapses):
    """Synapses of the rule in integers, W_back fixed."""

    def _kernels(self) -> Any:
        from binnet_kernels.rules.integer_third_factor import KERNELS

        return KERNELS

    def _error_parameters(self) -> tuple[int, int]:
        from binnet_kernels.rules.integer_third_factor import ERROR_BITS, SCALE_BITS, STEPS

        rule, formats = self.settings.rule, self.weights.formats
        unit = formats.readout.resolution / rule.error_temperature
        threshold = math.ldexp(rule.error_threshold, formats.feedback.fraction_bits + ERROR_BITS)
        return max(1, round(math.ldexp(STEPS * unit, SCALE_BITS))), math.floor(threshold)


class LearnedThirdFactorIntegers(ThirdFactorIntegers):
    """Synapses of the rule in integers, W_back learned."""

    learned = BLOCKS

    def _feedback_rate(self) -> float:
        return float(self.settings.rule.scaled_rate(self.settings.network.n_outputs))


@dataclass(frozen=True)
class ThirdFactor(PlasticityRule):
    """Hidden neurons learn what the error of the readout asks of them, gated by their own margin.

    This is a rule of its own (docs/model/network.md, section 6), beside the source's
    (`PerceptronPlasticity`), whose rates, margins and decays it shares. After the relaxation of a
    sample the readout neurons compare their activity with the label, and W_back carries these
    errors to the hidden neurons::

        e_c     = [c is the label] - softmax(f / error_temperature)_c
        delta_i = sum_c W_back[i, c] e_c

    A hidden neuron tests its stability as in the source's rule, but where it is unstable and
    |delta_i| > error_threshold it learns the sign of delta_i, not the state that it is in::

        post_i = unstable_i [|delta_i| > error_threshold] sign(delta_i)
        dJ_ij  = (rate_couplings / sqrt(H))             / sqrt(B) * sum_b post_i s_j
        dW_in  = (rate_input * lambda_in / sqrt(N_in))  / sqrt(B) * sum_b post_i x_n

    The readout learns as ever, by its own margin. With "learned", W_back[i, c] changes by the same
    product of the same two ends as W_out[c, i], and so comes to resemble its transpose::

        dW_back = (rate_feedback / sqrt(C)) / sqrt(B) * sum_b unstable_c y_c s_i

    What a synapse uses:

    ==============  ================  =================================================
    synapse         its two ends      and else
    ==============  ================  =================================================
    J_ij, W_in      s_j or x_n, s_i   its value; h_i, the field of its target; delta_i
    W_out[c, i]     s_i, y_c          its value; f_c, the field of its target
    W_back "fixed"  (never changes)
    W_back[i, c]    y_c, s_i          its value; f_c, the field of its *source*, whose
                                      margin says when the two of them learn
    ==============  ================  =================================================

    Of the label a hidden neuron gets one number, delta_i, the same for all of its synapses. It
    arrives through W_back, the connections that carry the feedback in the source's rule, as a
    second signal after the relaxation. What the source's rule does not need: this signal, which has
    graded values, and the normalisation of the softmax, which is shared by the readout neurons (not
    by the hidden ones). What it still does without: the weights W_out (the errors are not sent back
    through them), the weights of other synapses, derivatives, and errors sent from one hidden
    neuron to another.

    The preset "third-factor" adds two things that are not of the rule: noise in the input while it
    learns, without which it overfits (`TrainingParameters.input_noise`), and means of synapses,
    for which a synapse uses its own value (`PerceptronPlasticity.averaging`).

    Parameters
    ----------
    third_factor : {"learned", "fixed"}, default "learned"
        Whether W_back learns, or stays as drawn.
    error_threshold : float, default 0.006
        Of |delta_i|, >= 0. The standard deviation of W_back is lambda_back / sqrt(C).
    error_temperature : float, default 1.0
        Of the softmax, > 0, in units of the readout fields.
    rate_feedback : float, default 0.6
        Of W_back with "learned", >= 0.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    See Also
    --------
    PerceptronPlasticity : The source's rule.

    Examples
    --------
    >>> preset("third-factor").rule.third_factor
    'learned'
    """

    name: ClassVar[str] = "third-factor"
    float_synapses = ThirdFactorSynapses
    integer_synapses = ThirdFactorIntegers

    third_factor: str = "learned"
    error_threshold: float = 0.006
    error_temperature: float = 1.0
    rate_feedback: float = 0.6

    def __post_init__(self) -> None:
        check_choice("third_factor", self.third_factor, THIRD_FACTORS)
        keep_real(self, "error_threshold", 0.0)
        keep_real(self, "error_temperature", 0.0, above=True)
        keep_real(self, "rate_feedback", 0.0)

    def check(self, settings: Settings) -> None:
        """Refuse settings that W_back cannot carry errors with.

        Parameters
        ----------
        settings : Settings
            Of the run.
        """
        kind = self.third_factor
        if settings.network.feedback_weights == "tied":
            raise ValueError(
                'feedback_weights must not be "tied" with a third factor, which has a rate for '
                'W_back of its own; choose "shared" or set rule = "perceptron"'
            )
        if settings.plasticity.readout_targets != "equal":
            raise ValueError(
                'readout_targets must be "equal" with a third factor, whose W_back learns the '
                f"products that W_out learns, got {settings.plasticity.readout_targets!r}"
            )
        if not np.any(settings.network.feedback_strength):
            raise ValueError(
                f"feedback_strength must be > 0 with third_factor = {kind!r}, whose errors arrive "
                "through the feedback weights, got 0; keep the feedback off during the relaxation "
                "with a schedule of warm-up sweeps alone"
            )
        if kind == "learned" and settings.schedule.amplitudes.any():
            raise ValueError(
                'a relaxation must have no feedback with third_factor = "learned", whose weights '
                f"carry errors alone, got a(t) = {settings.schedule.amplitudes.tolist()}; "
                "set feedback = warmup and free = 0, as in the schedule 2 2 0"
            )

    def synapses(self, settings: Settings) -> type[Synapses]:
        """Return the kind of synapses in this arithmetic.

        Parameters
        ----------
        settings : Settings
            Of the run.

        Returns
        -------
        type
            Of the synapses.
        """
        if settings.arithmetic.bits and self.third_factor == "learned":
            return LearnedThirdFactorIntegers
        return super().synapses(settings)

    def scaled_rate(self, n_outputs: int) -> float:
        """Return the rate of W_back with its prefactor, but without 1 / sqrt(B).

        Parameters
        ----------
        n_outputs : int
            C.

        Returns
        -------
        float
            0 where W_back is not learned.
        """
        is_learned = self.third_factor == "learned"
        return self.rate_feedback / math.sqrt(n_outputs) if is_learned else 0.0

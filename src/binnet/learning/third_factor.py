"""A third factor in the plasticity of hidden neurons; not the source's rule, off by default."""

from __future__ import annotations

import math
from dataclasses import dataclass

from binnet._validation import check_choice, keep_real

# The index of a choice is its constant in binnet_kernels.rules.third_factor.
THIRD_FACTORS = ("none", "fixed", "learned")


@dataclass(frozen=True)
class ThirdFactor:
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

    Parameters
    ----------
    third_factor : {"none", "fixed", "learned"}, default "none"
        "none" is the source's rule, bit by bit; W_back stays as drawn with "fixed".
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
    >>> preset("third-factor").third_factor.third_factor
    'learned'
    """

    third_factor: str = "none"
    error_threshold: float = 0.006
    error_temperature: float = 1.0
    rate_feedback: float = 0.6

    def __post_init__(self) -> None:
        check_choice("third_factor", self.third_factor, THIRD_FACTORS)
        keep_real(self, "error_threshold", 0.0)
        keep_real(self, "error_temperature", 0.0, above=True)
        keep_real(self, "rate_feedback", 0.0)

    @property
    def kind(self) -> int:
        """The constant of the kernels."""
        return THIRD_FACTORS.index(self.third_factor)

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

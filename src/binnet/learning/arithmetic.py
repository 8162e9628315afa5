"""The arithmetic of training: floating point, or integers of 16, 8, 4, 2 or 1 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from binnet._deprecation import renamed_attribute, renamed_field
from binnet._validation import check_choice, check_integer, keep_integer
from binnet.networks import BITS, BLOCKS, InputFormat, choose_input_format
from binnet.networks.formats import FRACTION_BITS, check_bits
from binnet.networks.inputs import INPUT_BITS, INPUT_FORMATS

ARITHMETICS = ("float", *(f"int{bits}" for bits in sorted(BITS, reverse=True)))
ROUNDINGS = ("per-weight", "per-event", "nearest")
GENERATORS = ("counter", "lfsr")
# k of an increment of 2**-k levels: a draw has 16 bits, and so has the widest weight.
EXPONENTS = (-14, 15)


@renamed_field("synapse_bits", "latent_bits")
@dataclass(frozen=True)
class Arithmetic:
    """How numbers are held while a network is trained (docs/model/arithmetic.md, section 3).

    In integers a synapse changes by 2**-k levels per event; what is less than one level is rounded
    at random, so that the mean is right, or to the nearest.

    Parameters
    ----------
    arithmetic : {"float", "int16", "int8", "int4", "int2", "int1"}, default "float"
        Width of the weights in integers, but see `block_bits`; "float" is TrainingParameters.dtype.
    rounding : {"per-weight", "per-event", "nearest"}, default "per-weight"
        An increment below one level is rounded at random for each weight; or an event (an unstable
        neuron in one sample) counts as a whole with probability 2**-k; or to the nearest level,
        halves to the even one.
    generator : {"counter", "lfsr"}, default "counter"
        Random numbers from a counter, or from a 16-bit shift register in each neuron, as in cheap
        silicon.
    fraction_bits : tuple of int, default ()
        Of couplings, input weights, readout and feedback, -16..30. Empty: from the initial weights,
        with room to grow.
    rate_exponents : tuple of int, default ()
        k of couplings, input weights and readout, -14..15. Empty: from the rates of the plasticity.
    latent_bits : {0, 2, 4, 8, 16}, default 0
        Bits of a latent weight: plasticity changes all of them, fields see the highest, as many as
        a weight has. 0: there are no latent weights, plasticity changes the weights themselves.
    block_bits : tuple of int, default ()
        Bits of a weight of couplings, input weights, readout and feedback, each 1, 2, 4, 8 or 16.
        Empty: all have those of `arithmetic`.
    block_latent_bits : tuple of int, default ()
        `latent_bits` of couplings, input weights and readout, each 0 or a width of at least the
        weight's; feedback weights that learn take those of the readout where they are wider. Empty:
        `latent_bits` for every block that has fewer.
    input_bits : int, default 1
        In integers, bits of an input: 1 takes spins, 2..8 round graded inputs to integers.
    input_format : {"unsigned", "signed"}, default "unsigned"
        What inputs of more bits are: pixels in [0, 1], or features of mean 0 and variance 1.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    arithmetic: str = "float"
    rounding: str = "per-weight"
    generator: str = "counter"
    fraction_bits: tuple[int, ...] = ()
    rate_exponents: tuple[int, ...] = ()
    latent_bits: int = 0
    block_bits: tuple[int, ...] = ()
    block_latent_bits: tuple[int, ...] = ()
    input_bits: int = 1
    input_format: str = "unsigned"

    def __post_init__(self) -> None:
        check_choice("arithmetic", self.arithmetic, ARITHMETICS)
        check_choice("rounding", self.rounding, ROUNDINGS)
        check_choice("generator", self.generator, GENERATORS)
        for name, size, (low, high) in (
            ("fraction_bits", 4, FRACTION_BITS),
            ("rate_exponents", 3, EXPONENTS),
            ("block_bits", 4, (BITS[0], BITS[-1])),
            ("block_latent_bits", 3, (0, BITS[-1])),
        ):
            numbers = _as_tuple(name, getattr(self, name))
            if len(numbers) not in (0, size):
                raise ValueError(
                    f"{name} must be {size} integers or none, got {len(numbers)}: {numbers}"
                )
            object.__setattr__(
                self, name, tuple(check_integer(name, number, low, high) for number in numbers)
            )
        self._check_bits()
        keep_integer(self, "input_bits", *INPUT_BITS)
        check_choice("input_format", self.input_format, INPUT_FORMATS)
        if self.input_bits > 1 and not self.bits:
            raise ValueError(
                f"input_bits must be 1 for arithmetic 'float', which takes graded inputs as they "
                f"are, got {self.input_bits}; set it to 1, or arithmetic to 'int8'"
            )

    def _check_bits(self) -> None:
        """Refuse widths that weights cannot have, or latent weights narrower than the weights."""
        keep_integer(self, "latent_bits", 0)
        for name in ("block_bits", "block_latent_bits"):
            if getattr(self, name) and not self.bits:
                raise ValueError(
                    f"{name} must be left out for arithmetic 'float', got {getattr(self, name)}; "
                    "set arithmetic to 'int8', say"
                )
        for bits in self.block_bits:
            check_bits("block_bits", bits)
        least, of_what = min(self.bits_of_blocks[:3]), f"arithmetic {self.arithmetic!r}"
        if self.block_bits:
            of_what = f"block_bits of which the least is {least}"
        _check_latent_bits("latent_bits", self.latent_bits, least, of_what)
        for bits, latent in zip(self.bits_of_blocks, self.block_latent_bits, strict=False):
            _check_latent_bits("block_latent_bits", latent, bits, f"weights of {bits} bits")

    @property
    def bits(self) -> int:
        """Bits of a weight; 0 for floating point."""
        return 0 if self.arithmetic == "float" else int(self.arithmetic.removeprefix("int"))

    @property
    def inputs(self) -> InputFormat:
        """Format of the inputs, in integers."""
        return choose_input_format(self.input_bits, self.input_format)

    @property
    def unseen_bits(self) -> int:
        """Bits of a latent weight that the fields do not see, where all blocks have those."""
        return self.latent_bits - self.bits if self.latent_bits else 0

    @property
    def bits_of_blocks(self) -> tuple[int, ...]:
        """Bits of a weight of couplings, input weights, readout and feedback; 0: floating point."""
        return self.block_bits or (self.bits,) * len(BLOCKS)

    @property
    def stored_bits_of_blocks(self) -> tuple[int, ...]:  # numpydoc ignore=RT01
        """Bits that plasticity changes of a synapse of each block: latent ones, or the weight's.

        Those of the feedback hold where it learns.
        """
        latent = (self.latent_bits,) * len(BLOCKS)
        if self.block_latent_bits:
            latent = (*self.block_latent_bits, self.block_latent_bits[2])
        return tuple(map(max, self.bits_of_blocks, latent))

    hidden_bits = renamed_attribute("hidden_bits", "unseen_bits")


def _check_latent_bits(name: str, latent_bits: int, bits: int, of_what: str) -> None:
    wider = [width for width in BITS if bits and width >= bits]
    if latent_bits not in (0, *wider):
        valid = " or ".join(map(str, [0, *wider]))
        raise ValueError(f"{name} must be {valid} for {of_what}, got {latent_bits}")


def _as_tuple(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} must be a tuple of integers, got {value!r}")
    return tuple(value)

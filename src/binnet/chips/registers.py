"""The register map of a core: one table, of which circuit, driver and pages are made."""

from __future__ import annotations

from dataclasses import dataclass

from binnet.chips.design import CoreDesign

MAGIC = 0xB177  # in the upper half of IDENTITY; its lower half is the version of this map
VERSION = 1


@dataclass(frozen=True)
class Register:
    """A register of 32 bits.

    Attributes
    ----------
    name : str
        Its name.
    number : int
        By which the commands SET and GET name it.
    bits : int
        Bits that are there, from the lowest; others read as 0.
    signed : bool
        Whether it is in two's complement, extended to 32 bits where it is read.
    reset : int
        What it holds after a reset.
    writable : bool
        Whether SET changes it.
    learning : bool
        Whether only a core that learns has it; elsewhere it reads as 0.
    meaning : str
        One sentence.
    """

    name: str
    number: int
    bits: int
    signed: bool
    reset: int
    writable: bool
    learning: bool
    meaning: str


def list_registers(design: CoreDesign) -> tuple[Register, ...]:
    """Return the registers of a core, by their numbers.

    Parameters
    ----------
    design : CoreDesign
        The core.

    Returns
    -------
    tuple of Register
        The registers.
    """
    learning, wide = design.learning, design.accumulator_bits
    rows: list[tuple[str, int, int, bool, int, bool, bool, str]] = [
        ("IDENTITY", 0, 32, False, MAGIC << 16 | VERSION, False, False,
         "0xB177 in the upper half, the version of this map in the lower one."),
        ("NEURONS", 1, 16, False, design.n_neurons, False, False, "H."),
        ("INPUTS", 2, 16, False, design.n_inputs, False, False, "N_in."),
        ("OUTPUTS", 3, 16, False, design.n_outputs, False, False, "C."),
        ("ELEMENTS", 4, 16, False, design.elements, False, False, "P, processing elements."),
        ("STATUS", 5, 2, False, 0, False, False,
         "Bit 0: a command was unknown, or named a memory or register that is not there, and was "
         "passed over with its header alone; bit 1: an address was beyond the end of its memory. "
         "SET of CONTROL clears both."),
        ("CONTROL", 6, 2, False, 0, True, False,
         "Bit 0: results are preceded by all states and fields (trace). Bit 1: an inference also "
         "ends at a 2-cycle."),
        ("MAX_SWEEPS", 7, 16, False, 10, True, False,
         "Sweeps of an inference at most, from 1; 0 counts as 65535."),
        ("SELF_COUPLING", 8, wide, True, design.self_coupling, True, False,
         "J_D in units of the accumulator; must not exceed its reset value."),
    ]  # fmt: skip
    if learning is not None:
        exponents = (0 if k is None else k for k in learning.exponents)
        decays = (0 if k is None else k for k in learning.decays)
        learns = sum((k is not None) << n for n, k in enumerate(learning.exponents))
        fades = sum((k is not None) << n for n, k in enumerate(learning.decays))
        blocks = ("the couplings", "the input weights", "the readout")
        rows += [
            ("WARMUP", 16, 16, False, learning.warmup, True, True,
             "Sweeps of a training relaxation before the feedback sets in."),
            ("FEEDBACK", 17, 16, False, learning.feedback, True, True,
             "Sweeps until the feedback ends, the warm-up among them."),
            ("SWEEPS", 18, 16, False, learning.sweeps, True, True,
             "Sweeps of a training relaxation, from 1."),
            ("THRESHOLD", 19, wide, True, learning.threshold, True, True,
             "A hidden neuron learns where s h <= this, without feedback."),
            ("READOUT_THRESHOLD", 20, wide, True, learning.readout_threshold, True, True,
             "A readout learns where y f <= this."),
            ("BATCH_SIZE", 21, 6, False, learning.batch_size, True, True,
             "Samples before an update, from 1; more than its reset value counts as that."),
            ("BATCHES", 22, 32, False, 0, True, True,
             "Updates done; the weights decay in an update that begins with this at a multiple of "
             "the period."),
            ("DECAY_PERIOD", 23, 5, False, learning.decay_period.bit_length() - 1, True, True,
             "Its logarithm to the base 2: 0 decays in each update."),
            ("LEARNS", 24, 3, False, learns, True, True,
             "Whether the couplings (bit 0), input weights (bit 1) and readout (bit 2) learn."),
            ("DECAYS", 25, 3, False, fades, True, True, "Whether they decay, likewise."),
            *((f"EXPONENT_{n}", 26 + n, 6, True, k, True, True,
               f"k, -14..15: an event moves {blocks[n]} by 2**-k levels.")
              for n, k in enumerate(exponents)),
            *((f"DECAY_EXPONENT_{n}", 29 + n, 6, True, k, True, True,
               f"k, 1..15: a decay of {blocks[n]} takes off 2**-k of them.")
              for n, k in enumerate(decays)),
        ]  # fmt: skip
    return tuple(Register(*row) for row in rows)


def find_register(design: CoreDesign, name: str) -> int:
    """Return the number of a register.

    Parameters
    ----------
    design : CoreDesign
        The core.
    name : str
        The register.

    Returns
    -------
    int
        Its number.

    Raises
    ------
    ValueError
        If the core has none of that name.
    """
    numbers = {register.name: register.number for register in list_registers(design)}
    if name not in numbers:
        raise ValueError(f"register must be one of {', '.join(numbers)}, got {name!r}")
    return numbers[name]

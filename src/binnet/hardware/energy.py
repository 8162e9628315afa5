"""Energies of single operations: the tables that turn counts of operations into picojoules.

Two are built in, published figures of 45 nm and of 7 nm; a designer replaces them by a TOML file
with the figures of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from binnet._records import read_toml
from binnet._validation import check_real

_KIB = 8 * 1024  # bits
_OPERATIONS = (
    "accumulate", "accumulate_float", "update_8_bits", "update_32_bits", "multiply",
    "multiply_float", "register_step",
)  # fmt: skip


@dataclass(frozen=True)
class EnergyTable:
    """Energy of every operation that a report counts, in picojoules.

    The defaults are those of M. Horowitz, "Computing's energy problem (and what we can do about
    it)", IEEE ISSCC 2014, pp. 10-14, Figure 1.1.9, "Rough energy costs for various operations in
    45nm 0.9V": integer add 0.03 pJ (8 bits) and 0.1 pJ (32 bits), integer multiply 3.1 pJ (32
    bits), floating-point add 0.9 pJ and multiply 3.7 pJ (32 bits), and a 64-bit access to an
    on-chip memory of 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ. Process node: 45 nm. They are rough, as
    the source says: compare designs with them, do not predict a chip's power. For 7 nm see
    `TABLES`.

    Parameters
    ----------
    accumulate : float, default 0.1
        Adding a weight to a 32-bit integer accumulator, or comparing the accumulator to 0.
    accumulate_float : float, default 0.9
        The same in float32, for networks that are not quantised.
    update_8_bits : float, default 0.03
        Changing a weight of up to 8 bits.
    update_32_bits : float, default 0.1
        Changing an integer weight of more than 8 bits; a float32 one takes `accumulate_float`.
    multiply : float, default 3.1
        Multiplying two integers of 32 bits. A draw from a counter takes two multiplications of 64
        bits, each counted as four of these.
    multiply_float : float, default 3.7
        Multiplying two float32 numbers, by which weights that are not quantised learn and decay.
    register_step : float, default 0.053
        A draw from a 16-bit shift register: one step. No source gives it; it is taken for an
        addition of 16 bits, on the line between those of 8 and of 32.
    access_bits : float, default 64
        Bits that one access to a memory moves.
    memory_kib : sequence of float, default (8, 32, 1024)
        Sizes of memories, ascending. A block lies in the smallest that holds it; a larger block
        is split into memories of the largest size.
    access : sequence of float, default (10, 20, 100)
        Energy of one access to a memory of each size, read or write.
    source : str
        Where the figures come from, repeated in every report.
    process_nm : float, default 45
        Process node, in nanometres; for the report only.

    Raises
    ------
    TypeError, ValueError
        If an entry is negative, not a number, or the memories do not fit together.

    Examples
    --------
    >>> EnergyTable(accumulate=0.02, process_nm=7, source="our own cells").accumulate
    0.02
    """

    accumulate: float = 0.1
    accumulate_float: float = 0.9
    update_8_bits: float = 0.03
    update_32_bits: float = 0.1
    multiply: float = 3.1
    multiply_float: float = 3.7
    register_step: float = 0.053
    access_bits: float = 64.0
    memory_kib: tuple[float, ...] = (8.0, 32.0, 1024.0)
    access: tuple[float, ...] = (10.0, 20.0, 100.0)
    source: str = "M. Horowitz, ISSCC 2014, Figure 1.1.9 (0.9 V)"
    process_nm: float = 45.0

    def __post_init__(self) -> None:
        for name in _OPERATIONS:
            self._keep(name, check_real(name, getattr(self, name), 0.0))
        for name in ("access_bits", "process_nm"):
            self._keep(name, check_real(name, getattr(self, name), 0.0, above=True))
        for name, above in (("memory_kib", True), ("access", False)):
            values = getattr(self, name)
            if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
                raise TypeError(f"{name} must be a list of numbers, got {values!r}")
            checked = (
                check_real(f"{name}[{k}]", value, 0.0, above=above)
                for k, value in enumerate(values)
            )
            self._keep(name, tuple(checked))
        sizes = self.memory_kib
        if not sizes or any(a >= b for a, b in pairwise(sizes)):
            raise ValueError(f"memory_kib must be ascending sizes, at least one, got {list(sizes)}")
        if len(self.access) != len(sizes):
            raise ValueError(
                f"access must have one energy for each of the {len(sizes)} memory_kib, got "
                f"{len(self.access)}"
            )
        if not isinstance(self.source, str):
            raise TypeError(f"source must be a string, got {self.source!r}")

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_toml(cls, path: str | Path) -> EnergyTable:
        """Read a table that names every entry, so that no default slips in unseen.

        Parameters
        ----------
        path : path-like
            A TOML file with the fields of this class, e.g. what `to_dict` returns.

        Returns
        -------
        EnergyTable
            The table.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If it is not TOML, an entry is missing, unknown or out of its range.
        """
        path = Path(path)
        entries = read_toml(path, "energy table", "`binnet hardware report --json` shows the form")
        return cls._from_entries(path, entries)

    @classmethod
    def _from_entries(cls, path: Path, entries: Mapping[str, Any]) -> EnergyTable:
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if name not in entries]
        if missing:
            raise ValueError(
                f"the energy table {path} lacks {', '.join(missing)}; it needs every one of "
                f"{', '.join(names)}: add figures of your own, or those of `binnet hardware report "
                "--energy 45nm --json`"
            )
        for name in entries:
            if name not in names:
                raise ValueError(
                    f"the energy table {path} has an unknown entry {name!r}; known are "
                    f"{', '.join(names)}"
                )
        try:
            return cls(**entries)
        except (TypeError, ValueError) as error:
            raise type(error)(f"in the energy table {path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the entries as plain values for TOML or JSON.

        Returns
        -------
        dict
            Names and values.
        """
        entries = dataclasses.asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in entries.items()
        }

    def access_per_bit(self, block_bits: int) -> float:
        """Return the energy of moving one bit from or to the memory of a block.

        Parameters
        ----------
        block_bits : int
            Size of the block.

        Returns
        -------
        float
            Picojoules.
        """
        for size, energy in zip(self.memory_kib, self.access, strict=True):
            if block_bits <= size * _KIB:
                return energy / self.access_bits
        return self.access[-1] / self.access_bits

    def accumulation(self, bits: int) -> float:
        """Return the energy of adding one weight to a neuron's field.

        Parameters
        ----------
        bits : int
            Bits of the weight; 32 means float32.

        Returns
        -------
        float
            Picojoules.
        """
        return self.accumulate_float if bits == 32 else self.accumulate

    def draw(self, generator: str) -> float:
        """Return the energy of one random number.

        Parameters
        ----------
        generator : {"counter", "lfsr"}
            As `binnet.Arithmetic.generator`: of a counter's draw the two multiplications of 64 bits
            are counted, of a shift register the step.

        Returns
        -------
        float
            Picojoules.
        """
        return self.register_step if generator == "lfsr" else 2 * 4 * self.multiply

    def update(self, bits: int) -> float:
        """Return the energy of changing one weight, without moving it.

        Parameters
        ----------
        bits : int
            Bits of the weight; 32 means float32.

        Returns
        -------
        float
            Picojoules.
        """
        if bits == 32:
            return self.accumulate_float
        return self.update_8_bits if bits <= 8 else self.update_32_bits


#: The built-in tables by name. That of 7 nm is N. Jouppi et al., "Ten lessons from three
#: generations shaped Google's TPUv4i: industrial product", ISCA 2021, Table 2, which renews
#: Horowitz's: integer add 0.007 pJ (8 bits) and 0.03 pJ (32 bits), integer multiply 1.48 pJ (32
#: bits), floating-point add 0.38 pJ and multiply 1.31 pJ (32 bits), 64 bits from an on-chip memory
#: of 8 KB 7.5 pJ, 32 KB 8.5 pJ, 1 MB 14 pJ. The paper itself was not at hand: the figures are those
#: that other people's texts cite from this table, the integer additions and the memories of 8 KB
#: and 1 MB in two that do not depend on each other, the others in one. A step of a shift register
#: is an estimate there, too.
TABLES = {
    "45nm": EnergyTable(),
    "7nm": EnergyTable(
        accumulate=0.03,
        accumulate_float=0.38,
        update_8_bits=0.007,
        update_32_bits=0.03,
        multiply=1.48,
        multiply_float=1.31,
        register_step=0.015,
        access=(7.5, 8.5, 14.0),
        source="N. Jouppi et al., ISCA 2021, Table 2",
        process_nm=7.0,
    ),
}


def find_table(name: str | Path) -> EnergyTable:
    """Return a built-in table, or that of a file.

    Parameters
    ----------
    name : str or path-like
        A name of `TABLES`, or a TOML file.

    Returns
    -------
    EnergyTable
        The table.

    Raises
    ------
    FileNotFoundError
        If it is neither.
    TypeError, ValueError
        If the file is no energy table.
    """
    if str(name) in TABLES:
        return TABLES[str(name)]
    if not Path(name).exists():
        raise FileNotFoundError(
            f"there is no energy table {name}; name {' or '.join(TABLES)}, or a TOML file with the "
            "entries that `binnet hardware report --json` shows under table"
        )
    return EnergyTable.from_toml(name)

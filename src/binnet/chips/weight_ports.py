"""The three weight memories of a core behind one address, in Amaranth.

Only the memory of the block at work is read or written. The module needs the extra "hdl".
"""

from __future__ import annotations

from typing import Any

try:
    from amaranth.hdl import Cat, Mux, Signal
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.parts import BLOCKS, Parts


class WeightPorts:
    """Reading and writing words of the weights of `Parts.block`.

    Parameters
    ----------
    p : Parts
        The circuit.

    Attributes
    ----------
    codes : list of Signal
        Of each lane the code that was asked for, at its lowest bits.
    new : list of Signal
        Of each block the word that learning writes.
    """

    def __init__(self, p: Parts) -> None:
        m, design, P = p.m, p.design, p.design.elements
        self.parts = p
        self.read_address, self.is_read = Signal(p.address_bits), Signal()
        self.write_address, self.is_written = Signal(p.address_bits), Signal()
        self.is_stored = Signal()  # a word of the stream is written, not one of learning
        most = max(design.stored_bits)
        self.codes = [Signal(most, name=f"code_{lane}") for lane in range(P)]
        self.new = [
            Signal(P * bits, name=f"new_{block}") for block, bits in enumerate(design.stored_bits)
        ]
        m.d.comb += self.write_address.eq(p.base)
        for block, name in enumerate(BLOCKS):
            reader, writer = p.readers[name], p.writers[name]
            stored = p.get_stored(design.memories[block])
            new = (
                stored if design.learning is None else Mux(self.is_stored, stored, self.new[block])
            )
            m.d.comb += [
                reader.addr.eq(self.read_address),
                reader.en.eq(self.is_read & (p.block == block)),
                writer.addr.eq(self.write_address),
                writer.en.eq(self.is_written & (p.block == block)),
                writer.data.eq(new),
            ]
        with m.Switch(p.block):
            for block, (name, bits) in enumerate(zip(BLOCKS, design.stored_bits, strict=True)):
                data = p.readers[name].data
                # The last block also stands for what is none, which saves a level of logic.
                with m.Case(block) if block < len(BLOCKS) - 1 else m.Default():
                    for lane, code in enumerate(self.codes):
                        m.d.comb += code.eq(data[bits * lane : bits * (lane + 1)])

    def read(self, address: Any) -> Any:
        """Return the statements that ask for a word; it is there a cycle later, and stays.

        Parameters
        ----------
        address : Value
            Its address.

        Returns
        -------
        list
            Statements.
        """
        return [self.read_address.eq(address), self.is_read.eq(1)]

    def get_word(self, block: int) -> Any:
        """Return the word that was asked for.

        Parameters
        ----------
        block : int
            Its block.

        Returns
        -------
        Value
            As many bits as its memory has.
        """
        return Cat(code[: self.parts.design.stored_bits[block]] for code in self.codes)

"""The page of a core's streams, registers and memories, from the tables of which it is made.

docs/core_registers.md is that page for one core, and a test holds it to what stands here:
``python -m binnet.chips.register_pages > docs/core_registers.md`` writes it anew.
"""

from __future__ import annotations

import re

from binnet.chips import protocol
from binnet.chips.design import CoreDesign, CoreLearning
from binnet.chips.registers import Register, list_registers
from binnet.networks import QFormat

_PAGE = """\
# Words, registers and memories of a core

Of the core with {H} neurons, {N_in} inputs, {C} outputs and {P} processing elements{learns}.
This page is generated from the tables that the circuit is made of.

## Ports

| port | | width | meaning |
|---|---|---|---|
| `clk`, `rst` | in | 1 | clock; synchronous reset, which memories do not see |
| `s_axis_tdata` | in | 32 | a word of a command |
| `s_axis_tvalid` | in | 1 | the word is there, and stays until it is taken |
| `s_axis_tready` | out | 1 | the word is taken as the clock rises |
| `m_axis_tdata` | out | 32 | a word of an answer |
| `m_axis_tlast` | out | 1 | it is the last one of its answer |
| `m_axis_tvalid` | out | 1 | the word is there, and stays until it is taken |
| `m_axis_tready` | in | 1 | the word is taken as the clock rises |

## Words

{words}

## Registers

| number | name | bits | access | after a reset | meaning |
|---|---|---|---|---|---|
{registers}

Numbers in two's complement are marked with ±, and are read with their sign in all 32 bits.

## Memories

| number | name | words | lanes × bits | words of 32 bits each | address | lane |
|---|---|---|---|---|---|---|
{memories}

g counts groups of neurons (of classes in the readout's memories): neuron i is lane i mod P of group
⌊i / P⌋. Weights are in two's complement; of one bit, 1 is +1 and 0 is −1. Lanes beyond the last
neuron are not looked at, nor is the diagonal of the couplings.
"""
_PLACES = {
    "couplings": ("g H + j", "J from j"),
    "input_weights": ("g N_in + n", "W_in from input n"),
    "readout": ("g H + i", "W_out from i"),
    "feedback": ("label G + g", "feedback of a label, in units of the accumulator"),
    "hidden_registers": ("g", "shift register of a neuron"),
    "readout_registers": ("g", "shift register of a readout"),
}


def describe_registers(design: CoreDesign) -> str:
    """Return the page of a core: ports, words, registers and memories.

    Parameters
    ----------
    design : CoreDesign
        The core.

    Returns
    -------
    str
        Markdown.
    """
    memories = (
        f"| {memory.number} | {memory.name} | {memory.words} | {memory.lanes} × {memory.bits} "
        f"| {memory.stream_words} | {' | '.join(_PLACES[memory.name])} |"
        for memory in design.memories
    )
    return _PAGE.format(
        H=design.n_neurons,
        N_in=design.n_inputs,
        C=design.n_outputs,
        P=design.elements,
        learns="" if design.learning is None else ", which learns",
        words=_describe_words(),
        registers="\n".join(_describe_register(register) for register in list_registers(design)),
        memories="\n".join(memories),
    )


def _describe_register(register: Register) -> str:
    access = "read, write" if register.writable else "read"
    reset = f"0x{register.reset:08X}" if register.name == "IDENTITY" else str(register.reset)
    return (
        f"| {register.number} | {register.name} | {register.bits}{' ±' * register.signed} "
        f"| {access} | {reset} | {register.meaning} |"
    )


def _describe_words() -> str:
    """Return the text of the protocol, its table as one of Markdown."""
    text = (protocol.__doc__ or "").split("\n\n", 1)[1].strip()
    before, table, after = re.split(r"(?m)^=[= ]+=\n", text)[:3]
    columns = [match.span() for match in re.finditer("=+", _find_rule(text))]
    rows: list[list[str]] = []
    for line in table.splitlines():
        cells = [
            line[first : None if k == len(columns) - 1 else end].strip()
            for k, (first, end) in enumerate(columns)
        ]
        if cells[0]:
            rows.append(cells)
        else:  # the row goes on
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
    lines = [
        "| operation | code | arguments | what follows -> what is answered |",
        "|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return before + "\n".join(lines) + "\n" + after


def _find_rule(text: str) -> str:
    found = re.search(r"(?m)^=[= ]+=$", text)
    assert found is not None
    return found[0]


def make_example() -> CoreDesign:
    """Return the core of docs/core_registers.md: one that learns, with latent weights.

    Returns
    -------
    CoreDesign
        The design.
    """
    latent, H, elements = QFormat(8, 6), 100, 16
    formats = (latent, latent, latent)
    learning = CoreLearning(16, 3, 6, 10, 0, 0, (4, 4, 4), (8, 8, 8), 4, "per-weight", formats)
    return CoreDesign(
        H, 100, 10, elements, (4, 4, 4), (8, 8, 8), 1, True, 0, 0, 12, 6, 16, learning, False
    )


if __name__ == "__main__":
    print(describe_registers(make_example()), end="")

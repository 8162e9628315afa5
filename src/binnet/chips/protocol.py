"""Words of 32 bits that go into a core and come out of it.

A command is a header and what follows it, in one stream; results come in another, in the order of
the commands. In the header, bits 7..0 are the operation, 15..8 its argument a, 31..16 its argument n.

=======  ==  =========================  ========================================================
SET      1   a: register                1 word, its value -> nothing
GET      2   a: register                -> 1 word
INFER    3   a: 1 if states follow      the inputs, then perhaps the states -> a result
LEARN    4   n: label                   the inputs -> a result; after the last sample of a batch
                                        the weights change before the next command is taken
UPDATE   5                              end a batch before it is full -> nothing
WRITE    6   a: memory                  first address, count, then count words of the memory
                                        -> nothing
READ     7   a: memory                  first address, count -> count words of the memory
=======  ==  =========================  ========================================================

*Inputs*: input n at bits n b .. n b + b - 1 of one long string of bits, which is cut into words of
32, the first lowest; the last is filled with zeros. *States* and masks: for each group of neurons
ceil(P / 32) words, lane 0 at the lowest bit, 1 for +1. *Words of a memory*: as wide as it is, filled
to words of 32 bits, the lowest first.

A *result* is one word: bits 7..0 the label with the largest readout field (the lowest such class in
a tie), bit 8 that the last sweep changed nothing, bit 9 that the state after it was that before the
sweep before it (a 2-cycle), bits 31..16 the sweeps that were done. With trace it is preceded by the states
after each sweep that was done, the C readout fields as integers of 32 bits, and, where it learns, the mask of the hidden
neurons that learn and that of the readouts. The last word of every answer has `last` set.

An inference ends with a sweep that changes nothing, after MAX_SWEEPS, or (where CONTROL asks for it) at a
2-cycle, which is looked for from the third sweep on. A relaxation that learns leaves out the sweeps
after one that changed nothing until the feedback changes; `sweeps` does not count them.
"""

from __future__ import annotations

from enum import IntEnum


class Operation(IntEnum):
    """Operations of a header."""

    SET = 1
    GET = 2
    INFER = 3
    LEARN = 4
    UPDATE = 5
    WRITE = 6
    READ = 7

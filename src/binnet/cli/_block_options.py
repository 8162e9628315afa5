"""Options of `binnet train` with a number for each block of weights."""

from __future__ import annotations

# Options of several numbers, which have no default to show: left out, they follow from the rest.
BLOCK_OPTIONS = (
    (
        "--fraction-bits",
        "fraction_bits",
        4,
        "J IN OUT BACK",
        "in integers, fraction bits of couplings, input weights, readout and feedback  [-16 to 30; "
        "default: from the initial weights]",
    ),
    (
        "--rate-exponents",
        "rate_exponents",
        3,
        "J IN OUT",
        "in integers, k of couplings, input weights and readout: an unstable neuron changes a "
        "weight by 2**-k levels  [-14 to 15; default: from the rates]",
    ),
    (
        "--block-bits",
        "block_bits",
        4,
        "J IN OUT BACK",
        "in integers, bits of a weight of each block  [1, 2, 4, 8 or 16; default: as --arithmetic]",
    ),
    (
        "--block-latent-bits",
        "block_latent_bits",
        3,
        "J IN OUT",
        "in integers, bits of the latent weights of couplings, input weights and readout  [0, 2, "
        "4, 8 or 16; default: as --latent-bits]",
    ),
)

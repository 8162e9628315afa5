"""Published digital chips that learn: the yardstick, with sources and how far each was verified.

Figures of whole chips, clock, wires, control and memories included, so that the sums of
`binnet.hardware.cost`, which leave those out, do not stand beside them as equals. Table with more
columns: docs/results/published_chips.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedChip:
    """A chip that learns.

    Attributes
    ----------
    name : str
        Its name.
    year : int
        Of the publication.
    node_nm : float
        Process node, in nanometres.
    picojoules_per_operation : float or None
        Of a synaptic operation, at `supply`; None: not published.
    nanojoules_per_inference : float or None
        Of a classification, for the task in `task`; None: not published, or not found.
    task : str
        What a classification is of, with its accuracy; empty: none is given.
    supply : float or None
        Supply in volts of these figures; None: not known here.
    measured : bool or None
        Whether they were measured on silicon; False: simulations of the circuit; None: not known
        here.
    learns : str
        What learns, by which rule.
    memory : str
        On-chip memory of synapses.
    source : str
        The paper.
    verified : str
        Where the figures were found besides the issue that asked for this table.
    """

    name: str
    year: int
    node_nm: float
    picojoules_per_operation: float | None
    nanojoules_per_inference: float | None
    task: str
    supply: float | None
    measured: bool | None
    learns: str
    memory: str
    source: str
    verified: str


PUBLISHED_CHIPS = (
    PublishedChip(
        name="ODIN", year=2019, node_nm=28, picojoules_per_operation=12.7,
        nanojoules_per_inference=15, task="MNIST at 16 x 16, 10 neurons, 84.5 % (learned on chip)",
        supply=0.55, measured=True, learns="spike-driven synaptic plasticity (SDSP)",
        memory="65,536 synapses of 4 bits",
        source="Frenkel, Lefebvre, Legat, Bol, IEEE TBioCAS 13(1), 145-158, 2019",
        verified="pJ/SOP: title of the paper and its authors' code; the rest: a survey's quotation",
    ),
    PublishedChip(
        name="MorphIC", year=2019, node_nm=65, picojoules_per_operation=30,
        nanojoules_per_inference=21_800, task="MNIST, rank-order code, 95.9 % (learned off chip)",
        supply=0.8, measured=True, learns="stochastic SDSP, weights of 1 bit",
        memory="over 2 million synapses of 1 bit",
        source="Frenkel, Legat, Bol, IEEE TBioCAS 13(5), 2019",
        verified="node, rule, memory: abstract; energies: a survey's quotation",
    ),
    PublishedChip(
        name="SPOON", year=2020, node_nm=28, picojoules_per_operation=None,
        nanojoules_per_inference=313, task="MNIST, 95.3 % (learned on chip)",
        supply=0.6, measured=None, learns="direct random target projection, convolutional network",
        memory="",
        source="Frenkel, Legat, Bol, IEEE ISCAS 2020",
        verified="abstract (arXiv:2005.06318)",
    ),
    PublishedChip(
        name="ReckOn", year=2022, node_nm=28, picojoules_per_operation=5.3,
        nanojoules_per_inference=None, task="",
        supply=0.5, measured=True, learns="e-prop, modified: +0.8 % of memory",
        memory="two memories of 64 KiB, 8-bit weights",
        source="Frenkel, Indiveri, IEEE ISSCC 2022",
        verified="authors' code (README); memory: a survey's quotation",
    ),
    PublishedChip(
        name="Loihi", year=2018, node_nm=14, picojoules_per_operation=23.6,
        nanojoules_per_inference=None, task="",
        supply=None, measured=False, learns="programmable rules; pairwise STDP 120 pJ an update",
        memory="about 130 million synapses",
        source="Davies et al., IEEE Micro 38(1), 82-99, 2018, Table 2",
        verified="quotations of Table 2, \"pre-silicon performance and energy measurements\": the "
        "least of a synaptic operation",
    ),
    PublishedChip(
        name="Intel 10 nm", year=2019, node_nm=10, picojoules_per_operation=3.8,
        nanojoules_per_inference=None, task="",
        supply=None, measured=None, learns="STDP, sparse weights",
        memory="1 million synapses",
        source="Chen, Kumar, Sumbul, Knag, Krishnamurthy, IEEE JSSC 54(4), 992-1002, 2019",
        verified="title of the paper",
    ),
    PublishedChip(
        name="ANP-I", year=2023, node_nm=28, picojoules_per_operation=1.5,
        nanojoules_per_inference=None, task="",
        supply=0.56, measured=True, learns="on chip, below 0.1 uJ a sample",
        memory="",
        source="Zhang et al., IEEE ISSCC 2023 and IEEE JSSC 2024",
        verified="title of the paper; supply: a list's quotation",
    ),
    PublishedChip(
        name="Darwin3", year=2024, node_nm=22, picojoules_per_operation=5.47,
        nanojoules_per_inference=None, task="",
        supply=0.8, measured=True, learns="programmable rules",
        memory="",
        source="Ma, Jin, Sun et al., National Science Review 11(5), nwae102, 2024",
        verified="a quotation of the paper; baseline power is apart",
    ),
)  # fmt: skip

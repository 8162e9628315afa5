"""The cost report as lines to read."""

from __future__ import annotations

from binnet.hardware.cost import CostReport
from binnet.hardware.cost_items import FLOAT_BITS, BlockCost, SampleCost

_NOT_COUNTED = (
    "not counted: clock, wires, control, leakage, input and output of the chip;",
    "published chips (docs/results/published_chips.md) are measured or simulated whole, these "
    "included, so that pJ/SOP here is no match for theirs",
)
_MEANINGS = {
    "inputs": "W_in x",
    "relaxation": "J s, with the schedule of the feedback",
    "feedback": "the label's field",
    "stability": "J s once more, without feedback",
    "readout": "W_out s",
    "comparisons": "of fields with 0 or a threshold",
    "events": "their sums over a batch",
    "updates": "weights read, changed and written",
    "decay": "of all weights",
    "total": "",
}


def format_cost(report: CostReport, frequency: float | None = None) -> str:
    """Return a cost report as text.

    Parameters
    ----------
    report : CostReport
        From `report_cost`.
    frequency : float, optional
        Of the clock, in MHz: cycles are then given in microseconds, too.

    Returns
    -------
    str
        Lines of a table for the blocks, one for inference and one or two for learning.
    """
    rows = [("block", "shape", "bits", "memory", "saturated", "updates")]
    for name, block in report.blocks.items():
        saturated, updates = block.saturation_events, block.updates_per_synapse
        rows.append(
            (
                name,
                f"{block.shape[0]} x {block.shape[1]}",
                _format_width(block),
                _format_bits(block.memory_bits),
                "-" if saturated is None else str(saturated),
                "-" if updates is None else f"{updates:.1f}",
            )
        )
    rows.append(("to infer", "", "", _format_bits(report.memory_bits), "", ""))
    if report.training is not None or report.learning_memory_bits != report.memory_bits:
        rows.append(("to learn", "", "", _format_bits(report.learning_memory_bits), "", ""))
    lines = [f"{a:<14}{b:>12}{c:>8}{d:>12}{e:>11}{f:>10}".rstrip() for a, b, c, d, e, f in rows]
    if any(b.bits != FLOAT_BITS and b.saturation_events is None for b in report.blocks.values()):
        lines.append(
            "saturated -: a network file does not say what its rounding or training cut; report "
            "the run's folder, with the bits to round it to"
        )
    lines += _describe_memory(report)
    lines += [
        "",
        f"inference, mean of {report.samples} samples: {report.sweeps:.2f} sweeps, "
        f"{report.flips:.1f} flips after the first",
        _row("", "synaptic operations", "per update", "energy", "pJ/SOP"),
    ]
    for name, ops in (("dense", report.dense), ("event-driven", report.event_driven)):
        lines.append(
            _row(name, f"{ops.total:,.0f}", f"{ops.per_update:.1f}", _energy(ops.energy),
                 f"{ops.energy_per_operation:.2f}")
        )  # fmt: skip
    if report.training is not None:
        lines += _format_training(report.training, report.elements is not None)
    elif report.learning is not None:
        cost = report.learning
        lines += [
            "",
            "learning, mean of a training sample: updates of the weights alone, without the "
            "relaxation",
            _row("", "weight updates", "", "energy"),
            _row("dense", f"{cost.dense_updates:,.0f}", "", _energy(cost.dense_energy)),
            _row(
                "event-driven",
                f"{cost.event_driven_updates:,.0f}",
                "",
                _energy(cost.event_driven_energy),
            ),
        ]
    if report.elements is not None:
        lines += _format_words(report, report.elements, frequency)
    lines += [
        "",
        f"energies: {report.table.source}, {report.table.process_nm:g} nm",
        "counted: weight memory, accumulators, comparisons"
        + (", random numbers" if report.training is not None else ""),
        *_NOT_COUNTED,
    ]
    return "\n".join(lines)


def _describe_memory(report: CostReport) -> list[str]:
    """Say what the memory of a chip that learns holds, if there is a line for it."""
    training = report.training
    if training is None:
        return []
    weights = report.learning_memory_bits - training.feedback_bits - training.register_bits
    latent = any(block.latent_bits != block.bits for block in report.blocks.values())
    parts = [
        f"{'latent ' if latent else ''}weights {_format_bits(weights)}",
        f"fields of the feedback {_format_bits(training.feedback_bits)}",
    ]
    if training.register_bits:
        parts.append(f"shift registers {_format_bits(training.register_bits)}")
    return ["to infer: weights as fields read them; to learn: " + ", ".join(parts)]


def _format_training(training: SampleCost, words: bool) -> list[str]:
    """Return lines on what a training sample takes, a table for each design."""
    lines = [
        "",
        f"learning, mean of {training.samples} training samples in batches of "
        f"{training.batch_size}: {training.sweeps:.2f} sweeps, {training.flips:.1f} flips after "
        f"the first;",
        f"{100 * training.unstable:.2f} % of the hidden neurons and "
        f"{100 * training.wrong:.2f} % of the readouts learn from a sample",
    ]
    for title, items in (("dense", training.dense), ("event-driven", training.event_driven)):
        heads = ("operations", "bits read", "bits written", "draws", *(("words",) * words))
        lines.append(_item_row(title, heads, "energy", ""))
        for name, item in items.items():
            counts = [item.operations, item.bits_read, item.bits_written, item.draws]
            counts += [item.words] * words
            cells = tuple(f"{count:,.0f}" for count in counts)
            lines.append(_item_row(f"  {name}", cells, _energy(item.energy), _MEANINGS[name]))
    return lines


def _item_row(name: str, counts: tuple[str, ...], energy: str, meaning: str) -> str:
    cells = "".join(f"{count:>14}" for count in counts)
    return f"{name:<14}{cells}{energy:>15}  {meaning}".rstrip()


def _format_words(report: CostReport, elements: int, frequency: float | None) -> list[str]:
    """Return lines on the words that so many lanes move, and how long that takes at least."""
    training = report.training
    lines = [
        "",
        f"P = {elements} processing elements, a memory word of {elements} weights a cycle: "
        "at least",
        f"{'':<14}{'an inference':>30}" + f"{'a training sample':>30}" * (training is not None),
    ]
    for name in ("dense", "event_driven"):
        counts = [getattr(report, name).words]
        if training is not None:
            counts.append(getattr(training, name)["total"].words)
        cells = [f"{count:,.0f} cycles" for count in counts]
        if frequency is not None:
            cells = [
                f"{cell}, {count / frequency:,.1f} us"
                for cell, count in zip(cells, counts, strict=True)
            ]
        title = name.replace("_", "-")
        lines.append(f"{title:<14}" + "".join(f"{cell:>30}" for cell in cells))
    if frequency is not None:
        lines.append(f"at {frequency:g} MHz; one after the other, without control")
    return lines


def _format_width(block: BlockCost) -> str:
    if block.latent_bits == block.bits:
        return str(block.bits)
    return f"{block.bits} of {block.latent_bits}"


def _row(name: str, count: str, per_update: str, energy: str, each: str = "") -> str:
    return f"{name:<14}{count:>21}{per_update:>12}{energy:>15}{each:>9}".rstrip()


def _energy(picojoules: float) -> str:
    return f"{picojoules / 1000:,.2f} nJ"


def _format_bits(bits: int) -> str:
    size = bits / 8
    for unit in ("B", "KiB"):
        if size < 1024:
            return f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} MiB"

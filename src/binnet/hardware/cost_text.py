"""The cost report as lines to read."""

from __future__ import annotations

from binnet.hardware.cost import FLOAT_BITS, BlockCost, CostReport

_NOT_COUNTED = "not counted: clock, wires, control, random numbers, leakage"


def format_cost(report: CostReport) -> str:
    """Return a cost report as text.

    Parameters
    ----------
    report : CostReport
        From `report_cost`.

    Returns
    -------
    str
        Lines of a table for the blocks, one for inference and one for learning.
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
    rows.append(("for inference", "", "", _format_bits(report.memory_bits), "", ""))
    lines = [f"{a:<14}{b:>12}{c:>8}{d:>12}{e:>11}{f:>10}".rstrip() for a, b, c, d, e, f in rows]
    if any(b.bits != FLOAT_BITS and b.saturation_events is None for b in report.blocks.values()):
        lines.append(
            "saturated -: a network file does not say what its rounding or training cut; report "
            "the run's folder, with the bits to round it to"
        )
    lines += [
        "",
        f"inference, mean of {report.samples} samples: {report.sweeps:.2f} sweeps, "
        f"{report.flips:.1f} flips after the first",
        _row("", "synaptic operations", "per update", "energy"),
    ]
    for name, ops in (("dense", report.dense), ("event-driven", report.event_driven)):
        lines.append(_row(name, f"{ops.total:,.0f}", f"{ops.per_update:.1f}", _energy(ops.energy)))
    if report.learning is not None:
        cost = report.learning
        lines += [
            "",
            "learning, mean of a training sample",
            _row("", "weight updates", "", "energy"),
            _row("dense", f"{cost.dense_updates:,.0f}", "", _energy(cost.dense_energy)),
            _row(
                "event-driven",
                f"{cost.event_driven_updates:,.0f}",
                "",
                _energy(cost.event_driven_energy),
            ),
        ]
    lines += [
        "",
        f"energies: {report.table.source}, {report.table.process_nm:g} nm",
        f"counted: weight memory, accumulators, comparisons; {_NOT_COUNTED}",
    ]
    return "\n".join(lines)


def _format_width(block: BlockCost) -> str:
    if block.latent_bits == block.bits:
        return str(block.bits)
    return f"{block.bits} of {block.latent_bits}"


def _row(name: str, count: str, per_update: str, energy: str) -> str:
    return f"{name:<14}{count:>21}{per_update:>12}{energy:>15}"


def _energy(picojoules: float) -> str:
    return f"{picojoules / 1000:,.2f} nJ"


def _format_bits(bits: int) -> str:
    size = bits / 8
    for unit in ("B", "KiB"):
        if size < 1024:
            return f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} MiB"

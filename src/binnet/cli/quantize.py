"""`binnet quantize`: a trained network in integers, and the accuracy that it loses."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import check_file, name_beside, write_json
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.dynamics import predict
from binnet.hardware import save_quantized
from binnet.learning import load_best
from binnet.networks import BITS, NetworkFormats, QFormat, QuantizationReport, quantize
from binnet.networks.formats import ROUNDINGS, check_bits
from binnet.networks.quantisation import OVERFLOWS


@click.command("quantize")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--bits",
    type=int,
    default=8,
    show_default=True,
    help=f"of a weight  [{', '.join(map(str, BITS))}]",
)
@click.option(
    "--fraction-bits",
    type=int,
    nargs=4,
    metavar="J IN OUT BACK",
    help="of couplings, input weights, readout and feedback  [-16 to 30; default: with the least "
    "square error]",
)
@click.option("--rounding", type=click.Choice(ROUNDINGS), default=ROUNDINGS[0], show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="of the stochastic rounding")
@click.option(
    "--overflow",
    type=click.Choice(OVERFLOWS),
    default=OVERFLOWS[0],
    show_default=True,
    help="where a field could overflow its accumulator: refuse, or clip the weights that make it",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="file of the network, its report goes beside it as JSON  [default: RUN/int{BITS}"
    ".safetensors]",
)
@force_option
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
def quantize_run(
    run: Path,
    bits: int,
    fraction_bits: tuple[int, ...] | None,
    rounding: str,
    seed: int,
    overflow: str,
    out: Path | None,
    threads: int | None,
) -> None:
    """Turn the network of the folder RUN into integers, and report the accuracy lost.

    The accuracies are those on the run's own set: test, or validation where one was held out.
    """
    with clear_errors():
        check_bits("--bits", bits)
        path = out or run / f"int{bits}.safetensors"
        state = load_best(_runs.find_checkpoint(run))
        report_path = name_beside(path, ".json")
        check_file(path)
        check_file(report_path)
        configuration = state.configuration
        if configuration.arithmetic.bits:
            raise ValueError(
                f"{run} was trained in integers ({configuration.arithmetic.arithmetic}) and needs "
                "no quantising; name a run in floating point"
            )
        formats = None
        if fraction_bits:
            formats = NetworkFormats(*(QFormat(bits, number) for number in fraction_bits))
        plasticity, training = configuration.plasticity, configuration.training
        network = state.network()
        integers, report = quantize(
            network,
            bits,
            formats,
            margin=plasticity.margin,
            readout_margin=plasticity.readout_margin,
            margin_excludes_self_coupling=plasticity.margin_excludes_self_coupling,
            rounding=rounding,
            seed=seed,
            overflow=overflow,
        )
        integers.refuse_structure("a file of integers")  # before accuracies are measured
        _, sets = _runs.load_samples_of(run, state)
        ((name, (X, y)),) = sets.items()
        options = {**training.inference_options(), "threads": threads}
        before, after = (
            float((predict(each, X, **options) == y).mean()) for each in (network, integers)
        )
        save_quantized(path, integers)
        record = {
            "bits": bits,
            "set": name,
            "accuracy": {"float": before, "integers": after, "lost": before - after},
            "quantization": report.to_dict(),
            "run": describe_run(training.seed, resolve_threads(threads)),
        }
        write_json(report_path, record)
    click.echo(_format_report(report))
    click.echo(
        f"{name} accuracy {before:.4f} in {training.dtype}, {after:.4f} in {bits} bits: "
        f"{before - after:+.4f} lost"
    )
    click.echo(f"network: {path}\nreport:  {report_path}")


def _format_report(report: QuantizationReport) -> str:
    lines = ["block          fraction bits  range               saturated    SNR"]
    for name, block in report.blocks.items():
        span = f"{block.minimum:+.3f} .. {block.maximum:+.3f}"
        lines.append(
            f"{name:<14} {block.format.fraction_bits:>13}  {span:<18} {block.saturated:>10}  "
            f"{block.snr_db:5.1f} dB"
        )
    used = report.worst_field / report.accumulator_limit
    lines.append(f"worst field {report.worst_field}: {used:.2g} of the accumulator")
    if report.clipped:
        lines.append(f"{report.clipped} weights were clipped to keep it from overflowing")
    return "\n".join(lines)

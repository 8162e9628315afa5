"""`binnet bench peers`: the same workloads by NumPy, Numba, PyTorch and JAX."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from binnet.benchmarks._units import format_number
from binnet.cli._figures import force_option
from binnet.cli.bench._options import check_result_file, naming_options, parse_threads
from binnet.cli.bench._tables import format_table
from binnet.cli.bench.run import STOPPED, WRONG

if TYPE_CHECKING:
    from binnet.benchmarks._peers_plan import PeersPlan
    from binnet.benchmarks._result import BenchmarkResult

_HEADS = ("workload", "threads", "by", "answer", "ms a call", "times binnet's", "interval",
          "of minima")  # fmt: skip


@click.command()
@click.option("--suite", default="all", show_default=True,
              help="only the workloads of this suite; binnet bench list names them")  # fmt: skip
@click.option("--quick", is_flag=True, help="only the workloads of binnet bench run --quick")
@click.option("--threads", default="1,all", show_default=True, metavar="N,N,...",
              help="numbers of threads; \"all\" is one for each core")  # fmt: skip
@click.option("--time-limit", type=float, metavar="SECONDS",
              help="after which no other workload is begun  [default: none]")  # fmt: skip
@click.option("--peer", "peers_", multiple=True, metavar="NAME",
              help="numpy, numba, torch or jax; repeatable  [default: all installed]")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), default="peers.json",
              show_default=True, help="file of the result; pyperf reads it, too")  # fmt: skip
@force_option
def peers(
    suite: str,
    quick: bool,
    threads: str,
    time_limit: float | None,
    peers_: tuple[str, ...],
    output: Path,
) -> None:
    """Compare binnet with what a user would pick instead: NumPy, Numba, PyTorch, JAX.

    All take turns in processes of their own, from the same data. A peer whose answer differs has no
    ratio. Of several ways to write a workload in a library the fastest counts. The exit status is 3
    where binnet's own answer is wrong.
    """
    plan = _plan(suite, quick, threads, time_limit, peers_)
    check_result_file(output)
    from binnet.benchmarks._files import save_result
    from binnet.benchmarks._peers_running import compare_peers

    click.echo(plan.describe())
    result = compare_peers(plan, lambda text: click.echo(text, err=True))
    if not result.measurements:
        click.echo(f"nothing was measured; {output} is not written")
        raise click.exceptions.Exit(1 if result.is_complete else STOPPED)
    for line in describe_peers(result):
        click.echo(line)
    try:
        save_result(result, output)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"the result could not be written: {error}") from None
    click.echo(f"written: {output}")
    if any(m.implementation == "binnet" and m.verdict == "wrong" for m in result.measurements):
        raise click.exceptions.Exit(WRONG)
    if not result.is_complete:
        raise click.exceptions.Exit(STOPPED)


def _plan(
    suite: str, quick: bool, threads: str, time_limit: float | None, peers_: tuple[str, ...]
) -> PeersPlan:
    from binnet.benchmarks._peers_plan import plan_peers

    with naming_options():
        return plan_peers(
            suite, is_quick=quick, threads=parse_threads(threads), time_limit=time_limit,
            peers=peers_,
        )  # fmt: skip


def describe_peers(result: BenchmarkResult) -> Iterator[str]:
    """Yield the table of a comparison, what is not in it and why, and the libraries."""
    from binnet.benchmarks._peers_running import find_ratio

    rows, coverages = [], []
    for one in result.measurements:
        row = [one.workload, str(one.threads), one.implementation, one.verdict,
               format_number(1e3 * one.seconds)]  # fmt: skip
        ratio = find_ratio(result, one) if one.implementation != "binnet" else None
        if ratio is None:
            rows.append((*row, "", "", ""))
            continue
        ends = [format_number(end) for end in ratio.interval if math.isfinite(end)]
        coverages += [ratio.coverage] if ends else []
        rows.append((*row, format_number(ratio.of_medians), " to ".join(ends) or "timed once",
                     format_number(ratio.of_minima)))  # fmt: skip
    yield ""
    yield from format_table(_HEADS, rows, right=(1, 4, 5, 7))
    yield ""
    if coverages:
        yield (
            "intervals: 95 % by bootstrap over the processes of both, which hold the true ratio in "
            f"about {100 * min(coverages):.0f} % of runs"
        )
    for note in result.settings["notes"]:
        peer = f", {note['peer']}" if note["peer"] else ""
        yield f"{note['workload']}, threads {note['threads']}{peer}: {note['note']}"
    for name, libraries in result.settings["libraries"].items():
        for one in libraries:
            code = f", code for {one['architecture']}" if one["architecture"] else ""
            version = one["version"] or ""
            yield f"threads of {name}: {one['name']} {version}{code}, threads {one['threads']}"
    if not result.stability.is_stable:
        yield "not stable:"
        yield from (f"  {reason}" for reason in result.stability.reasons)

"""`binnet bench run`: measure, write the result, say what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from binnet.cli._figures import force_option
from binnet.cli.bench._options import check_result_file, naming_options, parse_threads

if TYPE_CHECKING:
    from binnet.benchmarks._plan import Mode, Plan
    from binnet.benchmarks._result import BenchmarkResult

WRONG, UNSTABLE, STOPPED = 3, 4, 130  # exit statuses; 1 is that of failures, 2 of wrong usage


@click.command()
@click.option("--suite", default="all", show_default=True,
              help="only the workloads of this suite; binnet bench list names them")  # fmt: skip
@click.option("--quick", is_flag=True, help="one minute: few workloads, fewest processes")
@click.option("--reportable", is_flag=True, help="twenty minutes, for numbers to publish")
@click.option("--threads", default="1,all", show_default=True, metavar="N,N,...",
              help="numbers of threads; \"all\" is one for each core")  # fmt: skip
@click.option("--time-limit", type=float, metavar="SECONDS",
              help="that it may take, without compiling  [default: 300]")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), default="bench.json",
              show_default=True, help="file of the result; pyperf reads it, too")  # fmt: skip
@click.option("--unstable-ok", is_flag=True,
              help="print scores also where the machine was not quiet")  # fmt: skip
@force_option
def run(
    suite: str,
    quick: bool,
    reportable: bool,
    threads: str,
    time_limit: float | None,
    output: Path,
    unstable_ok: bool,
) -> None:
    """Measure this machine: workloads of fixed size, their answers, the limits of the machine.

    The exit status is 3 for a wrong answer, 1 if a workload failed, 4 if the machine was not quiet,
    unless --unstable-ok is given.
    """
    if quick and reportable:
        raise click.UsageError("--quick and --reportable exclude each other; choose one")
    from binnet.benchmarks._running import measure

    plan = _plan(suite, "quick" if quick else "reportable" if reportable else "default",
                 threads, time_limit)  # fmt: skip
    check_result_file(output)
    click.echo(plan.describe())
    result = measure(plan, lambda text: click.echo(text, err=True))
    if not result.measurements:
        for line in _describe_failures(result):
            click.echo(line)
        click.echo(f"nothing was measured; {output} is not written")
        raise click.exceptions.Exit(1 if result.is_complete else STOPPED)
    trouble = _save(result, output)
    from binnet.cli.bench._showing import describe_result

    for line in (*describe_result(result, unstable_ok=unstable_ok), *_describe_failures(result)):
        click.echo(line)
    if trouble is not None:
        raise click.ClickException(trouble)
    click.echo(f"written: {output}")
    raise click.exceptions.Exit(_choose_status(result, unstable_ok))


def _plan(suite: str, mode: Mode, threads: str, time_limit: float | None) -> Plan:
    from binnet.benchmarks._plan import plan_run

    with naming_options():
        return plan_run(suite, mode, parse_threads(threads), time_limit)


def _save(result: BenchmarkResult, output: Path) -> str | None:
    """Write a result; where that fails, say why, as what it says can still be shown."""
    from binnet.benchmarks._files import save_result

    try:
        save_result(result, output)
    except (OSError, ValueError) as error:
        return f"the result could not be written: {error}"
    return None


def _describe_failures(result: BenchmarkResult) -> list[str]:
    return [
        f"failed: {failure['workload']}, threads {failure['threads']}: {failure['reason']}"
        for failure in result.settings["failures"]
    ]


def _choose_status(result: BenchmarkResult, unstable_ok: bool) -> int:
    if any(measurement.verdict == "wrong" for measurement in result.measurements):
        return WRONG
    if not result.is_complete:
        return STOPPED
    if result.settings["failures"]:
        return 1
    return 0 if result.stability.is_stable or unstable_ok else UNSTABLE

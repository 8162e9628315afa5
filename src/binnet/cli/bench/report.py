"""`binnet bench report`: a result as a page that can be put on any site."""

from __future__ import annotations

from pathlib import Path

import click

from binnet.cli._common import clear_errors
from binnet.cli._figures import check_output, force_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--html", "output", type=click.Path(dir_okay=False, path_type=Path),
              help="page to write  [default: beside FILE]")  # fmt: skip
@click.option("--unstable-ok", is_flag=True,
              help="show scores also where the machine was not quiet")  # fmt: skip
@force_option
def report(file: Path, output: Path | None, unstable_ok: bool) -> None:
    """Make a page of a result of `binnet bench run`: scores, machine, limits, workloads, pictures.

    Everything is in the one file; opening it asks nothing of any network.
    """
    from binnet.benchmarks._files import load_result

    output = check_output(output or file.with_suffix(".html"), (".html", ".htm"))
    with clear_errors():
        result = load_result(file)
        from binnet.plotting.benchmark_report import save_report

        save_report(result, output, unstable_ok=unstable_ok)
    click.echo(f"written: {output}")

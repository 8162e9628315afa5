"""Networks as graph files of other tools: what `binnet export` does for NIR and ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from binnet.cli._networks import Source

# The forms of each format, the default one first.
FORMS = {"nir": ("threshold", "lif", "unrolled"), "onnx": ("loop", "unrolled")}


def graph_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of graphs."""
    command = click.option(
        "--dtype", type=click.Choice(["native", "float32"]), default="native", show_default=True,
        help="of the numbers in a graph: the network's, or float32 that holds the same integers",
    )(command)  # fmt: skip
    every = dict.fromkeys(form for forms in FORMS.values() for form in forms)
    return click.option(
        "--form", type=click.Choice(list(every)),
        help="of a graph; nir: threshold, lif or unrolled; onnx: loop or unrolled  [default: the "
        "first]",
    )(command)  # fmt: skip


def check_graph(format: str, form: str | None, dtype: str) -> None:
    """Refuse a form that the format does not have, and what is of graphs where none is written."""
    if format not in FORMS:
        given = [f"--form {form}"] * (form is not None) + [f"--dtype {dtype}"] * (dtype != "native")
        if given:
            raise ValueError(
                f"{' and '.join(given)} is of a graph; choose --format nir or onnx, or leave it out"
            )
    elif form is not None and form not in FORMS[format]:
        raise ValueError(
            f"--form {form} is none of the format {format}; choose {' or '.join(FORMS[format])}"
        )


def write_graph(
    format: str, output: Path, source: Source, form: str | None, dtype: str, sweeps: int
) -> str:
    """Write a graph; return what to say of it."""
    form = form or FORMS[format][0]
    options: dict[str, Any] = {"form": form, "dtype": dtype, "sweeps": sweeps}
    if format == "nir":
        from binnet.hardware.nir_export import write_nir

        write_nir(output, source.network, **options)
        return f"NIR graph: {output}"
    from binnet.hardware.onnx_export import write_onnx

    provenance: dict[str, Any] = {}
    if (run := source.training) is not None:
        seed = run.configuration.training.seed
        provenance = {"seed": seed, "epoch": run.epoch, "data_fingerprint": run.fingerprint}
    write_onnx(output, source.network, provenance=provenance, **options)
    return f"ONNX graph: {output}"

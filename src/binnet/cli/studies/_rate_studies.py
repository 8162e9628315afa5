"""The studies of rate networks: where each one's plan, tables and figures are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class RateStudy(NamedTuple):
    """One of the studies; its functions are loaded when it is run.

    Attributes
    ----------
    about : str
        What it is, for the help.
    module, plotting : str
        Modules of the study, which has `summarise`, and of its figures, which has `list_figures`.
    plan : str
        Name of the function of `module` that returns the grids: ``plan(quick=..., seeds=...)``.
    folder : str
        Where results go by default.
    """

    about: str
    module: str
    plotting: str
    plan: str
    folder: str

    def find(self, name: str) -> Any:
        """Return a function of the study, or of its figures."""
        where = self.plotting if name == "list_figures" else self.module
        return getattr(importlib.import_module(where), name)


def _study(name: str, about: str) -> RateStudy:
    return RateStudy(
        about,
        f"binnet.studies.rate_{name}",
        f"binnet.plotting.rate_{name}",
        f"plan_{name}",
        f"rnn-study-{name}",
    )


#: A new study is one line here and its two modules.
STUDIES = {
    "gains": RateStudy(
        "initial gain x rule x learning rate, on all tasks",
        "binnet.studies.rate",
        "binnet.plotting.rate_study",
        "plan_study",
        "rnn-study",
    ),
    "rules": _study("rules", "learning curves of every rule on Romo"),
    "flossing": _study("flossing", "gradient flossing of k exponents before and in e-prop"),
    "tasks": _study("tasks", "settings in which e-prop learns 2AF and DMS worse from small gains"),
    "alignment": _study("alignment", "every rule's gradient against the exact one"),
    "regimes": _study("regimes", "rich and lazy learning, over gain and structure of W_h"),
}


def find_default_folder(name: str, out: Path | None) -> Path:
    """Return the folder of a study."""
    return Path(STUDIES[name].folder) if out is None else out


def tabulate(table: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a table: a number with its spread is one column."""
    if not table:
        return ["nothing is measured yet"]
    if {"learning_rate", "final_loss", "lowest_loss", "exponent_after"} <= table[0].keys():
        return _tabulate_training(table)
    names = [name for name in table[0] if f"{name}_std" in table[0] or not name.endswith("_std")]
    rows = [names, *([_write_cell(row, name) for name in names] for row in table)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(names))]
    return ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def _write_cell(row: Mapping[str, Any], name: str) -> str:
    value, spread = row[name], row.get(f"{name}_std")
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if spread is None else f"{text} ± {spread:.2g}"


def _tabulate_training(table: list[dict[str, Any]]) -> list[str]:
    condition = list(table[0])[: list(table[0]).index("learning_rate")]
    shown = {name: name.removeprefix("floss_") for name in condition}
    widths = {
        name: max(10, 2 + max(len(text), *(len(str(row[name])) for row in table)))
        for name, text in shown.items()
    }
    head = "".join(f"{text:>{widths[name]}}" for name, text in shown.items())
    lines = [f"{head}    rate runs      final loss         lowest loss    max LE before    after"]
    for row in table:
        cells = "".join(f"{row[name]:>{widths[name]}}" for name in condition)
        losses = "  ".join(
            f"{row[key]:8.5f} ± {row[f'{key}_std']:7.5f}" for key in ("final_loss", "lowest_loss")
        )
        exponents = "  ".join(
            f"{row[key]:6.3f} ± {row[f'{key}_std']:5.3f}"
            for key in ("exponent_before", "exponent_after")
        )
        lines.append(f"{cells} {row['learning_rate']:7g} {row['runs']:4d} {losses} {exponents}")
    return lines

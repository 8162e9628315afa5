"""`binnet bench`: measure this machine by binnet's own work, and compare machines."""

from __future__ import annotations

import click

from binnet.cli._lazy import LazyGroup

_COMMANDS = {
    "compare": "compare:compare",
    "export": "export:export",
    "list": "list:list_workloads",
    "peers": "peers:peers",
    "report": "report:report",
    "run": "run:run",
}


class _RunByDefault(LazyGroup):
    """A group that takes options without a command for those of `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front that is meant."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_RunByDefault,
    where=lambda: {name: f"{__name__}.{place}" for name, place in _COMMANDS.items()},
)
def bench() -> None:
    """Benchmark this machine with binnet's own work, whose answers are checked.

    binnet bench --quick is binnet bench run --quick.
    """

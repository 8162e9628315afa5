"""Everything that defines a run, as one frozen object: resolved, written down and read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from binnet._deprecation import renamed_parameter
from binnet._validation import check_choice
from binnet.learning.arithmetic import Arithmetic
from binnet.learning.parameters import TrainingParameters
from binnet.learning.plasticity import BLOCKS, PerceptronPlasticity
from binnet.learning.rules import RULES, Perceptron, PlasticityRule, ThirdFactor
from binnet.networks.modules import NetworkParameters
from binnet.schedules import FeedbackSchedule


@dataclass(frozen=True)
class Configuration:
    """Network, schedule, plasticity, rule, training and arithmetic of one run.

    Parameters
    ----------
    network : NetworkParameters
        Sizes and strengths.
    schedule : FeedbackSchedule
        The readout feedback in a training relaxation.
    plasticity : PerceptronPlasticity
        Rates, margins and decays, which all learning rules share.
    training : TrainingParameters
        Epochs, batches, update order, dtype and seed.
    arithmetic : Arithmetic
        Floating point, or integers and their plasticity.
    rule : PlasticityRule
        The learning rule, with parameters of its own: `Perceptron` (the source's, the default),
        `ThirdFactor`, or another of `binnet.learning.RULES`.

    Examples
    --------
    >>> preset("source").replace(n_hidden=100, epochs=2).training.epochs
    2
    """

    network: NetworkParameters = field(default_factory=NetworkParameters)
    schedule: FeedbackSchedule = field(default_factory=FeedbackSchedule)
    plasticity: PerceptronPlasticity = field(default_factory=PerceptronPlasticity)
    training: TrainingParameters = field(default_factory=TrainingParameters)
    arithmetic: Arithmetic = field(default_factory=Arithmetic)
    rule: PlasticityRule = field(default_factory=Perceptron)

    def __post_init__(self) -> None:
        self.rule.check(self)
        self._refuse_integers()
        for block, loss in zip(BLOCKS, self.plasticity.losses(self.network), strict=True):
            if loss >= 1.0:
                raise ValueError(
                    f"rate_{block} with its prefactor (see rate_scaling) times decay_{block} "
                    f"must be < 1, the fraction that a batch takes from the weights, got {loss:g}; "
                    "lower one of them"
                )

    def _refuse_integers(self) -> None:
        """Refuse what learns in floating point only."""
        if not self.arithmetic.bits:
            return
        for name, value, why, other in (
            (
                "readout_targets",
                self.plasticity.readout_targets == "balanced" and "balanced",
                "as an event moves a weight by 2**-k levels, with one k for all classes",
                "equal",
            ),
            (
                "feedback_weights",
                self.network.feedback_weights == "tied" and "tied",
                "as W_back and W_out have their own number formats",
                "shared",
            ),
            (
                "storage",
                self.network.storage == "sparse" and "sparse",
                "as integers are stored densely",
                "auto",
            ),
            (
                "input_density",
                self.network.has_sparse_inputs and self.network.input_density,
                "as integers are stored densely",
                1.0,
            ),
        ):
            if value:
                raise ValueError(
                    f"{name} = {value!r} needs floating point, {why}; got arithmetic = "
                    f"{self.arithmetic.arithmetic!r}: set it to 'float', or {name} to {other!r}"
                )

    @renamed_parameter("dynamics", "update_order")
    @renamed_parameter("synapse_bits", "latent_bits")
    def replace(self, **changes: Any) -> Configuration:
        """Return a copy with some parameters changed, wherever they live.

        Parameters
        ----------
        **changes
            Parameters of any of the six parts, by name; `rule` is a rule, or the name of one.

        Returns
        -------
        Configuration
            The changed copy.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or a value is out of its range.
        """
        parts: dict[str, Any] = {"rule": self._choose_rule(changes)}
        for part in dataclasses.fields(self):
            current = parts.get(part.name, getattr(self, part.name))
            names = {f.name for f in dataclasses.fields(current)}
            own = {name: changes.pop(name) for name in names & changes.keys()}
            parts[part.name] = dataclasses.replace(current, **own)
        if changes:
            self._refuse(next(iter(changes)), parts["rule"])
        return Configuration(**parts)

    def _choose_rule(self, changes: dict[str, Any]) -> PlasticityRule:
        """Take the choice of a rule out of `changes`; return the rule, its parameters as yet."""
        chosen = changes.pop("rule", self.rule)
        if isinstance(chosen, str):
            chosen = self.rule if chosen == self.rule.name else make_rule(chosen)
        if not isinstance(chosen, PlasticityRule):
            raise TypeError(f"rule must be a PlasticityRule or the name of one, got {chosen!r}")
        if "third_factor" not in changes:
            return chosen
        if changes["third_factor"] == "none":  # the spelling of configurations before rules
            del changes["third_factor"]
            return Perceptron() if isinstance(chosen, ThirdFactor) else chosen
        return chosen if isinstance(chosen, ThirdFactor) else ThirdFactor()

    def _refuse(self, name: str, rule: PlasticityRule) -> NoReturn:
        owners = [
            other
            for other, kind in RULES.items()
            if name in {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
        ]
        if owners:
            raise TypeError(
                f'{name} is a parameter of the rule "{owners[0]}", but the rule is "{rule.name}"; '
                f'set rule = "{owners[0]}", too'
            )
        known = {key for values in self.to_dict().values() for key in values} - {"name"}
        raise TypeError(
            f"unknown parameter {name!r}; known are {', '.join(sorted(known | {'rule'}))}"
        )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the parameters as nested plain values, one table for each part.

        Returns
        -------
        dict
            One table for each of network, schedule, plasticity, training, arithmetic and rule;
            the last one holds its name, too.
        """
        tables = dataclasses.asdict(self)
        tables["rule"] = {"name": self.rule.name, **tables["rule"]}
        return tables

    @classmethod
    def from_dict(
        cls, tables: Mapping[str, Any], base: Configuration | None = None
    ) -> Configuration:
        """Read what `to_dict` wrote; what is not there comes from `base`.

        Parameters
        ----------
        tables : mapping
            Tables of parameters.
        base : Configuration, optional
            Where missing parameters come from. Default: the source's settings.

        Returns
        -------
        Configuration
            The configuration.

        Raises
        ------
        TypeError, ValueError
            If a table or a parameter is unknown, or a value is out of its range.
        """
        configuration = base or cls()
        parts = {part.name: getattr(configuration, part.name) for part in dataclasses.fields(cls)}
        for name, values in _renew(tables).items():
            if name not in parts:
                raise ValueError(f"unknown table [{name}]; known are {', '.join(parts)}")
            if not isinstance(values, Mapping):
                raise TypeError(f"[{name}] must be a table of parameters, got {values!r}")
            own = dict(values)
            if name == "rule" and "name" in own:
                chosen = own.pop("name")
                if chosen != parts["rule"].name:
                    parts["rule"] = make_rule(chosen)
            known = [f.name for f in dataclasses.fields(parts[name])]
            for key in own:
                if key not in known:
                    raise ValueError(
                        f"unknown parameter {key!r} in [{name}]; known are {', '.join(known)}"
                    )
            parts[name] = dataclasses.replace(parts[name], **own)
        return cls(**parts)


def make_rule(name: Any) -> PlasticityRule:
    """Return a rule with its default parameters.

    Parameters
    ----------
    name : str
        One of `binnet.learning.RULES`.

    Returns
    -------
    PlasticityRule
        The rule.

    Raises
    ------
    ValueError
        If there is no rule of that name.
    """
    check_choice("rule", name, tuple(RULES))
    return RULES[name]()


# Parameters by their old names, of each table.
_RENAMED = {"training": {"dynamics": "update_order"}, "arithmetic": {"synapse_bits": "latent_bits"}}


def _renew(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables in which those of older versions are as they would be written today."""
    renewed = dict(tables)
    third = renewed.pop("third_factor", None)
    if isinstance(third, Mapping):
        if third.get("third_factor", "none") == "none":
            renewed.setdefault("rule", {"name": Perceptron.name})
        else:
            renewed["rule"] = {"name": ThirdFactor.name, **third}
    elif third is not None:
        renewed["third_factor"] = third  # no table: refused as such
    for table, names in _RENAMED.items():
        values = renewed.get(table)
        if isinstance(values, Mapping):
            renewed[table] = {names.get(name, name): value for name, value in values.items()}
    return renewed

"""The options of `binnet train` that set a parameter of the configuration, in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from binnet.cli._block_options import BLOCK_OPTIONS
from binnet.cli._numbers import PerModule
from binnet.cli._preset_values import find_values
from binnet.cli._update_order import UpdateOrderChoice, renamed_option
from binnet.learning import (
    ARITHMETICS,
    DTYPES,
    EXCITATION_EXCLUDED,
    GENERATORS,
    RATE_SCALINGS,
    RATE_SCHEDULES,
    READOUT_TARGETS,
    ROUNDINGS,
    RULES,
    THIRD_FACTORS,
    preset,
)
from binnet.networks import FEEDBACK_WEIGHTS, STORAGES
from binnet.networks.inputs import INPUT_FORMATS
from binnet.schedules import ANNEALINGS
from binnet.update_orders import describe_orders


class Parameter(NamedTuple):
    """One parameter of the configuration, as an option; symbols as in docs/model/README.md."""

    option: str
    name: str
    type: Any
    meaning: str
    valid: str
    old: str = ""  # its option, before it was renamed


PARAMETERS = (
    Parameter(
        "--hidden",
        "n_hidden",
        PerModule(int),
        "H, number of hidden neurons (of each module)",
        ">= 1",
    ),
    Parameter(
        "--modules",
        "n_modules",
        int,
        "L, number of modules; options marked , take one number for all or one for each, as 5,0,0",
        ">= 1",
    ),
    Parameter("--epochs", "epochs", int, "passes over the training samples", ">= 1"),
    Parameter(
        "--patience",
        "patience",
        int,
        "epochs after which the run ends, if its validation accuracy has not risen in them; the "
        "network of the best epoch is kept and used; 0: the run goes on to its last epoch",
        ">= 0",
    ),
    Parameter("--batch-size", "batch_size", int, "B, samples per update", ">= 1"),
    Parameter(
        "--self-coupling",
        "self_coupling",
        PerModule(float),
        "J_D, coupling of a neuron to itself",
        ">= 0",
    ),
    Parameter(
        "--excitation",
        "excitation",
        PerModule(float),
        "lambda, fixed coupling from the neuron of the same index in each neighbouring module",
        ">= 0",
    ),
    Parameter(
        "--density", "density", PerModule(float), "fraction of the couplings that exist", "0 to 1"
    ),
    Parameter(
        "--input-density", "input_density", PerModule(float), "that of input weights", "> 0, <= 1"
    ),
    Parameter("--storage", "storage", click.Choice(STORAGES), "of the couplings", ""),
    Parameter(
        "--symmetry",
        "symmetry",
        float,
        "eta, correlation of the initial J_ij and J_ji inside modules; 1: symmetric",
        "-1 to 1",
    ),
    Parameter(
        "--neighbours",
        "neighbour_strength",
        PerModule(float),
        "strength of dense learned couplings from the neighbouring modules; 0: none",
        ">= 0",
    ),
    Parameter(
        "--input",
        "input_strength",
        PerModule(float),
        "lambda_in, std of the input field; 0: no input",
        ">= 0",
    ),
    Parameter(
        "--biases",
        "bias_strength",
        PerModule(float),
        "std of the initial biases, learned like input weights; 0: there are none",
        ">= 0",
    ),
    Parameter(
        "--readout",
        "readout_strength",
        PerModule(float),
        "strength of the readout's weights from a module; 0: it is not read",
        ">= 0",
    ),
    Parameter(
        "--feedback",
        "feedback_strength",
        PerModule(float),
        "lambda_back, strength of the readout feedback; 0: none",
        ">= 0",
    ),
    Parameter(
        "--feedback-weights",
        "feedback_weights",
        click.Choice(FEEDBACK_WEIGHTS),
        "whether W_back and W_out are drawn independently; alike in every module; both from one "
        "draw; or W_back stays tied to W_out as it learns",
        "",
    ),
    Parameter(
        "--annealing",
        "annealing",
        click.Choice(ANNEALINGS),
        "how a(t), the importance of the feedback, goes to 0 in the FREE sweeps; none: it stays 1",
        "",
    ),
    Parameter(
        "--update-order",
        "update_order",
        UpdateOrderChoice("driven"),
        f"in a sweep: {describe_orders('driven')}",
        "",
        "--dynamics",
    ),
    Parameter("--update-probability", "update_probability", float, "p of random-subset", "0 to 1"),
    Parameter(
        "--input-noise",
        "input_noise",
        float,
        "probability that a spin of an input is flipped when it is presented in training",
        "0 to 0.5",
    ),
    Parameter(
        "--curriculum-start",
        "curriculum_start",
        float,
        "fraction of the epochs after which an epoch leaves out some samples; 1: none does",
        "0 to 1",
    ),
    Parameter(
        "--curriculum-wrong",
        "curriculum_wrong",
        float,
        "p, with which it keeps a sample that is predicted wrongly; others with 1 - p",
        "0 to 1",
    ),
    Parameter("--margin", "margin", float, "kappa, stability asked of hidden neurons", ""),
    Parameter(
        "--margin-excludes-excitation",
        "margin_excludes_excitation",
        click.Choice(EXCITATION_EXCLUDED),
        "which excitation does not count towards the margin: lambda of the module before, or once "
        "in every module, as in the source's code",
        "",
    ),
    Parameter("--readout-margin", "readout_margin", float, "kappa_out, of the readout", ""),
    Parameter("--rate-couplings", "rate_couplings", float, "eta_J; 0: J stays as drawn", ">= 0"),
    Parameter("--rate-input", "rate_input", float, "eta_in; 0: W_in stays as drawn", ">= 0"),
    Parameter("--rate-readout", "rate_readout", float, "eta_out; 0: W_out stays", ">= 0"),
    Parameter("--decay-couplings", "decay_couplings", float, "wd_J, weight decay", "0 to 1"),
    Parameter("--decay-input", "decay_input", float, "wd_in, weight decay", "0 to 1"),
    Parameter("--decay-readout", "decay_readout", float, "wd_out, weight decay", "0 to 1"),
    Parameter(
        "--rate-schedule",
        "rate_schedule",
        click.Choice(RATE_SCHEDULES),
        "whether the rates stay or fall linearly to 0 over the run",
        "",
    ),
    Parameter(
        "--rate-scaling",
        "rate_scaling",
        click.Choice(RATE_SCALINGS),
        "whether an event moves a coupling (as in the source) or a field by as much at every H; "
        "the same at H = 400",
        "",
    ),
    Parameter(
        "--averaging",
        "averaging",
        float,
        "gamma of the mean that each synapse keeps of itself, a value of time m counting as "
        "m ** gamma; the network is that of the means; 0: of the weights as they end",
        ">= 0",
    ),
    Parameter(
        "--readout-targets",
        "readout_targets",
        click.Choice(READOUT_TARGETS),
        "whether the readout learns from spins of size 1, or of C/4 for the right class and "
        "sqrt(C)/4 for the others, as in the source's code",
        "",
    ),
    Parameter(
        "--rule",
        "rule",
        click.Choice(tuple(RULES)),
        "learning rule: perceptron is the source's; the options of a rule need it to be chosen",
        "",
    ),
    Parameter(
        "--third-factor",
        "third_factor",
        click.Choice(("none", *THIRD_FACTORS)),
        "rule third-factor: whether the feedback weights, which tell hidden neurons the sign of "
        "the readout's error, are learned or fixed; none: the rule perceptron",
        "",
    ),
    Parameter(
        "--error-threshold",
        "error_threshold",
        float,
        "error of a hidden neuron, below which it does not learn, with a third factor",
        ">= 0",
    ),
    Parameter(
        "--error-temperature",
        "error_temperature",
        float,
        "of the softmax that the error of the readout is taken of, with a third factor",
        "> 0",
    ),
    Parameter(
        "--rate-feedback", "rate_feedback", float, "of W_back, third factor 'learned'", ">= 0"
    ),
    Parameter(
        "--sharpness",
        "sharpness",
        float,
        "beta, how sharp the margin is, with the rule 'soft'",
        "> 0",
    ),
    Parameter(
        "--dtype", "dtype", click.Choice(DTYPES), "floating-point numbers of the kernels", ""
    ),
    Parameter(
        "--arithmetic",
        "arithmetic",
        click.Choice(ARITHMETICS),
        "floating point, or weights, fields and updates in integers of so many bits a weight",
        "",
    ),
    Parameter(
        "--rounding",
        "rounding",
        click.Choice(ROUNDINGS),
        "in integers, of a change below one level: at random for each weight, or for each unstable "
        "neuron and sample; or to the nearest level",
        "",
    ),
    Parameter(
        "--generator",
        "generator",
        click.Choice(GENERATORS),
        "in integers, random numbers from a counter or from a 16-bit shift register per neuron",
        "",
    ),
    Parameter(
        "--latent-bits",
        "latent_bits",
        int,
        "in integers, bits of the latent weights that learn, of which fields see the highest; 0: "
        "there are none, the weights themselves learn",
        "0, 2, 4, 8 or 16",
        "--synapse-bits",
    ),
    Parameter(
        "--input-bits",
        "input_bits",
        int,
        "in integers, bits of an input: 1 takes spins, more round graded inputs to integers",
        "1 to 8",
    ),
    Parameter(
        "--input-format",
        "input_format",
        click.Choice(INPUT_FORMATS),
        "in integers, what inputs of more bits are: pixels in [0, 1], or features of mean 0 and "
        "variance 1",
        "",
    ),
    Parameter(
        "--seed",
        "seed",
        int,
        "of weights, order of samples and update order; the same seed repeats a run bit by bit",
        ">= 0",
    ),
)
SCHEDULE = ("warmup", "feedback", "free")


def add_options(
    command: Callable[..., Any],
    parameters: Sequence[Parameter],
    describe: Callable[[Parameter], str],
) -> Callable[..., Any]:
    """Add an option for each parameter, with its range and default as `describe` gives them."""
    for parameter in reversed(parameters):
        attributes = {
            "type": parameter.type, "help": f"{parameter.meaning}  [{describe(parameter)}]"
        }  # fmt: skip
        option, name = parameter.option, parameter.name
        if parameter.old:
            command = renamed_option(parameter.old, option, name, **attributes)(command)
        else:
            command = click.option(option, name, **attributes)(command)
    return command


#: Options by the parameters of the library that messages name.
OPTION_NAMES = {p.name: p.option for p in PARAMETERS} | {
    name: option for option, name, *_ in BLOCK_OPTIONS
}


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each parameter, and one for the three lengths of the schedule."""
    command = add_options(command, PARAMETERS, lambda p: _describe(p.valid, p.name))
    for option, name, n_numbers, metavar, meaning in reversed(BLOCK_OPTIONS):
        command = click.option(
            option, name, type=int, nargs=n_numbers, metavar=metavar, help=meaning
        )(command)
    default, source = (
        " ".join(str(getattr(configuration.schedule, name)) for name in SCHEDULE)
        for configuration in (preset("default"), preset("source"))
    )
    return click.option(
        "--schedule",
        type=int,
        nargs=3,
        metavar="WARMUP T FREE",
        help="sweeps of a training relaxation: WARMUP without feedback, up to T with it, then FREE "
        f"more  [0 <= WARMUP <= T, 0 <= FREE; default {default}; source {source}]",
    )(command)


def _describe(valid: str, name: str) -> str:
    """Return range and defaults of a parameter."""
    default, source = (find_values(kind)[name] for kind in ("default", "source"))
    values = f"default {default}" + ("" if default == source else f"; source {source}")
    return f"{valid}; {values}" if valid else values

"""What Gardner's theory says of a network's readout and hidden rows, in units of P / H."""

from __future__ import annotations

from binnet.learning import Configuration


def bound_capacity(configuration: Configuration) -> dict[str, float]:
    """Return loads P / H up to which rows hold random states, for a network of equal modules.

    They bound networks whose hidden states do not depend on the labels. States that are learned
    may be above them (docs/model/theory.md, section 8.1).

    Parameters
    ----------
    configuration : Configuration
        Of the network.

    Returns
    -------
    dict of str to float
        "sign": the readout has the right sign of every field; "argmax": its largest field is the
        right one; "argmax_95": so it is for 95 % of the patterns, an upper bound; "hidden": every
        hidden row holds its own states, those of the module with the fewest inputs, without help
        by the self-coupling.

    Examples
    --------
    >>> from binnet.studies.associations import configure_depth
    >>> bounds = bound_capacity(configure_depth(1, "first", n_hidden=100))
    >>> {name: round(load, 2) for name, load in bounds.items()}
    {'sign': 2.0, 'argmax': 4.52, 'argmax_95': 5.84, 'hidden': 3.98}
    """
    from binnet import theory  # SciPy: the command's help does without

    p = configuration.network
    n = p.n_neurons / p.n_modules
    row, read = theory.capacity(0.0).load, p.n_read / n
    inputs = []
    for module in range(p.n_modules):
        inside = p.each("density")[module] * (n - 1)
        neighbours = (module > 0) + (module < p.n_modules - 1)
        beside = n * neighbours * (p.each("neighbour_strength")[module] > 0)
        density = p.each("input_density")[module] * (p.each("input_strength")[module] > 0)
        inputs.append(inside + beside + density * p.n_inputs)
    return {
        "sign": float(row) * read,
        "argmax": theory.argmax_capacity(p.n_outputs).load * read,
        "argmax_95": theory.argmax_capacity(p.n_outputs, 0.05).load * read,
        "hidden": float(row) * min(inputs) / n,
    }

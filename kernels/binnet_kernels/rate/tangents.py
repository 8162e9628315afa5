"""Tangent vectors along a trajectory of a rate network: forwards, kept orthonormal, and back.

k tangent vectors are the columns of a matrix Q (N, K), whose rows are padded to K = a multiple of
PADDING with zeros. A step of the trajectory takes them to ``D Q = Q' R`` with the Jacobian
``D = a I + (1 - a) W_h diag(slopes)`` (docs/model/rate.md, eq. (4.1)): Q' is orthonormal, and R
upper triangular with a positive diagonal. All is float64, whatever the network's precision is.

Where D is singular to working precision, columns of D Q depend on those before them. Such a column
has the diagonal 0 in R, takes no part in making the others orthonormal, and is drawn anew.
"""

from __future__ import annotations

import math

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.tiles import make_row_sum

#: Tangent vectors, and neurons of square matrices, are padded to a multiple of this.
PADDING = 8
_ROWS = 4  # of a result that are summed at once: what fits 16 registers
_EPSILON = 2.0**-52
_sum_tile = make_row_sum(_ROWS, PADDING)
_sum_row = make_row_sum(1, PADDING)


@kernel
def _multiply(out, keep, weights, rows, source, source_rows, n_terms):
    """Set ``out = keep out + sum_k weights[rows[k]] source[source_rows[k]]^T``, a matrix."""
    n, width = out.shape
    n_full = n - n % _ROWS
    for column in range(0, width, PADDING):
        for i in range(0, n_full, _ROWS):
            _sum_tile(out, i, column, keep, source, source_rows, weights, rows, i, n_terms)
        for i in range(n_full, n):
            _sum_row(out, i, column, keep, source, source_rows, weights, rows, i, n_terms)


@kernel
def _apply_jacobian(before, after, recurrent_t, slope, leak, scaled, active, counting):
    """Set ``after = D before``; they may be one array. Silent neurons are left out."""
    n, width = before.shape
    n_active = 0
    for j in range(n):
        if slope[j] != 0:
            factor = (1.0 - leak) * slope[j]
            for c in range(width):
                scaled[n_active, c] = factor * before[j, c]
            active[n_active] = j
            n_active += 1
    for j in range(n):
        for c in range(width):
            after[j, c] = before[j, c]
    _multiply(after, leak, recurrent_t, active, scaled, counting, n_active)


@kernel
def _measure_rounding(recurrent_t, squares, slope, leak):
    """Return N eps times the Frobenius norm of D: what is below it is rounding."""
    n, gain, total = len(slope), 1.0 - leak, 0.0
    for j in range(n):
        s = gain * slope[j]
        total += s * s * squares[j] + leak * (2.0 * s * recurrent_t[j, j] + leak)
    return n * _EPSILON * math.sqrt(max(total, 0.0))


@kernel
def _project_out(vectors, column, stop, sums):
    """Take the parts along the vectors before `stop` out of a column; `sums` gets what they are."""
    for c in range(stop):
        sums[c] = 0.0
    for i in range(len(column)):
        x = column[i]
        for c in range(stop):
            sums[c] += vectors[i, c] * x
    for c in range(stop):
        part = sums[c]
        for i in range(len(column)):
            column[i] -= part * vectors[i, c]
    total = 0.0
    for i in range(len(column)):
        total += column[i] * column[i]
    return math.sqrt(total)


@kernel
def _draw_missing(vectors, factor, k, spare, column, sums):
    """Fill the columns whose diagonal is 0: with those of `spare`, orthonormal to all others."""
    n = len(vectors)
    for j in range(k):
        if factor[j, j] != 0:
            continue
        for attempt in range(n + 1):
            for i in range(n):
                column[i] = spare[i, j] if attempt == 0 else 0.0
            if attempt > 0:  # a unit vector, should that of `spare` depend on the others
                column[attempt - 1] = 1.0
            norm = _project_out(vectors, column, k, sums)
            if norm * norm * 4 * n >= 1:  # so has one of the unit vectors, as k <= N
                break
        for i in range(n):
            column[i] /= norm
        norm = _project_out(vectors, column, k, sums)
        for i in range(n):
            vectors[i, j] = column[i] / norm


@kernel
def _reduce_panel(vectors, turned, first, stop, tolerance, step, counting):
    """Make columns first..stop-1 orthonormal, once: against those before them, and in themselves.

    With V = Q S, where Q has all columns before `stop`: ``step[:, first:]`` gets S, and ``turned``
    the rows -Q^T. A column that is not longer than the tolerance becomes 0.
    """
    n, parts = len(vectors), step[len(step) - 1]  # the last row is scratch
    for c in range(0, first, _ROWS):
        _sum_tile(step, c, first, 0.0, vectors, counting, vectors, counting, c, n)
    n_full = n - n % _ROWS if first > 0 else 0
    for i in range(0, n_full, _ROWS):
        _sum_tile(vectors, i, first, 1.0, step, counting, turned, counting, i, first)
    for i in range(n_full, n):
        _sum_row(vectors, i, first, 1.0, step, counting, turned, counting, i, first)
    for j in range(first, stop):
        _sum_row(step, j, first, 0.0, vectors, counting, vectors, counting, j, n)
        norm = math.sqrt(step[j, j])
        if norm <= tolerance:
            norm, scale = 0.0, 0.0
        else:
            scale = 1.0 / norm
        for c in range(PADDING):
            part = scale * step[j, first + c] if first + c > j else 0.0
            step[j, first + c] = part
            parts[c] = part
        step[j, j] = norm
        for i in range(n):
            entries = vectors[i, first : first + PADDING]
            x = scale * vectors[i, j]
            for c in range(PADDING):
                entries[c] -= x * parts[c]
            vectors[i, j] = x
            turned[j, i] = -x


@kernel
def orthonormalise(vectors, factor, k, tolerance, spare, turned, steps, column, counting):
    """Replace V by Q and write R, V = Q R: Gram-Schmidt by panels, twice where digits are lost.

    Parameters
    ----------
    vectors : array (N, K)
        V, overwritten with Q.
    factor : array (K, K)
        R, written.
    k : int
        Columns that count; the others are 0.
    tolerance : float
        A column whose rest, after those before it are taken out, is not longer depends on them.
    spare : array (N, K)
        What stands in for such columns.
    turned : array (K, N)
        Scratch.
    steps : array (2, K + 1, K)
        Scratch.
    column : array (max(N, K),)
        Scratch.
    counting : int array (> max(N, K),)
        0, 1, ...
    """
    n, width = vectors.shape
    lengths, once, again = column, steps[0], steps[1]
    factor[:] = 0.0
    n_missing = 0
    for first in range(0, k, PADDING):
        stop = min(first + PADDING, k)
        lengths[first:stop] = 0.0
        for i in range(n):
            for c in range(first, stop):
                lengths[c] += vectors[i, c] * vectors[i, c]
        _reduce_panel(vectors, turned, first, stop, tolerance, once, counting)
        digits_are_lost = False
        for c in range(first, stop):
            n_missing += once[c, c] == 0
            digits_are_lost |= once[c, c] * once[c, c] < 0.25 * lengths[c]
        for c in range(stop):
            for d in range(max(c, first), stop):
                factor[c, d] = once[c, d]
        if digits_are_lost:
            _reduce_panel(vectors, turned, first, stop, 0.0, again, counting)
            # V = [Q Q'] [C; S] and Q' = Q C' + Q'' S', so that R is [C + C' S; S' S].
            for c in range(stop):
                for d in range(max(c, first), stop):
                    total = once[c, d] if c < first else 0.0
                    for m in range(max(c, first), d + 1):
                        total += again[c, m] * once[m, d]
                    factor[c, d] = total
    if n_missing > 0:
        _draw_missing(vectors, factor, k, spare, column[:n], once[width])


@kernel
def follow_tangents(
    recurrent_t, slopes, leak, spare, bases, factors, diagonals, squares, scaled, turned, steps,
    column, active, counting,
):  # fmt: skip
    """Follow tangent vectors along the trajectory of each trial.

    Parameters
    ----------
    recurrent_t : array (N, >= N)
        ``recurrent_t[j, i]`` = W_h[i, j].
    slopes : array (B, T, N)
        f'(h_t).
    leak : float
    spare : array (N, K)
        Orthonormal; stands in for columns that are lost.
    bases : array (B, T + 1, N, K)
        Q_t; Q_0 is read, the others are written. With a second axis of 1 only the last is kept.
    factors : array (B, T, K, K)
        R_t, written; with a second axis of 1 only the last is kept.
    diagonals : array (B, T, k)
        Written: R_t,ii, 0 for a column that depends on those before it.
    squares : array (N,)
        sum_i W_h[i, j]² of each j.
    scaled : array (N, K)
        Scratch.
    turned : array (K, N)
        Scratch.
    steps : array (2, K + 1, K)
        Scratch.
    column : array (max(N, K),)
        Scratch.
    active : int array (N,)
        Scratch.
    counting : int array (> max(N, K),)
        0, 1, ...
    """
    n_trials, n_steps, k = diagonals.shape
    n_bases, n_factors = bases.shape[1], factors.shape[1]
    for b in range(n_trials):
        for t in range(n_steps):
            basis, factor, slope = (
                bases[b, (t + 1) % n_bases],
                factors[b, t % n_factors],
                slopes[b, t],
            )
            _apply_jacobian(
                bases[b, t % n_bases], basis, recurrent_t, slope, leak, scaled, active, counting
            )
            tolerance = _measure_rounding(recurrent_t, squares, slope, leak)
            orthonormalise(basis, factor, k, tolerance, spare, turned, steps, column, counting)
            for c in range(k):
                diagonals[b, t, c] = factor[c, c]


@kernel
def _turn(matrix, scale, out, k):
    """Write the transpose of the first k columns, with column i times scale[i]."""
    for i in range(len(matrix)):
        for c in range(k):
            out[c, i] = scale[i] * matrix[i, c]


@kernel
def _invert_factor(factor, k, inverse, counting):
    """Write R^{-T}, row by row; zeros beyond k."""
    inverse[:] = 0.0
    for c in range(k):
        for column in range(0, c, PADDING):
            _sum_row(inverse, c, column, 0.0, inverse, counting, factor, counting, c, c)
        scale = 1.0 / factor[c, c]
        for d in range(c):
            inverse[c, d] *= -scale
        inverse[c, c] = scale


@kernel
def _write_symmetric(q_bar, q, pull, s, counting):
    """Write S = diag(pull) - copyltu(Q_bar^T Q)."""
    k = len(pull)
    _multiply(s, 0.0, q_bar, counting, q, counting, len(q))
    for c in range(k):
        for d in range(c + 1):
            s[c, d] = -s[c, d]
            s[d, c] = s[c, d]
        s[c, c] += pull[c]


@kernel
def _pull_back_factor(
    q, q_bar, factor, pull, is_full, inner, m_turned, q_turned, scale, counting
):  # fmt: skip
    """Write the transpose of M_bar = Q_bar R^{-T} + Q (S R^{-T}), for M = Q R."""
    k, inverse, s, product = len(pull), inner[0], inner[1], inner[2]
    _invert_factor(factor, k, inverse, counting)
    scale[:] = 1.0
    _turn(q, scale, q_turned, k)
    if is_full:
        _write_symmetric(q_bar, q, pull, s, counting)
        _multiply(product, 0.0, s, counting, inverse, counting, k)
    else:
        for c in range(k):
            for d in range(k):
                product[c, d] = pull[c] * inverse[c, d]
    _multiply(m_turned, 0.0, product, counting, q_turned, counting, k)
    if is_full:
        _turn(q_bar, scale, q_turned, k)
        _multiply(m_turned, 1.0, inverse, counting, q_turned, counting, k)


@kernel
def pull_back_tangents(
    recurrent, slopes, leak, bases, factors, pulls, is_full, recurrent_bar, slopes_bar, panels,
    inner, turned, counting,
):  # fmt: skip
    """Carry the gradient of a function of the exponents back through the tangent vectors.

    Products are taken with the transposed matrices, whose rows are long.

    Parameters
    ----------
    recurrent : array (N, N)
        ``recurrent[i, j]`` = W_h[i, j].
    slopes : array (B, T, N)
    leak : float
    bases, factors : arrays (B, T + 1, N, K), (B, T, K, K)
        Of `follow_tangents`.
    pulls : array (T, k)
        Derivative of the loss with respect to log R_t,ii; rows of 0 in the warm-up.
    is_full : bool
        Whether it goes on to the basis of the step before (eq. (4.4)); then not through steps
        where a column was drawn anew.
    recurrent_bar : array (N, N_padded)
        Added to: derivative with respect to W_h, for given slopes; N_padded is a multiple of
        PADDING.
    slopes_bar : array (B, T, N)
        Written if full: derivative with respect to the slopes.
    panels : array (3, N, K)
        Scratch.
    inner : array (3, K, K)
        Scratch.
    turned : array (3, K, N_padded)
        Scratch; zeros beyond N.
    counting : int array (>= max(N, K),)
        0, 1, ...
    """
    n_trials, n_steps, n = slopes.shape
    k, gain = pulls.shape[1], 1.0 - leak
    q_bar, m_bar, back = panels[0], panels[1], panels[2]
    m_turned, q_turned, scale = turned[0], turned[1], turned[2, 0]
    m_bar[:] = 0.0
    for b in range(n_trials):
        q_bar[:] = 0.0
        for t in range(n_steps - 1, -1, -1):
            pull, factor, before, slope = pulls[t], factors[b, t], bases[b, t], slopes[b, t]
            singular, idle = False, not is_full
            for c in range(k):
                singular |= factor[c, c] == 0
                idle &= pull[c] == 0
            if singular or idle:
                q_bar[:] = 0.0
                if is_full:
                    slopes_bar[b, t] = 0.0
                continue
            _pull_back_factor(
                bases[b, t + 1], q_bar, factor, pull, is_full, inner, m_turned, q_turned, scale,
                counting,
            )  # fmt: skip
            for i in range(n):
                scale[i] = gain * slope[i]
            _turn(before, scale, q_turned, k)
            _multiply(recurrent_bar, 1.0, m_turned, counting, q_turned, counting, k)
            if not is_full:
                continue
            for i in range(n):
                for c in range(k):
                    m_bar[i, c] = m_turned[c, i]
            _multiply(back, 0.0, recurrent, counting, m_bar, counting, n)
            for j in range(n):
                total = 0.0
                for c in range(k):
                    pulled = gain * back[j, c]
                    total += pulled * before[j, c]
                    q_bar[j, c] = leak * m_bar[j, c] + slope[j] * pulled
                slopes_bar[b, t, j] = total

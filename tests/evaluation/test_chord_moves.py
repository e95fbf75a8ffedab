"""The move operator against its dense matrix, built by its formula."""

import itertools

import numpy as np
import pytest
import torch

from partimento.evaluation.chord_moves import MoveOperator, along, blend

SHAPE = (3, 2, 4)


def test_blend_closed_form_and_limits() -> None:
    base = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(blend(np.array([3, 1, 0]), base, 2.0), [4 / 6, 1.5 / 6, 0.5 / 6])
    np.testing.assert_allclose(blend(np.zeros(3), base, 7.0), base)


def test_along_is_einsum() -> None:
    draw = torch.Generator().manual_seed(0)
    tensor = torch.rand((3, 2, 4, 5), generator=draw)
    for axis, names in enumerate(("iabc,ij->jabc", "aibc,ij->ajbc", "abic,ij->abjc")):
        matrix = torch.rand((SHAPE[axis], SHAPE[axis]), generator=draw)
        expected = torch.einsum(names, tensor, matrix)
        torch.testing.assert_close(along(tensor, matrix, axis), expected)


def operator_and_matrix(bits: int, seed: int = 5) -> tuple[MoveOperator, np.ndarray]:
    """Build an operator from random tables, and p(c' | c) by a loop over all pairs."""
    draw = np.random.default_rng(seed)
    chords = list(itertools.product(*map(range, SHAPE)))
    moves = [draw.dirichlet(np.ones(states), size=states) for states in SHAPE]
    ratio = draw.uniform(0.1, 3, size=len(chords))
    free = [axis for axis in range(3) if bits >> axis & 1]
    base = np.zeros((len(chords), len(chords)))
    for (i, left), (j, reached) in itertools.product(enumerate(chords), repeat=2):
        if all(left[axis] == reached[axis] for axis in range(3) if axis not in free):
            base[i, j] = ratio[j] * np.prod([moves[a][left[a], reached[a]] for a in free])
    base /= base.sum(axis=1, keepdims=True)
    counts = draw.integers(5, size=base.shape) * (base > 0) * (draw.random(base.shape) < 0.1)
    left, reached = np.nonzero(counts)
    transitions = np.stack([left, reached, counts[left, reached]])
    matrix = (counts + 4.0 * base) / (counts.sum(axis=1, keepdims=True) + 4.0)
    return MoveOperator(bits, moves, ratio, transitions, 4.0), matrix


@pytest.mark.parametrize("bits", range(1, 8))
def test_operator_is_its_matrix(bits) -> None:
    operator, matrix = operator_and_matrix(bits)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    identity = torch.eye(len(matrix))
    np.testing.assert_allclose(operator.forward(identity).numpy().T, matrix, atol=1e-6)
    np.testing.assert_allclose(operator.backward(identity).numpy(), matrix, atol=1e-6)
    left, reached = np.nonzero(matrix)
    log_prob = operator.log_prob(left, reached)
    np.testing.assert_allclose(log_prob, np.log(matrix[left, reached]), rtol=1e-9)


def test_without_counts_only_the_base_is_left() -> None:
    moves = [np.array([[0.9, 0.1], [0.3, 0.7]])]
    nothing = np.zeros((3, 0), dtype=np.int64)
    operator = MoveOperator(1, moves, np.array([1.0, 2.0]), nothing, 10.0)
    log_prob = operator.log_prob(np.array([0, 1]), np.array([1, 1]))
    np.testing.assert_allclose(np.exp(log_prob), [0.2 / 1.1, 1.4 / 1.7])

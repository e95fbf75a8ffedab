"""Where conditions enter a network: which layers get them, in what form, and with which gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from partimento.errors import Mismatch, UserError
from partimento.networks.conditioning import Conditioner, Entry, RowPyramid, halvings, join

ROWS = [None, None, 2, 4, 8, 16]
SHAPES = {"previous": (16, 5), "chord": (3,)}
ALL, VECTORS, MATRICES = [0, 1, 2, 3, 4, 5], [0, 1], [2, 3, 4, 5]


def batch(shapes: dict[str, tuple[int, ...]] = SHAPES) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.rand(3, *shape, requires_grad=True) for name, shape in shapes.items()}


def entered(found: list[Tensor | None]) -> list[int]:
    return [place for place, tensor in enumerate(found) if tensor is not None]


@pytest.mark.parametrize(
    ("entry", "layers"),
    [
        (Entry("1d", "all"), ALL),
        (Entry("2d", "all"), MATRICES),
        (Entry("1d", "one"), [5]),
        (Entry("2d", "one"), [5]),
        (Entry("1d", "one", 1), [1]),
        (Entry("2d", "one", 3), [3]),
        (Entry("2d", "one", -4), [2]),
        (Entry("1d", "input"), [0]),
    ],
)
@pytest.mark.parametrize("name", SHAPES)
def test_the_layers_that_a_condition_enters(name, entry, layers):
    conditioner = Conditioner({name: SHAPES[name]}, 16, ROWS, {name: entry})
    found = conditioner(batch())
    assert entered(found) == layers == [i for i, w in enumerate(conditioner.widths) if w]
    for place in layers:
        width, rows = conditioner.widths[place], ROWS[place]
        assert found[place].shape == ((3, width) if rows is None else (3, width, rows))


def test_a_vector_as_a_vector_is_itself_in_every_row():
    condition = batch()
    found = Conditioner({"chord": (3,)}, 16, ROWS)(condition)
    for place in VECTORS:
        assert torch.equal(found[place], condition["chord"])
    for place in MATRICES:
        for row in range(ROWS[place]):
            assert torch.equal(found[place][:, :, row], condition["chord"])


def test_a_matrix_as_a_matrix_stays_row_to_row():
    """A row of a layer knows those steps alone that lie in it; of a vector, all rows know the same."""
    conditioner = Conditioner({"previous": (16, 5)}, 16, ROWS, {"previous": Entry("2d")}, "none")
    condition = batch()
    found = conditioner(condition)
    for place in MATRICES:
        rows = ROWS[place]
        for row in range(rows):
            (gradient,) = torch.autograd.grad(
                found[place][:, :, row].sum(), condition["previous"], retain_graph=True
            )
            steps = gradient.abs().sum(dim=(0, 2)).nonzero().flatten().tolist()
            each = 16 // rows
            assert set(steps) <= set(range(row * each, (row + 1) * each))
            assert steps
    painted = Conditioner({"chord": (3,)}, 16, ROWS, {"chord": Entry("2d")}, "none")(condition)
    for place in MATRICES:
        assert torch.equal(painted[place], painted[place][:, :, :1].expand_as(painted[place]))


def test_a_matrix_as_a_vector_is_its_two_last_rows_of_sixteen_channels():
    conditioner = Conditioner({"previous": (16, 5)}, 16, ROWS, {"previous": Entry("1d", "one", 0)})
    assert conditioner.widths == [2 * 16, 0, 0, 0, 0, 0]
    pyramid = conditioner.encoders["previous"].pyramid
    assert pyramid.rows == (16, 8, 4, 2)
    condition = batch()
    expected = pyramid(condition["previous"])[2].flatten(1)
    assert torch.equal(conditioner(condition)[0], expected)


def test_several_bars_lie_beside_each_other():
    """Steps 16 apart are in the same row, so that a bar of 16 steps goes along with both bars."""
    shapes = {"previous": (32, 5)}
    conditioner = Conditioner(shapes, 16, [16], {"previous": Entry("2d")}, "none")
    condition = batch(shapes)
    row = conditioner(condition)[0][:, :, 3]
    (gradient,) = torch.autograd.grad(row.sum(), condition["previous"])
    assert gradient.abs().sum(dim=(0, 2)).nonzero().flatten().tolist() == [3, 19]
    weight = conditioner.encoders["previous"].pyramid.steps[0][0].weight
    assert weight.shape == (16, 10, 1)


def test_the_pyramid_is_the_convolution_written_out():
    torch.manual_seed(0)
    pyramid = RowPyramid(5, [4, 2], 3, "none").double()
    matrix = torch.randn(2, 4, 5, dtype=torch.float64)
    (one, two) = (step[0] for step in pyramid.steps)

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    first = leaky(torch.einsum("brf,cf->bcr", matrix, one.weight[..., 0]) + one.bias[:, None])
    pairs = first.unflatten(2, (2, 2))
    second = leaky(torch.einsum("bcrw,dcw->bdr", pairs, two.weight) + two.bias[:, None])
    found = pyramid(matrix)
    torch.testing.assert_close(found[4], first)
    torch.testing.assert_close(found[2], second)


@pytest.mark.parametrize(
    ("rows", "expected"), [(16, [16, 8, 4, 2]), (24, [24, 12, 6, 3]), (1, [1])]
)
def test_halvings(rows, expected):
    assert halvings(rows) == expected


class Recurrent(nn.Module):
    """A network of another family: steps in, steps out, conditions beside each step."""

    def __init__(self, features: int, steps: int, shapes: dict[str, tuple[int, ...]], entry: Entry):
        super().__init__()
        self.conditioner = Conditioner(shapes, steps, [steps], dict.fromkeys(shapes, entry))
        self.cells = nn.GRU(features + self.conditioner.widths[0], features, batch_first=True)

    def forward(self, x: Tensor, condition: dict[str, Tensor]) -> Tensor:
        (entering,) = self.conditioner(condition)
        return self.cells(join(x.transpose(1, 2), entering).transpose(1, 2))[0]


@pytest.mark.parametrize("form", ["1d", "2d"])
def test_a_recurrent_network_takes_conditions_too(form):
    network = Recurrent(4, 16, SHAPES, Entry(form))
    condition = batch()
    made = network(torch.randn(3, 16, 4), condition)
    assert made.shape == (3, 16, 4)
    gradients = torch.autograd.grad(made[:, -1].sum(), [condition[name] for name in SHAPES])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            {"chrod": Entry()},
            "^A network is told how condition 'chrod' enters it, and the represen",
        ),
        (
            {"chord": Entry("2d", "input")},
            "^Condition 'chord' is to enter layer 0, which has no row",
        ),
        ({"chord": Entry("2d", "one", 1)}, "layer 1, which has no rows, as a matrix: use form=1d"),
        (
            {"chord": Entry("1d", "one", 6)},
            "layer 6 of a network that has 6: layer is one of 0 to 5",
        ),
        ({"chord": Entry("1d", "one", -7)}, "layer -7 of a network that has 6"),
    ],
)
def test_an_entry_that_cannot_be(entries, sentence):
    with pytest.raises(UserError, match=sentence):
        Conditioner(SHAPES, 16, ROWS, entries)


@pytest.mark.parametrize(("key", "value"), [("form", "3d"), ("at", "some")])
def test_an_entry_of_a_wrong_word(key, value):
    with pytest.raises(UserError, match=rf"^A condition's {key} is one of .*, not {value}\.$"):
        Entry(**{key: value})


def test_steps_that_do_not_go_along():
    shapes = {"previous": (24, 5)}
    with pytest.raises(Mismatch, match="has 24 steps and the output 16.*use form=1d"):
        Conditioner(shapes, 16, ROWS, {"previous": Entry("2d")})
    assert Conditioner(shapes, 16, ROWS).widths[0] == 3 * 16  # 24, 12, 6, 3 rows
    with pytest.raises(Mismatch, match="cannot go from 16 rows to 6"):
        Conditioner({"previous": (16, 5)}, 16, [6, 16], {"previous": Entry("2d")})
    with pytest.raises(Mismatch, match="has 16 rows, fewer than the 32 of a layer: use form=1d"):
        Conditioner({"previous": (16, 5)}, 16, [16, 32], {"previous": Entry("2d")})


def test_nothing_enters_where_there_is_no_condition():
    conditioner = Conditioner(None, 16, ROWS)
    assert conditioner.widths == [0] * 6
    assert conditioner(None) == [None] * 6

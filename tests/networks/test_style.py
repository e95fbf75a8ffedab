"""The style-based generator: closed forms of AdaIN, of truncation, mixing and the mean style."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from partimento.errors import UserError
from partimento.networks import StyleGenerator
from partimento.networks.style import (
    adaptive_instance_norm,
    normalised,
    resampled,
    truncated,
)


def network_of(seed: int = 0, shape=(13, 5), hidden=(8, 6), **options) -> StyleGenerator:
    torch.manual_seed(seed)
    settings_ = {"mapping_layers": 2, "style": 10, **options}
    return StyleGenerator((4,), shape, hidden=hidden, **settings_)


# -- closed forms -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(1, 5), st.floats(0.1, 50), st.integers(0, 1000))
def test_adain_gives_each_channel_the_mean_and_variance_of_the_style(steps, channels, size, seed):
    draw = torch.Generator().manual_seed(seed)
    x = size * torch.randn(3, channels, steps, generator=draw, dtype=torch.float64) + size
    scale = torch.randn(3, channels, generator=draw, dtype=torch.float64)
    shift = torch.randn(3, channels, generator=draw, dtype=torch.float64)
    made = adaptive_instance_norm(x, scale, shift, eps=0.0)
    torch.testing.assert_close(made.mean(2), shift)
    torch.testing.assert_close(made.var(2, unbiased=False), scale.square())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_channel_of_one_value_takes_the_mean_of_the_style_in_half_precision_too(dtype) -> None:
    made = adaptive_instance_norm(
        torch.ones(2, 3, 5, dtype=dtype), torch.ones(2, 3), torch.ones(2, 3)
    )
    torch.testing.assert_close(made.float(), torch.ones(2, 3, 5))


def test_adain_is_torchs_instance_norm_with_the_styles_affine_map() -> None:
    x, scale, shift = torch.randn(3, 4, 9), torch.randn(3, 4), torch.randn(3, 4)
    expected = F.instance_norm(x, eps=1e-8) * scale[:, :, None] + shift[:, :, None]
    torch.testing.assert_close(adaptive_instance_norm(x, scale, shift), expected)


def test_each_layers_channels_have_the_statistics_of_their_style() -> None:
    """In the network itself: the layer's own affine map of the style says mean and deviation."""
    network = network_of()
    styles = torch.randn(3, network.layers, 10)
    x = network.constant.expand(3, -1, -1)
    steps = [7, 7, 14, 14]
    for layer, style, length in zip(network.synthesis, styles.unbind(1), steps, strict=True):
        before, x = x, layer(x, style)
        assert x.shape[2] == length
        if layer is network.synthesis[0]:
            assert torch.equal(before[0], torch.ones_like(before[0]))
            continue  # a constant has no deviation to scale
        scale, shift = layer.style(style).chunk(2, 1)
        torch.testing.assert_close(x.mean(2), shift, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            x.std(2, unbiased=False), (1 + scale).abs(), atol=1e-3, rtol=1e-3
        )


def test_codes_are_normalised_to_a_mean_square_of_one() -> None:
    codes = 7 * torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalised(codes).square().mean(1), torch.ones(5))
    network = network_of().eval()
    torch.testing.assert_close(network(codes[:, :4]), network(3 * codes[:, :4]))


def test_the_whole_network_against_a_plain_loop() -> None:
    """Mapping, constant, convolutions, AdaIN and output written out with torch's functions alone."""
    network = network_of(shape=(6, 5), hidden=(8, 6)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    codes = torch.randn(3, 4)
    w = codes / codes.square().mean(1, keepdim=True).sqrt()
    for index in (0, 2):
        layer = network.mapping[index]
        w = F.leaky_relu(
            w @ layer.weight.T * math.sqrt(2 / w.shape[1]) * 0.01 + 0.01 * layer.bias, 0.2
        )
    x = network.constant.repeat(3, 1, 1)
    for index, layer in enumerate(network.synthesis):
        if index == 2:
            padded = torch.cat([x[..., :1], x, x[..., -1:]], 2)  # bilinear: quarters of neighbours
            early = 0.75 * x + 0.25 * padded[..., :-2]
            late = 0.75 * x + 0.25 * padded[..., 2:]
            x = torch.stack([early, late], 3).flatten(2)
        if index > 0:
            inputs = x.shape[1]
            x = F.conv1d(x, layer.convolution.weight, padding=1) * math.sqrt(2 / (3 * inputs))
        x = F.leaky_relu(x + layer.bias, 0.2)
        affine = w @ layer.style.weight.T / math.sqrt(10) + layer.style.bias
        half = affine.shape[1] // 2
        mean, var = x.mean(2, keepdim=True), x.var(2, keepdim=True, unbiased=False)
        x = (x - mean) / (var + 1e-8).sqrt() * (1 + affine[:, :half, None]) + affine[:, half:, None]
    out = torch.einsum("oc,bct->bto", network.last.weight[:, :, 0], x) / math.sqrt(6)
    torch.testing.assert_close(network(codes), out + network.bias.T, atol=1e-4, rtol=1e-3)


# -- truncation and the mean style ------------------------------------------------------------------


def test_truncation_at_its_ends_and_between() -> None:
    styles, mean = torch.randn(3, 4, 10), torch.randn(10)
    assert torch.equal(truncated(styles, mean, 1.0, range(4)), styles)
    torch.testing.assert_close(truncated(styles, mean, 0.0, range(4)), mean.expand(3, 4, 10))
    half = truncated(styles, mean, 0.5, [0, 2])
    torch.testing.assert_close(half[:, [0, 2]], (styles[:, [0, 2]] + mean) / 2)
    assert torch.equal(half[:, [1, 3]], styles[:, [1, 3]])


def test_the_mean_style_is_a_running_mean_in_training_only() -> None:
    network = network_of(mean_decay=0.9)
    codes = [torch.randn(6, 4) for _ in range(3)]
    expected = torch.zeros(10)
    for batch in codes:
        network(batch)
        expected = 0.9 * expected + 0.1 * network.styles(batch).mean(0)
    torch.testing.assert_close(network.mean_style, expected)
    network.eval()(codes[0])
    torch.testing.assert_close(network.mean_style, expected)
    assert "mean_style" in network.state_dict()


# -- mixing -----------------------------------------------------------------------------------------


def test_resampled_codes_keep_their_law_number_by_number() -> None:
    codes = torch.rand(64, 5) * 2 - 1
    other = resampled(codes)
    torch.testing.assert_close(other.sort(0).values, codes.sort(0).values)
    matches = (other.unsqueeze(1) == codes.unsqueeze(0)).all(2)
    assert not matches.any()  # no code comes back whole, so that none is used twice


class Spied(StyleGenerator):
    """Notes the styles that its layers get."""

    def synthesized(self, styles: Tensor) -> Tensor:
        self.seen = styles.detach()
        return super().synthesized(styles)


def spied(mixing: float) -> Spied:
    torch.manual_seed(0)
    return Spied((4,), (16, 5), hidden=(6, 6, 6), mapping_layers=2, style=10, mixing=mixing)


@pytest.mark.parametrize(("mixing", "low", "high"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_a_share_of_the_minibatches_has_two_codes(mixing, low, high) -> None:
    network = spied(mixing)
    codes = torch.randn(32, 4)
    own = network.per_layer(network.styles(codes))
    crossings = []
    for _ in range(200):
        network(codes)
        same = (network.seen == own).all(2)
        assert (same == same[:1]).all()  # one crossing for the whole minibatch
        if not same.all():
            crossing = int(same[0].sum())
            assert same[0].tolist() == [True] * crossing + [False] * (6 - crossing)
            torch.testing.assert_close(
                network.seen[:, crossing:], network.seen[:, -1:].expand(-1, 6 - crossing, -1)
            )
            crossings.append(crossing)
    assert low <= len(crossings) <= high
    if mixing == 1.0:
        assert set(crossings) == {1, 2, 3, 4, 5}
    network.eval()(codes)
    torch.testing.assert_close(network.seen, own)


# -- shapes, refusals, learning ---------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 50), st.integers(1, 4), st.booleans())
def test_shapes(steps: int, depth: int, conditioned: bool) -> None:
    shapes = {"chord": (3,)} if conditioned else None
    hidden = [4] * depth

    def make() -> StyleGenerator:
        return StyleGenerator((2,), (steps, 3, 2), shapes, hidden=hidden, mapping_layers=1, style=5)

    if -(-steps // 2 ** (depth - 1)) < 2:
        with pytest.raises(UserError, match=r"needs 2 steps or more at its coarsest resolution"):
            make()
        return
    network = make()
    made = network(torch.randn(3, 2), {"chord": torch.randn(3, 3)} if conditioned else None)
    assert made.shape == (3, steps, 3, 2)
    assert network.layers == 2 * depth


def test_conditions_reach_the_style() -> None:
    torch.manual_seed(0)
    network = StyleGenerator(
        (2,), (8, 3), {"chord": (3,)}, hidden=(4, 4), mapping_layers=1, style=5
    )
    chords = torch.eye(3)
    codes = torch.randn(1, 2).expand(3, -1)
    made = network.eval()(codes, {"chord": chords})
    assert not torch.allclose(made[0], made[1])


def test_a_batch_is_learned() -> None:
    """Six codes are made to say six melodies, without noise in the way."""
    network = network_of(shape=(16, 7), hidden=(16, 16, 16), style=16)
    codes, melodies = torch.randn(6, 4), torch.randint(0, 7, (6, 16))
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        adam.zero_grad()
        F.cross_entropy(network(codes).flatten(0, 1), melodies.flatten()).backward()
        adam.step()
    assert torch.equal(network.eval()(codes).argmax(2), melodies)

"""Files of codes, and music along a way of them under one and the same noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from partimento.distributions import Categorical
from partimento.errors import Mismatch, UserError
from partimento.generation.latent import along, read_codes, write_codes
from partimento.generation.strategies import SingleStep
from partimento.models import Feedforward
from partimento.models.adversarial import Adversarial
from partimento.models.relaxation import Relaxation
from partimento.networks import MLP, MLPDiscriminator

GRID = Categorical((16, 2), (5, 3), names=("a", "b"))


def game(noise: bool) -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(
        GRID,
        generator=lambda *shapes: MLP(*shapes, hidden=(16,)),
        discriminator=lambda *shapes: MLPDiscriminator(*shapes, hidden=(16,)),
        relaxation=Relaxation(noise=noise),
        latent=6,
    )


def test_equal_codes_give_equal_samples_though_samples_are_drawn():
    model, code = game(noise=True), torch.randn(1, 6)
    same = code.expand(4, 6)
    apart = model.sample(z=same, generator=torch.Generator().manual_seed(3))
    assert not torch.equal(apart[0], apart[1])  # without one noise, the code does not decide
    samples = along(model, same, SingleStep(1.0), seed=3)
    assert all(torch.equal(samples[0], sample) for sample in samples)
    assert not torch.equal(samples[0], along(model, code, SingleStep(1.0), seed=4)[0])
    other = along(model, torch.cat([torch.randn(2, 6), code]), SingleStep(1.0), seed=3)
    assert torch.equal(other[2], samples[0])  # whatever else is on the way


def test_nearby_codes_differ_in_few_cells():
    """Under noise of their own, two samples of the same parameters agree in chance's share only."""
    model, code = game(noise=True), torch.randn(1, 6)
    near = torch.cat([code, code + 1e-3])
    first, second = along(model, near, SingleStep(1.0), seed=0)
    assert float((first != second).float().mean()) < 0.1
    first, second = model.sample(z=near, generator=torch.Generator().manual_seed(0))
    assert float((first != second).float().mean()) > 0.3


def test_without_noise_it_is_what_sampling_gives():
    model, codes = game(noise=False), torch.randn(5, 6)
    assert torch.equal(along(model, codes, SingleStep(1.0)), model.sample(z=codes))


def test_no_stream_but_its_own_is_touched():
    model = game(noise=True).train()
    before = torch.get_rng_state()
    along(model, torch.zeros(3, 6), SingleStep(1.0))
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    assert model.generator.training


def test_a_model_without_codes_is_refused():
    with pytest.raises(Mismatch, match=r"^Feedforward has no latent codes"):
        along(Feedforward(GRID, given=["a"]), torch.zeros(3, 6), SingleStep())


def test_codes_come_back_from_their_file(tmp_path: Path):
    codes = torch.randn(5, 6)
    path = write_codes(codes, tmp_path / "deep" / "codes.npy")
    assert torch.equal(torch.from_numpy(read_codes(path)), codes)
    np.save(tmp_path / "whole.npy", np.arange(6).reshape(2, 3))
    assert read_codes(tmp_path / "whole.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_a_pickle_is_refused_and_not_run(tmp_path: Path):
    trace, path = tmp_path / "trace", tmp_path / "codes.npy"
    np.save(path, np.array([[Payload(trace)]], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"codes\.npy cannot be read as codes: write them by numpy"):
        read_codes(path)
    assert not trace.exists()
    np.load(path, allow_pickle=True)  # the payload is live: whoever unpickles it runs it
    assert trace.exists()


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{'descr"]
)
def test_a_damaged_file(tmp_path: Path, content: bytes):
    path = tmp_path / "codes.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{path} cannot be read as codes: "):
        read_codes(path)


def test_what_is_no_array_of_codes(tmp_path: Path):
    np.save(tmp_path / "flat.npy", np.zeros(6))
    with pytest.raises(
        UserError, match=r"must hold numbers, \(codes, latent\), not float64 \(6,\)\.$"
    ):
        read_codes(tmp_path / "flat.npy")
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    with pytest.raises(UserError, match=r"must hold numbers, .* not <U1 \(1, 1\)\.$"):
        read_codes(tmp_path / "text.npy")
    np.savez(tmp_path / "many.npz", a=np.zeros((1, 6)))
    with pytest.raises(UserError, match=r"many\.npz cannot be read as codes"):
        read_codes(tmp_path / "many.npz")
    with pytest.raises(UserError, match=r"^There is no file of codes at "):
        read_codes(tmp_path)

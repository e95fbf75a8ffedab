"""Building: trying out without weights, falling back, and models that no memory holds."""

from __future__ import annotations

import gc
import sys
import textwrap

import pytest
import torch

import partimento
from partimento import building
from partimento.apps.composition import compose_request
from partimento.building import build, supplied, try_build
from partimento.errors import UserError
from partimento.loading import checkpoint_path
from partimento.networks import MLP

TOO_LARGE = r"^model cannot be built: [\w, ]+ (GiB of )?weights do not fit into memory; make it sma"


@pytest.fixture
def resolved(tiny):
    return compose_request(tiny(), "train").resolved


@pytest.fixture
def built_on(monkeypatch):
    """The devices on which the networks were built."""
    devices = []
    init = MLP.__init__

    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        devices.append(next(self.parameters()).device.type)

    monkeypatch.setattr(MLP, "__init__", noted)
    return devices


def test_trying_makes_no_weights_and_leaves_none_on_the_meta_device(resolved, built_on):
    try_build(resolved)
    assert built_on == ["meta"]
    model = build(resolved).model
    assert built_on == ["meta", "cpu"]
    tensors = [*model.state_dict().values(), *dict(model.named_buffers()).values()]
    assert {tensor.device.type for tensor in tensors} == {"cpu"}
    gc.collect()
    living = [item for item in gc.get_objects() if type(item) in (torch.Tensor, torch.nn.Parameter)]
    assert not [tensor for tensor in living if tensor.is_meta]


def test_the_weights_are_those_of_a_build_without_a_try(resolved):
    first = build(resolved).model.state_dict()
    try_build(resolved)
    again = build(resolved).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


STRANGER = """
    import functools

    import torch
    from partimento.networks import MLP

    @functools.cache
    def table():
        return torch.linspace(0, 1, 8)

    class Reads(MLP):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.first = float(next(self.parameters()).sum().item())

    class Keeps(MLP):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.register_buffer("table", table())
"""


@pytest.mark.parametrize("name", ["Reads", "Keeps"])
def test_a_network_that_no_meta_device_can_hold_is_accepted(resolved, tmp_path, monkeypatch, name):
    (tmp_path / "stranger_networks.py").write_text(textwrap.dedent(STRANGER))
    monkeypatch.syspath_prepend(str(tmp_path))
    resolved["trusted_packages"] = ["stranger_networks"]
    resolved["model"]["network"]["_target_"] = f"stranger_networks.{name}"
    try_build(resolved)
    network = build(resolved).model.network
    assert type(network).__name__ == name
    assert all(not tensor.is_meta for tensor in network.state_dict().values())
    del sys.modules["stranger_networks"]


def test_what_fails_without_weights_is_built_with_them(resolved, built_on, monkeypatch):
    init = MLP.__init__

    def reads(self, *args, **kwargs):
        init(self, *args, **kwargs)
        float(next(self.parameters()).sum())

    monkeypatch.setattr(MLP, "__init__", reads)
    try_build(resolved)
    assert built_on == ["meta", "cpu"]


@pytest.mark.parametrize("hidden", [[10**9], [10**13], [10**10, 10**10], [10**20]])
def test_a_config_of_a_model_larger_than_memory(cli, tiny, tmp_path, hidden):
    shown = str(hidden).replace(" ", "")
    result = cli("train", *tiny(), f"model.hidden={shown}")
    assert result.code == 1
    assert result.err.startswith("partimento: model cannot be built: ")
    assert result.err.endswith("weights do not fit into memory; make it smaller.\n")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_checkpoint_of_a_model_larger_than_memory(tiny_run, tmp_path):
    stored = torch.load(checkpoint_path(tiny_run), weights_only=True)
    stored["partimento"]["config"]["model"]["network"]["hidden"] = [10**13]
    torch.save(stored, tmp_path / "large.ckpt")
    with pytest.raises(UserError, match=TOO_LARGE):
        partimento.load(tmp_path / "large.ckpt")


def test_other_faults_of_a_network_are_not_called_lack_of_memory(resolved, monkeypatch):
    def fail(self, *args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(MLP, "__init__", fail)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        try_build(resolved)


def test_the_size_is_compared_with_the_memory_there_is(resolved, monkeypatch):
    pages = {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 1024}
    monkeypatch.setattr(building.os, "sysconf", pages.__getitem__)
    with pytest.raises(UserError, match=r"^model cannot be built: 0 GiB of weights do not fit"):
        try_build(resolved)
    pages["SC_PHYS_PAGES"] = 10_000
    try_build(resolved)


def test_what_the_node_says_wins_and_null_says_nothing():
    node = {"_target_": "partimento.representations.frames.Frames"}
    for said, expected in (
        ({}, 2),
        ({"steps_per_quarter": None}, 2),
        ({"steps_per_quarter": 8}, 8),
    ):
        built = supplied({**node, **said}, "representation", (), steps_per_quarter=2, ranges=[])
        assert built.steps_per_quarter == expected

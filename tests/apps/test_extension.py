"""A stranger's package: a network, a dataset and their configs, without a line changed here."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest
import torch

import partimento
from partimento.data.batch import Given
from partimento.errors import UserError

NETWORKS = '''
    """A network of a stranger's: a bidirectional GRU along the steps."""

    from torch import nn


    class Recurrent(nn.Module):
        def __init__(self, input_shape, output_shape, condition_shapes=None, *, units: int = 8):
            super().__init__()
            self.gru = nn.GRU(input_shape[-1], units, batch_first=True, bidirectional=True)
            self.out = nn.Linear(2 * units, output_shape[-1])

        def forward(self, x, condition=None):
            return self.out(self.gru(x)[0])
'''

DATASETS = '''
    """A dataset of a stranger's: one cadence in ten keys, four bars each, written by hand."""

    import numpy as np

    from partimento.datasets.base import Card, Corpus, Dataset
    from partimento.music import Piece, lay_bars

    # Soprano, alto, tenor, bass of I, IV, V, I in C, a whole note each.
    CHORDS = [(72, 67, 64, 48), (72, 69, 65, 53), (71, 67, 62, 55), (72, 67, 64, 48)]


    class Cadences(Dataset):
        parts = ("soprano", "alto", "tenor", "bass")
        ranges = ((66, 81), (62, 79), (57, 74), (43, 65))

        def __init__(self, keys: int = 10) -> None:
            self.keys = keys

        def fingerprint(self) -> str:
            return f"cadences {self.keys}"

        def prepare(self, cache):
            pieces = tuple(self.piece(shift) for shift in range(-5, self.keys - 5))
            names = tuple(piece.id for piece in pieces)
            card = Card(
                "cadences", "Cadences", "written by hand", "CC0-1.0", "none", {}, "by piece"
            )
            return Corpus(pieces, names, (), card)

        def piece(self, shift):
            pitch = np.array(CHORDS).ravel() + shift
            return Piece(
                id=f"cadence {shift:+d}",
                resolution=4,
                onset=np.repeat(np.arange(4) * 16, 4),
                duration=np.full(16, 16),
                pitch=pitch,
                part=np.tile(np.arange(4), 4),
                parts=self.parts,
                bars=lay_bars([(0, 4, 4)], 64, 4),
            )
'''

CONFIGS = {
    "dataset/cadences.yaml": """
        name: cadences
        _target_: thirdparty.datasets.Cadences
        keys: 10
    """,
    "model/network/recurrent.yaml": """
        _target_: thirdparty.networks.Recurrent
        _partial_: true
        units: 8
    """,
    "model/recurrent.yaml": """
        # Conditioning(Feedforward(network=BiGRU))
        defaults:
          - network: recurrent
          - objective: softmax
          - _self_
        name: recurrent
        _target_: partimento.models.feedforward.Feedforward
        given: [soprano]
        optimizer:
          _target_: torch.optim.SGD
          _partial_: true
          lr: 0.1
    """,
}

RUN = (
    "model=recurrent",
    "dataset=cadences",
    "trainer=quick",
    "trainer.max_epochs=2",
    "trainer.progress_bar=false",
    "data.transpose=false",
    "accelerator=cpu",
    "accelerator.threads=1",
    "logger=csv",
    "diagnostics=none",
)


@pytest.fixture
def thirdparty(tmp_path, monkeypatch):
    """The stranger's package on the path, and the overrides of a run that uses it."""
    package = tmp_path / "site" / "thirdparty"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "networks.py").write_text(textwrap.dedent(NETWORKS))
    (package / "datasets.py").write_text(textwrap.dedent(DATASETS))
    for name, text in CONFIGS.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(package.parent))
    places = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.cache={tmp_path / 'cache'}"]
    yield [f"hydra.searchpath=[file://{tmp_path / 'conf'}]", *RUN, *places]
    for name in [name for name in sys.modules if name.partition(".")[0] == "thirdparty"]:
        del sys.modules[name]


def test_a_strangers_package_trains_samples_and_needs_trust(cli, thirdparty, tmp_path):
    result = cli("train", *thirdparty, "trusted_packages=[thirdparty]", "model.network.units=6")
    assert result.code == 0, result.err
    (run_json,) = (tmp_path / "outputs").rglob("run.json")
    folder = run_json.parent
    assert folder.parent.name == "recurrent-cadences"
    record = json.loads(run_json.read_text())
    assert record["status"] == "finished"
    assert record["data"]["windows"] == {"train": 8, "valid": 1, "test": 1}
    # GRU, both directions: three gates of inputs, states and two biases; then the linear layer.
    given, predicted = 16 + 2, (18 + 2) + (18 + 2) + (23 + 2)
    gates = 2 * 3 * (given * 6 + 6 * 6 + 2 * 6)
    assert record["parameters"] == gates + (2 * 6 + 1) * predicted
    code = json.loads((folder / "code.json").read_text())
    assert {"thirdparty/networks.py", "thirdparty/datasets.py"} <= code.keys()

    trained = partimento.load(folder, trusted_packages=["thirdparty"])
    assert type(trained.model.network).__module__ == "thirdparty.networks"
    from thirdparty.datasets import Cadences

    cadence = Cadences().piece(0)
    x = torch.from_numpy(trained.representation.encode(cadence)).long()[None]
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[..., 0] = True
    (sample,) = trained.sample(given=Given(x, mask), temperature=1.0, seed=1)
    assert sample.notes(0)["pitch"].tolist() == [72, 72, 71, 72]
    assert trained.harmonize(cadence).parts == Cadences.parts

    with pytest.raises(
        UserError,
        match=r"^model\.network\._target_=thirdparty\.networks\.Recurrent is refused: package "
        r"'thirdparty' is not in trusted_packages, ",
    ):
        partimento.load(folder)


def test_a_strangers_package_trains_from_python(thirdparty, tmp_path):
    record = partimento.train([*thirdparty, "trusted_packages=[thirdparty]"])
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 2
    assert 0 < record["metrics"]["test/nll"] < 4


def test_without_trust_it_is_refused_in_a_sentence(cli, thirdparty, tmp_path):
    result = cli("train", *thirdparty)
    assert result.code == 1
    assert result.err == (
        "partimento: model.network._target_=thirdparty.networks.Recurrent is refused: package "
        "'thirdparty' is not in trusted_packages, and only classes of partimento, torch, "
        "pytorch_lightning, torchmetrics and of the packages you list there are built.\n"
    )
    assert not (tmp_path / "outputs").exists()
    assert "thirdparty.networks" not in sys.modules


def test_a_strangers_keys_are_checked_like_our_own(cli, thirdparty, tmp_path):
    trusted = [*thirdparty, "trusted_packages=[thirdparty]"]
    cases = {
        "model.network.units=many": "model.network.units=many is wrong: input should be a valid",
        "+model.network.unit=3": "Nothing reads model.network.unit=3. Did you mean "
        "'model.network.units'?",
        "model.network._partial_=false": "model.network needs _partial_: true, since model builds",
        "dataset.keys=2": "The valid split would be empty: 2 pieces in 2 groups are too few",
    }
    for override, expected in cases.items():
        result = cli("train", *trusted, override)
        assert result.code == 1
        assert result.sentence.startswith(f"partimento: {expected}")


def test_a_fault_inside_a_strangers_class_is_not_told_as_the_users(cli, thirdparty, tmp_path):
    path = tmp_path / "site" / "thirdparty" / "networks.py"
    path.write_text(path.read_text().replace("self.gru = nn.GRU", "self.gru = nn.GRUU"))
    result = cli("train", *thirdparty, "trusted_packages=[thirdparty]")
    assert result.code == 1
    assert result.sentence == (
        "partimento: Unexpected AttributeError: module 'torch.nn' has no attribute 'GRUU' "
        "(PARTIMENTO_DEBUG=1 shows the traceback)"
    )

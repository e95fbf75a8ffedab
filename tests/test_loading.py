"""Trained models come back from run folders, and from nothing that could run code or is damaged."""

from __future__ import annotations

import pickle
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import partimento
from partimento.data.batch import Given
from partimento.errors import UserError
from partimento.generation.strategies import SingleStep
from partimento.loading import checkpoint_path, read_checkpoint
from partimento.music import Piece, lay_bars

# A phrase of "Nun danket alle Gott" (J. Crüger, 1647), soprano alone, in quarter notes and halves.
TUNE = [69, 69, 69, 71, 71, 69, 66, 67, 66, 64, 66, 64, 62]
LENGTHS = [1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 3]


@pytest.fixture
def melody():
    onset = np.cumsum([0, *LENGTHS[:-1]])
    end = sum(LENGTHS)
    return Piece(
        "crueger",
        1,
        onset,
        LENGTHS,
        TUNE,
        np.zeros(len(TUNE)),
        parts=("soprano",),
        end=end,
        bars=lay_bars([(0, 4, 4)], end, 1),
    )


@pytest.fixture
def stored(tiny_run):
    """The content of a good checkpoint, to be spoilt."""
    return read_checkpoint(checkpoint_path(tiny_run))


@pytest.fixture
def spoilt(stored, tmp_path):
    """Write the content, once it is spoilt, and return where."""

    def write(content=None):
        path = tmp_path / "spoilt.ckpt"
        torch.save(stored if content is None else content, path)
        return path

    return write


def test_the_best_weights_come_back_without_the_dataset(tiny_run, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("loading a model must not need its dataset")

    monkeypatch.setattr("partimento.datasets.chorales.Chorales.__init__", refuse)
    trained = partimento.load(tiny_run)
    assert trained.path == tiny_run / "checkpoints" / "best.ckpt"
    best = torch.load(trained.path, weights_only=True)["state_dict"]
    weights = trained.model.state_dict()
    assert weights.keys() == best.keys()
    assert all(torch.equal(weights[name], best[name]) for name in best)
    assert not trained.model.training
    assert trained.model.counters["updates"] == int(best["updates"])
    assert trained.config["model"]["hidden"] == [8]


def test_a_checkpoint_file_and_a_folder_with_only_a_last_one(tiny_run, tmp_path):
    last = tiny_run / "checkpoints" / "last.ckpt"
    assert partimento.load(str(last)).path == last
    copy = tmp_path / "run" / "checkpoints" / "last.ckpt"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(last.read_bytes())
    assert partimento.load(tmp_path / "run").path == copy


def test_a_loaded_model_harmonises(tiny_run, melody):
    piece = partimento.load(tiny_run).harmonize(melody)
    assert piece.parts == ("soprano", "alto", "tenor", "bass")
    soprano = piece.notes(0)
    assert soprano["pitch"].tolist() == TUNE
    assert (soprano["duration"] / piece.resolution).tolist() == LENGTHS
    assert piece.end / piece.resolution == sum(LENGTHS)


def test_a_loaded_model_samples_around_what_is_given(tiny_run, melody):
    trained = partimento.load(tiny_run)
    representation = trained.representation
    whole = trained.harmonize(melody)
    x = torch.from_numpy(representation.encode(whole)[: representation.steps]).long()
    x = torch.nn.functional.pad(x, (0, 0, 0, representation.steps - len(x)))[None]
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[..., 0] = True
    given = Given(x, mask)
    one, again, other = (
        trained.sample(3, given=given, temperature=1.0, seed=seed) for seed in (1, 1, 2)
    )
    assert len(one) == 3
    expected = representation.decode(x[0].numpy()).notes(0)
    for piece in one:
        assert piece.notes(0)["pitch"].tolist() == expected["pitch"].tolist()
        assert piece.notes(0)["onset"].tolist() == expected["onset"].tolist()
    assert one == again
    assert one != other


def test_sampling_goes_through_a_strategy(tiny_run):
    trained = partimento.load(tiny_run)
    shape = (1, *trained.representation.distribution.shape)
    given = Given(torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool))
    given.mask[..., 0] = True
    asked = []

    class Noted(SingleStep):
        def generate(self, model, **arguments):
            asked.append(arguments)
            return super().generate(model, **arguments)

    one, two = (
        trained.sample(2, given=given, strategy=strategy, temperature=temperature)
        for strategy, temperature in ((Noted(0.0), 1.0), (None, 0.0))
    )
    assert one == two
    assert len(one) == 2
    assert {"n", "lengths", "z", "weights", "condition"} < set(asked[0])
    with pytest.raises(UserError, match="Feedforward has no use for z"):
        trained.sample(1, given=given, z=torch.zeros(1, 2))
    with pytest.raises(UserError, match="keeps no averaged weights"):
        trained.sample(1, given=given, weights="ema")


def test_weights_of_another_model(stored, spoilt):
    stored["partimento"]["config"]["model"]["network"]["hidden"] = [9]
    with pytest.raises(
        UserError, match=r"holds the weights of another model than its config 'minibach' describes:"
    ):
        partimento.load(spoilt())


def test_weights_that_are_missing(stored, spoilt):
    del stored["state_dict"]
    with pytest.raises(UserError, match=r"holds the weights of another model"):
        partimento.load(spoilt())


def test_another_alphabet(stored, spoilt):
    stored["partimento"]["distribution"]["sizes"][0] += 1
    with pytest.raises(
        UserError, match=r"was written for another alphabet than this version's MultiVoice makes\."
    ):
        partimento.load(spoilt())


@pytest.mark.parametrize("part", ["config", "representation", "distribution", "counters"])
def test_a_card_that_lacks_a_part(stored, spoilt, part):
    del stored["partimento"][part]
    with pytest.raises(UserError, match=r"is damaged: it lacks part of what rebuilds its model\."):
        partimento.load(spoilt())


def test_a_later_format(stored, spoilt):
    stored["partimento"]["format"] = 99
    with pytest.raises(UserError, match=r"has checkpoint format 99; this version reads 1\."):
        partimento.load(spoilt())


class Payload:
    """Makes a file when unpickled, as an attacker's checkpoint would do worse."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["weights", "config", "whole"])
def test_a_pickled_payload_is_refused_and_not_run(stored, spoilt, tmp_path, place):
    trace = tmp_path / "trace"
    payload = Payload(trace)
    if place == "weights":
        stored["state_dict"]["payload"] = payload
    elif place == "config":
        stored["partimento"]["config"]["seed"] = payload
    path = spoilt(payload if place == "whole" else None)
    with pytest.raises(UserError) as refused:
        partimento.load(path)
    assert str(refused.value) == (
        f"{path} is refused: it is no checkpoint of plain weights and could run code when read."
    )
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the payload is live: whoever unpickles it runs it
    assert trace.exists()


def test_a_plain_pickle_is_refused_and_not_run(tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "plain.ckpt"
    path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(UserError, match="could run code when read"):
        partimento.load(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "target", ["os.system", "torch.load", "builtins.exec", "pytorch_lightning.loggers.CSVLogger"]
)
@pytest.mark.parametrize("node", ["model", "network", "representation"])
def test_a_checkpoint_cannot_name_what_to_call(stored, spoilt, node, target):
    config = stored["partimento"]["config"]
    (config["model"]["network"] if node == "network" else config[node])["_target_"] = target
    with pytest.raises(UserError, match=rf"{node}\._target_={target} is refused: "):
        partimento.load(spoilt())


def test_a_checkpoint_cannot_trust_a_package_by_itself(stored, spoilt, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    (tmp_path / "evil.py").write_text(
        textwrap.dedent(f"""
            import pathlib
            from partimento.networks import MLP

            pathlib.Path({str(trace)!r}).touch()
            class X(MLP): ...
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = stored["partimento"]["config"]
    config["trusted_packages"] = ["evil"]
    config["model"]["network"]["_target_"] = "evil.X"
    path = spoilt()
    with pytest.raises(
        UserError,
        match=r"^model\.network\._target_=evil\.X is refused: package 'evil' is not in trusted_pac",
    ):
        partimento.load(path)
    assert not trace.exists()
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    assert type(partimento.load(path, trusted_packages=["evil"]).model.network).__name__ == "X"
    assert trace.exists()
    monkeypatch.delitem(sys.modules, "evil")


def test_a_foreign_checkpoint(spoilt):
    for content in ({}, {"state_dict": {}}, [1, 2], {"partimento": 3}, {"partimento": {}}):
        with pytest.raises(UserError, match=r"is a checkpoint, but none that Partimento wrote\.$"):
            partimento.load(spoilt(content))


def test_damaged_files(tiny_run, tmp_path):
    whole = checkpoint_path(tiny_run).read_bytes()
    path = tmp_path / "damaged.ckpt"
    random = np.random.default_rng(0)
    damaged = [b"", whole[: len(whole) // 2], whole[:-1], whole[1:], b"PK\x03\x04", b"text\n"]
    damaged += [random.bytes(int(size)) for size in random.integers(1, 100, 50)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=rf"^{path} (cannot be read as a checkpoint|is refused)"
        ):
            partimento.load(path)


def test_places_without_a_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"^There is no run folder or checkpoint at .*nowhere\.$"):
        partimento.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"is no run folder with a checkpoint \(checkpoints/best\."):
        partimento.load(tmp_path)

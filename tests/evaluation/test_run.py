"""The evaluation of a run folder: the run's own numbers again, baselines once, the same split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import partimento
from partimento.data.batch import Batch
from partimento.errors import UserError
from partimento.evaluation import run as module
from partimento.evaluation.run import evaluate_run, evaluate_trained
from partimento.evaluation.table import baseline_table

CHEAP = ["most_frequent", "logistic_regression"]


@pytest.fixture(scope="module")
def copied(tiny_run, tmp_path_factory) -> Path:
    """A copy of the tiny run to write into."""
    return shutil.copytree(tiny_run, tmp_path_factory.mktemp("evaluated") / tiny_run.name)


@pytest.fixture(scope="module")
def evaluated(copied, cache) -> tuple[Path, dict[str, dict[str, float]]]:
    return evaluate_run(copied, baselines=CHEAP, cache=str(cache))


def most_frequent(train: np.ndarray) -> np.ndarray:
    """Return the most frequent symbol of each step of alto, tenor and bass, `(64, 3)`."""
    counts = [(train[..., 1:] == symbol).sum(0) for symbol in range(32)]
    return np.argmax(counts, axis=0)


def test_the_models_row_is_what_training_measured_at_its_end(copied, evaluated):
    """Two ways through the code: torchmetrics over batches in a trainer, one pass over all here."""
    _, rows = evaluated
    metrics = json.loads((copied / "run.json").read_text())["metrics"]
    tested = {name.removeprefix("test/"): v for name, v in metrics.items() if "test/" in name}
    assert set(rows["minibach"]) == set(tested)
    assert {"nll", "accuracy", "accuracy_no_hold", "accuracy_onset/bass"} <= set(tested)
    for name, value in tested.items():
        assert rows["minibach"][name] == pytest.approx(value, abs=1e-5)


def test_the_file_holds_the_rows(copied, evaluated):
    path, rows = evaluated
    assert path == copied / "evaluation.json"
    assert json.loads(path.read_text()) == rows
    assert list(rows) == ["minibach", *CHEAP]
    for row in rows.values():
        assert 0 < row["nll"] < 10
        assert 0 <= row["accuracy_all_voices"] <= row["accuracy"] <= 1


def test_baselines_are_fitted_on_the_runs_own_windows(copied, evaluated, cache):
    """The most frequent symbol of each voice and step, counted here by hand."""
    _, rows = evaluated
    trained = partimento.load(copied)
    data = module._data(trained, str(cache))
    train, test = data.examples("train").x.numpy(), data.examples("test").x.numpy()
    share = (test[..., 1:] == most_frequent(train)).mean()
    assert rows["most_frequent"]["accuracy"] == pytest.approx(share, abs=1e-6)
    assert len(test) == 92


def test_a_second_evaluation_fits_nothing(copied, evaluated, cache, monkeypatch):
    def fail(*arguments, **keywords):
        raise AssertionError("fitted again")

    monkeypatch.setattr(module, "baseline_table", fail)
    assert evaluate_run(copied, baselines=CHEAP, cache=str(cache)) == evaluated
    # Another question is another entry in the cache.
    with pytest.raises(AssertionError, match="fitted again"):
        evaluate_run(copied, baselines=["chord_hmm"], cache=str(cache))


def test_what_a_baselines_result_depends_on_is_in_its_key(copied, cache, monkeypatch):
    trained = partimento.load(copied)
    examples = {"train": torch.zeros(3, 64, 4, dtype=torch.uint8)}
    key = module._key(trained, examples, ("soprano",))
    assert key == module._key(trained, {"train": examples["train"].clone()}, ("soprano",))
    assert key != module._key(trained, examples, ("bass",))
    other = examples["train"].clone()
    other[2, 60, 3] = 1
    assert key != module._key(trained, {"train": other}, ("soprano",))
    sums = module.code_checksums()
    changed = {**sums, "partimento/evaluation/hmm.py": "0"}
    monkeypatch.setattr(module, "code_checksums", lambda: changed)
    assert key != module._key(trained, examples, ("soprano",))
    monkeypatch.setattr(module, "code_checksums", lambda: {**sums, "partimento/music.py": "0"})
    assert key == module._key(trained, examples, ("soprano",))


def test_a_checkpoint_stands_for_its_run(copied, evaluated, cache):
    path, rows = evaluate_run(copied / "checkpoints" / "last.ckpt", cache=str(cache))
    assert path == copied / "evaluation.json"
    assert list(rows) == ["minibach"]


def test_a_model_is_evaluated_like_a_baseline(copied, cache):
    """A model that always says the same is the baseline that always says the same."""
    trained = partimento.load(copied)
    data = module._data(trained, str(cache))
    train, test = data.examples("train").x, data.examples("test").x
    row = baseline_table(
        train, None, test, trained.model.distribution, ("soprano",), ["most_frequent"]
    )["most_frequent"]
    best = most_frequent(train.numpy())
    with torch.no_grad():
        *_, last = trained.model.network.parameters()
        for weight in trained.model.network.parameters():
            weight.zero_()
        logits = last.view(64, -1)
        offset = 0
        for voice in range(3):
            logits[torch.arange(64), offset + best[:, voice]] = 1.0
            offset += trained.model.distribution.sizes[voice + 1]
    found = evaluate_trained(trained, test)
    for name, value in found.items():
        if name.startswith("accuracy"):
            assert value == pytest.approx(row[name], abs=1e-7), name
    prediction = trained.model.evaluate(Batch(test[:1])).prediction
    assert prediction[0, :, 1:].tolist() == best.tolist()


def test_unknown_baseline(copied, cache):
    with pytest.raises(UserError, match=r"no baseline 'chord_hm'\. Did you mean 'chord_hmm'\?"):
        evaluate_run(copied, baselines=["chord_hm"], cache=str(cache))


def test_another_split_than_the_runs_is_refused(copied, cache, tmp_path):
    """As after an update of music21 with other chorales: test pieces may have been trained on."""
    folder = shutil.copytree(copied, tmp_path / "run")
    manifest = json.loads((folder / "split_manifest.json").read_text())
    (folder / "split_manifest.json").write_text(json.dumps({**manifest, "hash": "0"}))
    with pytest.raises(UserError, match=r"split of .* cannot be made again with the data"):
        evaluate_run(folder, cache=str(cache))


def test_a_model_without_given_voices_is_refused(copied, cache, monkeypatch):
    from partimento.models import Feedforward

    load = module.load

    def ungiven(*arguments, **keywords):
        trained = load(*arguments, **keywords)
        del trained.model.given_voices
        return trained

    monkeypatch.setattr(module, "load", ungiven)
    assert not hasattr(Feedforward, "given_voices")
    with pytest.raises(UserError, match="compares harmonisers, which are given some voices"):
        evaluate_run(copied, cache=str(cache))

"""What W&B and Lightning refuse arrives as one sentence, in a run and in a sweep."""

from __future__ import annotations

import json

import pytest
import wandb
from conftest import only_runs
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from partimento.apps.sentences import chain_of, sentence_of

CALLBACKS = "pytorch_lightning.callbacks"
NOPE = "+diagnostics.x={_target_:" + CALLBACKS + ".EarlyStopping,monitor:nope}"
LOG_IN = "run `wandb login`, or use logger.wandb.mode=offline."


def assert_one_sentence(result, *words):
    assert result.code == 1
    assert result.err.startswith("partimento: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.out + result.err
    for word in words:
        assert word in result.sentence


def test_a_callback_whose_settings_do_not_fit(cli, tiny, tmp_path):
    result = cli("train", *tiny(NOPE))
    assert_one_sentence(
        result,
        "partimento: Lightning refuses the settings of EarlyStopping: ",
        "metric `nope` which is not available",
        "`valid/nll`",
    )
    (folder,) = only_runs(tmp_path)
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert "Traceback" not in (folder / "train.log").read_text()


def test_a_callback_that_lightning_refuses_itself(cli, tiny):
    pruning = "+diagnostics.x={_target_:" + CALLBACKS + ".ModelCheckpoint,monitor:valid/nll}"
    assert_one_sentence(
        cli("train", *tiny(pruning)),
        "Lightning refuses the settings of the trainer: ",
        "found `ModelCheckpoint` in callbacks list.",
    )


def test_a_callback_in_a_sweep(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("train", "-m", *tiny(NOPE), "seed=1,2")
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    assert result.sentence.startswith("partimento: Lightning refuses the settings of EarlyStop")
    assert "2 jobs, 2 failed" in result.out
    rows = [line for line in result.out.splitlines() if line.startswith("│ seed=")]
    assert [" Lightning refuses the settings of EarlyStopping: " in row for row in rows] == [
        True
    ] * 2


def test_a_fault_inside_a_callback_that_is_no_refusal(cli, tiny, monkeypatch):
    from pytorch_lightning.callbacks import EarlyStopping

    def fail(self, *_args):
        raise RuntimeError("the disk melted")

    monkeypatch.setattr(EarlyStopping, "on_train_start", fail)
    result = cli("train", *tiny(NOPE))
    assert result.sentence == (
        "partimento: Unexpected RuntimeError: the disk melted (PARTIMENTO_DEBUG=1 shows the "
        "traceback)"
    )


@pytest.mark.parametrize(
    "error",
    [
        wandb.errors.UsageError("No API key configured."),
        wandb.errors.CommError("Run initialization has\ntimed out."),
        wandb.errors.AuthenticationError("The key is wrong"),
    ],
)
def test_wandb_that_lets_nobody_in(cli, tiny, monkeypatch, error):
    def refuse(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(wandb, "init", refuse)
    result = cli("train", *tiny("logger=wandb", "logger.wandb.mode=online"))
    told = " ".join(str(error).split()).rstrip(".")
    assert_one_sentence(result)
    assert result.sentence == f"partimento: W&B refuses ({told}): {LOG_IN}"


def test_a_class_of_that_name_elsewhere_is_not_wandbs():
    class UsageError(Exception):
        pass

    assert sentence_of(UsageError("wrong"), [], "train") is None
    assert sentence_of(MisconfigurationException("Wrong."), [], "train") == (
        "Lightning refuses the settings of the trainer: Wrong."
    )


def test_a_chain_of_errors_ends_even_when_it_bites_its_tail():
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(chain_of(first)) == [first, second]

"""Composed configs: keys that are left out, and how many devices there are."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import only_runs

from partimento.apps.composition import compose_request, device_of
from partimento.config import AcceleratorConfig, SplitConfig, TrainConfig, filled
from partimento.errors import UserError
from partimento.runs import identity

# A key that may be deleted, and what then stands in its place.
DELETED = [
    ("accelerator.devices", 1),
    ("accelerator.device", "auto"),
    ("paths.outputs", "outputs"),
    ("paths.cache", None),
    ("data.split", {"seed": 0, "train": 0.8, "valid": 0.1, "test": 0.1}),
    ("trainer.monitor", "auto"),
]


@pytest.mark.parametrize(("key", "default"), DELETED, ids=[key for key, _ in DELETED])
def test_a_deleted_key_has_the_schemas_default(tiny, tmp_path, monkeypatch, key, default):
    monkeypatch.chdir(tmp_path)
    request = compose_request([*tiny(), f"~{key}"], "train")
    section, name = key.split(".")
    assert request.resolved[section][name] == default
    assert request.folder.path.name == compose_request(tiny(), "train").folder.path.name


def test_a_run_without_the_keys_is_a_run(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deleted = ["~accelerator.devices", "~paths.outputs", "~data.split", "~trainer.patience"]
    result = cli("train", *tiny(), *deleted)
    assert result.code == 0, result.err
    (folder,) = only_runs(tmp_path)
    assert folder.parent == tmp_path / "outputs" / "minibach-chorales"
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_a_sweep_without_a_place_for_outputs(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("train", "-m", *tiny(), "~paths.outputs", "seed=1,2")
    assert result.code == 0, result.err
    assert {run.parent.parent for run in only_runs(tmp_path)} == {tmp_path / "outputs"}


@pytest.mark.parametrize("section", ["data", "paths", "accelerator", "trainer", "dataset"])
def test_a_deleted_section_is_told_in_a_sentence(cli, section):
    result = cli("train", f"~{section}")
    assert result.code == 1
    assert result.err == f"partimento: {section} is missing: the config cannot do without it.\n"


def test_filling_keeps_what_is_there():
    assert filled(SplitConfig, {"train": 0.7, "note": 1}) == {
        "train": 0.7,
        "note": 1,
        "seed": 0,
        "valid": 0.1,
        "test": 0.1,
    }
    given = {"seed": 3, "data": {"stride": 2}}
    whole = filled(TrainConfig, given)
    assert given == {"seed": 3, "data": {"stride": 2}}
    assert whole["seed"] == 3
    assert whole["data"]["stride"] == 2
    assert whole["data"]["split"] == filled(SplitConfig, {})
    assert "model" not in whole  # what has no default stays missing
    assert identity(whole, "", "cpu") == identity(filled(TrainConfig, whole), "", "cpu")


@pytest.fixture
def gpus(monkeypatch):
    def have(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


def accelerator(**values):
    return {"accelerator": filled(AcceleratorConfig, {"strategy": "ddp", **values})}


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_more_gpus_than_there_are(gpus, device):
    gpus(2)
    assert device_of(accelerator(device=device, devices=2)) == "cuda"
    with pytest.raises(UserError) as refused:
        device_of(accelerator(device=device, devices=4))
    assert str(refused.value) == (
        "accelerator.devices=4 asks for more GPUs than torch finds here (2): use "
        "accelerator.devices=2, or accelerator.device=cpu."
    )


def test_processes_on_the_cpu_are_not_counted(gpus):
    gpus(1)
    assert device_of(accelerator(device="cpu", devices=4)) == "cpu"
    gpus(0)
    assert device_of(accelerator(device="auto", devices=4)) == "cpu"

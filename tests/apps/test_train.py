"""The train command: a run, the same command again, and what the folder holds."""

from __future__ import annotations

import json

import yaml


def test_a_run_leaves_its_records(cli, tiny, tmp_path):
    result = cli("train", *tiny())
    assert result.code == 0, result.err
    (run_json,) = (tmp_path / "outputs").rglob("run.json")
    folder = run_json.parent
    record = json.loads(run_json.read_text())
    assert record["status"] == "finished"
    assert record["counters"] == {
        "updates": 12,
        "batches_seen": 12,
        "examples_seen": 384,
        "epochs": 2,
    }
    assert 0 < record["metrics"]["test/nll"] < 10
    assert folder.parent.name == "minibach-chorales"
    for name in ("config.yaml", "overrides.yaml", "metrics.csv", "dataset_card.json"):
        assert (folder / name).stat().st_size > 0
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["network"]["hidden"] == [8]
    manifest = json.loads((folder / "split_manifest.json").read_text())
    assert manifest["hash"] == record["data"]["split_manifest"]


def test_the_same_command_again_does_nothing(cli, tiny, tmp_path):
    first = cli("train", *tiny())
    assert first.code == 0, first.err
    (run_json,) = (tmp_path / "outputs").rglob("run.json")
    before = run_json.read_bytes()
    again = cli("train", *tiny("logger=none", "trainer.log_every=3"))
    assert again.code == 0, again.err
    assert "already finished" in again.err + again.out
    assert run_json.read_bytes() == before

"""The summary of a run: its metrics and its folder, whatever the folder is called."""

from __future__ import annotations

import pytest

from partimento.apps.summary import print_summary


@pytest.mark.parametrize("name", ["o [", "[/b]", "[red]", "a [/b] c"])
def test_brackets_in_a_name_are_letters(cli, tiny, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    result = cli("train", *tiny(outputs=tmp_path / name))
    assert result.code == 0, result.err
    assert f"Run folder: {name}/minibach-chorales/" in result.out


def test_metrics_of_single_voices_stay_in_the_file(capsys, tmp_path):
    metrics = {"valid/nll": 0.5, "test/nll": 0.25, "test/accuracy/alto": 1.0}
    print_summary(tmp_path / "run", {"metrics": metrics})
    *lines, folder = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["test/nll", "0.2500"], ["valid/nll", "0.5000"]]
    assert folder.endswith("run")

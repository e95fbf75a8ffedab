"""A wrong job of a sweep: told in the table, while the others run."""

from __future__ import annotations


def test_a_refused_job_does_not_end_the_others_of_a_sweep(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # short paths, so that the table has one line per job
    result = cli("train", *tiny(), "-m", "model.hidden=[-8],[8]")
    assert result.code == 1
    (run,) = (tmp_path / "outputs").rglob("run.json")
    rows = [line for line in result.out.splitlines() if line.startswith("│")]
    refused = [row for row in rows if "model.hidden=[-8]" in row]
    trained = [row for row in rows if "model.hidden=[8]" in row]
    assert "model.hidden[0]=-8 is wrong: input should be greater than 0." in refused[0]
    assert " failed " in refused[0]
    assert str(run.parent.relative_to(tmp_path)) in trained[0]
    assert " finished " in trained[0]
    assert "2 jobs, 1 failed" in result.out
    assert "Traceback" not in result.out + result.err
    assert "model.hidden[0]=-8 is wrong" in result.sentence


def test_a_sweep_over_an_unknown_option_does_not_begin(cli, tiny, tmp_path):
    result = cli("train", *tiny(), "-m", "model=minibach,minbach")
    assert result.code == 1
    assert result.sentence == (
        "partimento: config group 'model' has no option 'minbach'. Did you mean 'minibach'?"
    )
    assert not list((tmp_path / "outputs").rglob("run.json"))

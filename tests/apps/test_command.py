"""The wrapper of the commands: help without heavy imports, dispatch, exit codes, sentences."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from partimento.apps import main
from partimento.apps.command import report
from partimento.apps.sentences import cause_of, known_keys, option_names, origin_of, sentence_of
from partimento.errors import Interrupted, UserError

HEAVY = ("torch", "pytorch_lightning", "lightning", "wandb", "muspy", "music21", "matplotlib")
PROBE = """
import json, sys
from partimento.apps.main import main
try:
    main()
except SystemExit as exit_:
    heavy = sorted({name.partition(".")[0] for name in sys.modules} & set(%r))
    print(json.dumps({"code": exit_.code, "heavy": heavy}))
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], "usage: partimento COMMAND"),
        (["train", "--help"], "== Configuration groups =="),
        (["train", "--cfg", "job"], "max_epochs: "),
        (["generate", "--help"], "== Configuration groups =="),
    ],
    ids=["program", "train", "train config", "generate"],
)
def test_help_does_not_wait_for_heavy_packages(arguments, shown):
    done = subprocess.run(
        [sys.executable, "-c", PROBE % (HEAVY,), *arguments], capture_output=True, text=True
    )
    *text, last = done.stdout.splitlines()
    assert json.loads(last) == {"code": 0, "heavy": []}, done.stderr
    assert any(shown in line for line in text)
    assert done.stderr == ""


def test_the_program_lists_its_commands(capsys, monkeypatch):
    for arguments in ([], ["--help"], ["-h"]):
        monkeypatch.setattr(sys, "argv", ["partimento", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        assert stopped.value.code == 0
        out = capsys.readouterr().out
        assert all(f"  {name}" in out for name in main.COMMANDS)


def test_an_unknown_command(cli):
    result = cli("tran")
    assert result.code == 1
    assert result.err == "partimento: no command 'tran'. Did you mean 'train'?\n"


def test_the_config_can_be_shown_without_a_run(cli, tiny, tmp_path):
    result = cli("train", *tiny("model.hidden=[12]"), "--cfg", "job", "--package", "model")
    assert result.code == 0
    assert "- 12" in result.out
    assert not (tmp_path / "outputs").exists()


def test_a_flag_between_overrides_is_understood(cli, tiny, tmp_path):
    first, *rest = tiny("model=minbach")
    result = cli("train", first, "-m", *rest)
    assert result.code == 1
    assert result.sentence == (
        "partimento: config group 'model' has no option 'minbach'. Did you mean 'minibach'?"
    )


def test_interruptions_have_a_code_of_their_own(capsys):
    for error in (Interrupted(), KeyboardInterrupt()):
        assert report(error, [], "train") == 130
        err = capsys.readouterr().err
        assert err == "Interrupted. The same command goes on from the last checkpoint.\n"


def test_what_is_nobodys_mistake_is_told_in_one_line_with_a_way_to_see_more(capsys):
    assert report(ZeroDivisionError("division\nby zero"), [], "train") == 1
    assert capsys.readouterr().err == (
        "partimento: Unexpected ZeroDivisionError: division by zero (PARTIMENTO_DEBUG=1 shows the "
        "traceback)\n"
    )


def raised(inner, outer, *, explicit):
    """The outer error as it is raised after the inner one."""
    try:
        try:
            raise inner
        except Exception as error:
            if explicit:
                raise outer from error
            raise outer  # noqa: B904 - the implicit chain is the case
    except Exception as error:
        return error


@pytest.mark.parametrize("explicit", [True, False])
def test_a_users_mistake_is_found_beneath_other_errors(explicit):
    inner = UserError("The sentence.")
    error = raised(inner, RuntimeError("wrapped"), explicit=explicit)
    assert cause_of(error, UserError) is inner
    assert origin_of(error) is inner
    assert sentence_of(error, [], "train") == "The sentence."
    assert cause_of(error, KeyError) is None


def test_errors_of_the_file_system_name_the_place():
    error = PermissionError(13, "Permission denied", "/some/where")
    assert sentence_of(error, [], "train") == (
        "/some/where: permission denied; choose another place."
    )
    assert sentence_of(OSError("no number, no name"), [], "train") is None
    assert sentence_of(ValueError("anything"), [], "train") is None


def test_names_for_the_nearest_right_one():
    assert "minibach" in option_names("model")
    keys = known_keys("train")
    assert {"seed", "model.hidden", "trainer.max_epochs", "data.split.train"} <= set(keys)
    assert not any(key.startswith(("hydra", "defaults")) or "._" in key for key in keys)

"""Any file name goes through Hydra's grammar and OmegaConf's interpolations unchanged."""

from __future__ import annotations

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from partimento.apps.quoting import TRAIN_FREE_TEXT, quoted

PARSER = OverridesParser.create()
SIGNS = st.text(st.sampled_from(list("\\'\"${}[]()<>,=:;?*~#%@!&|+-. \t\naeé♯")), min_size=1)


def received(argument, free_text=("input",)):
    """What the composed config holds after an override from the command line."""
    override = PARSER.parse_override(quoted(argument, free_text))
    assert not override.is_sweep_override()
    config = OmegaConf.create({"input": None})
    OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    return OmegaConf.to_container(config, resolve=True)["input"]


def is_quoted(name):
    """True for what a person has already quoted: the quotes inside are escaped."""
    inner = name[1:-1]
    ends = len(name) > 1 and name[0] == name[-1] and name[0] in "'\""
    return (
        ends
        and not re.search(rf"(?<!\\)(\\\\)*{name[0]}", inner + "x")
        and not re.search(r"(?<!\\)(\\\\)*\\$", inner)
    )


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1) | SIGNS)
@example("Bach, J. S. (1685) – [Jesu, meine Freude] {BWV 227}.mid")
@example("Schöne Müllerin/F♯m 'live' \"take 2\".mid")
@example("C:\\music\\")
@example("\\'")
@example("\\\\\\'")
@example(" leading and trailing ")
@example("a=b=c")
@example("${oc.env:HOME}")
@example("\\${a}")
@example("\\\\${a}\\")
@example("'")
@example("'a','b'")
@example("null,null")
@example("3")
@example("true")
@example("[1,2]")
@example("choice(a,b)")
def test_any_file_name_arrives_as_it_is(name):
    assume(name not in ("null", "???") and not is_quoted(name))
    assert received(f"input={name}") == name


@pytest.mark.parametrize("key", ["input", "+input", "++input"])
def test_keys_that_are_added_are_quoted_too(key):
    assert quoted(f"{key}=a, b.mid", ["input"]) == f"{key}='a, b.mid'"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("input='my file, 2.mid'", "my file, 2.mid"),
        ('input="it\'s.mid"', "it's.mid"),
        ("input='it\\'s.mid'", "it's.mid"),
        ("input=null", None),
        ("input='null'", "null"),
        ("input=", ""),
    ],
)
def test_what_is_quoted_already_and_null_stay(argument, expected):
    assert quoted(argument, ["input"]) == argument
    assert received(argument) == expected


@pytest.mark.parametrize(
    "argument", ["model.hidden=[1,2]", "inputs=a b", "-m", "--multirun", "input", "~input"]
)
def test_other_arguments_stay(argument):
    assert quoted(argument, ["input"]) == argument


def test_a_run_in_a_folder_with_an_awkward_name(cli, tiny, tmp_path):
    import partimento

    outputs = tmp_path / "Läufe (März), [1] = {a} 'b' $x"
    result = cli("train", *tiny("trainer.max_epochs=1", outputs=outputs))
    assert result.code == 0, result.err
    (run_json,) = outputs.rglob("run.json")
    before = run_json.read_bytes()
    assert "paths.outputs" in TRAIN_FREE_TEXT
    record = partimento.train(tiny("trainer.max_epochs=1", outputs=outputs))
    assert record["status"] == "finished"
    assert run_json.read_bytes() == before
    assert partimento.load(run_json.parent).config["paths"]["outputs"] == str(outputs)

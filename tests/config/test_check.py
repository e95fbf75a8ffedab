"""The check of a config, key by key: what it refuses, how it says so, and what it lets pass."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir

from partimento.apps.composition import register_resolvers
from partimento.config import EvaluateConfig, check, conf_dir, plain
from partimento.config.check import keys_of, references_of
from partimento.errors import UserError


def composed(*overrides, config_name="train"):
    """The raw and the resolved config of some overrides."""
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return plain(compose(config_name, overrides=list(overrides)))


@pytest.fixture(scope="module")
def default():
    return composed()


def changed(node, path, value):
    """A copy of nested mappings with one value changed or, where it is None, taken away."""
    key, _, rest = path.partition(".")
    if rest:
        return {**node, key: changed(node.get(key, {}), rest, value)}
    return {k: v for k, v in {**node, key: value}.items() if k != key or value is not None}


def refusal(default, path, value):
    """The sentence with which a change of the default config is refused."""
    with pytest.raises(UserError) as refused:
        check(default[0], changed(default[1], path, value))
    return str(refused.value)


def options(group):
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


GROUPS = ("model", "dataset", "representation", "trainer", "strategy", "logger", "diagnostics")
SHIPPED = [(group, option) for group in GROUPS for option in options(group)]


@pytest.mark.parametrize(("group", "option"), SHIPPED)
def test_every_shipped_option_passes(group, option):
    needed = (conf_dir() / group / f"{option}.yaml").read_text()
    path = ["dataset.path=folder"] if "path: ???" in needed else []
    check(*composed(f"{group}={option}", *path))


def test_another_schema_for_another_command():
    values = {
        "run": "folder", "baselines": [], "count": None, "temperature": 1.0, "seed": 0,
        "cache": None, "trusted_packages": [],
    }  # fmt: skip
    check(values, values, EvaluateConfig)
    with pytest.raises(UserError, match=r"^Nothing reads runs=x\. Did you mean 'run'\?$"):
        check(values, {**values, "runs": "x"}, EvaluateConfig)
    with pytest.raises(UserError, match=r"^run=3 is wrong: input should be a valid string\.$"):
        check(values, {**values, "run": 3}, EvaluateConfig)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("extra", 1, "Nothing reads extra=1."),
        ("trainer.max_epoch", 3, "Nothing reads trainer.max_epoch=3. Did you mean 'trainer.max_ep"),
        ("model.network.hiden", [3], "Nothing reads model.network.hiden=[3]. Did you mean 'model."),
        ("trainer", 3, "trainer=3 is not a section with keys of its own."),
        ("trainer.monitor", 3, "trainer.monitor=3 is wrong: input should be a valid string."),
        ("data.split.seed", "a", "data.split.seed=a is wrong: input should be a valid integer."),
        ("model.network.dropout", 1, "model.network.dropout=1 is wrong: input should be less than"),
        ("model.network.activation", "rely", "model.network.activation=rely is wrong: input shou"),
        ("model.network.hidden", [3, "x"], "model.hidden[1]=x is wrong: input should be a valid"),
        ("model.network", 3, "model.network=3 is wrong: input should be callable."),
        ("model.metrics", {"a": 3}, 'model.metrics={"a": 3} is wrong: it takes objects, each writ'),
        (
            "logger.mine",
            3,
            "Nothing reads logger.mine=3: logger holds named nodes, each with a _ta",
        ),
        ("seed", None, "seed is missing: the config cannot do without it."),
        ("model", None, "model is missing: the config cannot do without it."),
        ("trusted_packages", "os", "trusted_packages=os is wrong: input should be a list, written"),
        (
            "logger.csv._target_",
            "torch.nn.ReLU",
            "logger.csv._target_=torch.nn.ReLU is refused: it",
        ),
        ("model.network._partial_", False, "model.network needs _partial_: true, since model buil"),
    ],
)
def test_a_fault_is_told_with_its_place(default, path, value, sentence):
    assert refusal(default, path, value).startswith(sentence)


def test_a_fault_is_told_where_the_user_can_mend_it(default):
    """`model.network.hidden` is `${..hidden}`: what is wrong is `model.hidden`."""
    assert references_of(default[0])["model.network.hidden"] == "model.hidden"
    assert refusal(default, "model.network.hidden", "abc").startswith("model.hidden=abc is wrong")


def test_long_values_are_shortened(default):
    sentence = refusal(default, "extra", list(range(1000)))
    assert sentence.startswith("Nothing reads extra=[0, 1, 2, ")
    assert "…" in sentence
    assert len(sentence) < 120


def test_a_key_that_only_an_interpolation_reads_is_read():
    raw, resolved = composed("+width=7", "model.hidden=['${width}']")
    assert resolved["model"]["network"]["hidden"] == [7]
    check(raw, resolved)
    raw, resolved = composed("+sizes.small=7", "model.hidden=['${sizes.small}']")
    check(raw, resolved)


def test_a_list_may_stand_for_a_tuple_but_no_text_for_a_number(default):
    check(default[0], changed(default[1], "model.given", ["bass", "alto"]))
    check(default[0], changed(default[1], "model.optimizer.lr", 1))  # an integer is a number
    assert "valid number" in refusal(default, "model.optimizer.lr", "1")
    assert "valid integer" in refusal(default, "trainer.batch_size", "8")
    assert "valid integer" in refusal(default, "trainer.batch_size", 8.0)
    assert "valid boolean" in refusal(default, "data.transpose", 1)


def test_references_are_resolved_to_full_names():
    raw = {
        "a": {"b": "${c.d}", "e": {"f": "${..b}", "g": "${.h}", "i": ["${...x}"]}},
        "plain": "$5 {not one}",
        "called": "${oc.env:HOME}",
    }
    assert references_of(raw) == {
        "a.b": "c.d",
        "a.e.f": "a.b",
        "a.e.g": "a.e.h",
        "a.e.i.0": "a.x",
    }


def test_keys_of_a_node_leave_out_hydras_own():
    node = {"_target_": "x", "a": {"_partial_": True, "b": 1}}
    assert list(keys_of(node, "n")) == ["n.a", "n.a.b"]

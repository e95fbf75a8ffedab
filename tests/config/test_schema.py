"""Sections as schemas, what they refuse, and what of them makes a run's identity."""

from __future__ import annotations

import copy
from dataclasses import fields

import pytest
import yaml

from partimento.config import (
    AcceleratorConfig,
    SplitConfig,
    TrainConfig,
    TrainerConfig,
    conf_dir,
    without_non_identity,
)
from partimento.config.schema import data_config, section
from partimento.errors import UserError
from partimento.runs import identity

RESOLVED = {
    "seed": 0,
    "model": {"name": "minibach", "hidden": [200]},
    "dataset": {"name": "chorales"},
    "representation": {"name": "multivoice", "bars": 4},
    "strategy": {"name": "single_step"},
    "diagnostics": {"samples": {"every": 10}},
    "data": {"split": {"seed": 0, "train": 0.8, "valid": 0.1, "test": 0.1}, "stride": 1},
    "trainer": {"max_epochs": 2, "batch_size": 8, "log_every": 50, "progress_bar": True},
    "accelerator": {"device": "auto", "devices": 1, "precision": "32-true", "threads": 2},
    "logger": {"csv": {}},
    "paths": {"outputs": "outputs", "cache": None},
    "resume": "auto",
    "trusted_packages": [],
    "group": None,
}


def changed(path, value):
    """The config with one value changed."""
    config = copy.deepcopy(RESOLVED)
    *parents, last = path.split(".")
    node = config
    for name in parents:
        node = node[name]
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("logger", {}),
        ("paths.outputs", "elsewhere"),
        ("paths.cache", "cache"),
        ("resume", "must"),
        ("trusted_packages", ["stranger"]),
        ("group", "sweep"),
        ("trainer.log_every", 3),
        ("trainer.checkpoint_every", 3),
        ("trainer.progress_bar", False),
    ],
)
def test_what_cannot_change_a_result_is_no_part_of_the_identity(path, value):
    other = changed(path, value)
    assert without_non_identity(other) == without_non_identity(RESOLVED)
    assert identity(other, "data", "cpu") == identity(RESOLVED, "data", "cpu")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("model.hidden", [100]),
        ("dataset.name", "others"),
        ("representation.bars", 2),
        ("strategy.name", "other"),
        ("diagnostics", {}),
        ("data.split.seed", 1),
        ("data.stride", 2),
        ("trainer.max_epochs", 3),
        ("trainer.batch_size", 16),
        ("trainer.monitor", "valid/accuracy"),
        ("accelerator.precision", "bf16-mixed"),
        ("accelerator.devices", 2),
        ("accelerator.threads", 1),
    ],
)
def test_what_can_change_a_result_is(path, value):
    other = changed(path, value)
    assert without_non_identity(other) != without_non_identity(RESOLVED)
    assert identity(other, "data", "cpu") != identity(RESOLVED, "data", "cpu")


def test_data_and_device_are_part_of_the_identity_and_auto_is_what_it_comes_to():
    base = identity(RESOLVED, "data", "cpu")
    assert identity(RESOLVED, "other data", "cpu") != base
    assert identity(RESOLVED, "data", "cuda") != base
    assert identity(changed("accelerator.device", "cpu"), "data", "cpu") == base


def test_every_key_of_the_primary_config_is_in_the_schema_or_hydras():
    config = yaml.safe_load((conf_dir() / "train.yaml").read_text())
    groups = {next(iter(entry)) for entry in config.pop("defaults") if isinstance(entry, dict)}
    known = {item.name for item in fields(TrainConfig)}
    assert known - {"logger", "diagnostics"} <= {*config, *groups}
    assert config.keys() - known == {"hydra"}
    assert groups - known == {"experiment"}


@pytest.mark.parametrize("group", ["trainer", "accelerator"])
def test_every_option_of_a_group_with_a_schema_names_its_keys(group):
    schema = {"trainer": TrainerConfig, "accelerator": AcceleratorConfig}[group]
    names = {item.name for item in fields(schema)}
    for path in (conf_dir() / group).glob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        whole = "defaults" not in values
        values.pop("defaults", None)
        assert values.keys() == names if whole else values.keys() <= names
        section(schema, values)


def test_fractions_that_do_not_sum_to_one():
    assert SplitConfig(train=0.7, valid=0.2, test=0.1).valid == 0.2
    with pytest.raises(
        UserError, match=r"^data\.split\.train=0\.5, valid=0\.1 and test=0\.1 .* 1, not 0\.7\.$"
    ):
        SplitConfig(train=0.5)


def test_several_devices_need_ddp():
    assert AcceleratorConfig(devices=2, strategy="ddp").devices == 2
    with pytest.raises(UserError, match=r"^accelerator\.devices=2 needs accelerator=ddp\.$"):
        AcceleratorConfig(devices=2)


def test_a_section_leaves_out_what_only_interpolations_read():
    assert section(TrainerConfig, {"max_epochs": 3, "mine": 1}) == TrainerConfig(max_epochs=3)
    assert data_config(RESOLVED).split == SplitConfig()


@pytest.mark.parametrize(
    ("schema", "path"),
    [(TrainerConfig, "trainer/default.yaml"), (AcceleratorConfig, "accelerator/auto.yaml")],
)
def test_defaults_in_python_are_those_of_the_yaml(schema, path):
    shipped = yaml.safe_load((conf_dir() / path).read_text())
    assert section(schema, shipped) == schema()
    assert shipped.keys() == {item.name for item in fields(schema)}

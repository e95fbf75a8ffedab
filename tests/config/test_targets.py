"""What a `_target_` may name, where it may stand, and how nodes are built."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
import torch
from annotated_types import Gt
from torch import nn
from torchmetrics import Metric

from partimento.config import instantiate, resolve_target
from partimento.config.targets import (
    allowed_types,
    asks_for_factory,
    expected_types,
    parameters_of,
    targets_of,
)
from partimento.errors import UserError
from partimento.losses import Objective, SoftmaxObjective
from partimento.models.feedforward import Feedforward
from partimento.networks import MLP

MLP_NODE = {"_target_": "partimento.networks.mlp.MLP", "hidden": [5]}
ADAM_NODE = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5}


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("partimento.models.feedforward.Feedforward", Feedforward),
        ("torch.nn.Linear", nn.Linear),
        ("torch.optim.Adam", torch.optim.Adam),
        ("torch.optim.lr_scheduler.StepLR", torch.optim.lr_scheduler.StepLR),
        ("partimento.losses.reconstruction.SoftmaxObjective", SoftmaxObjective),
    ],
)
def test_classes_of_allowed_types(target, kind):
    assert resolve_target("node", target) is kind


@pytest.mark.parametrize(
    "target",
    [
        *("torch.load", "torch.hub.load", "torch.save", "torch.compile", "torch.nn.init.normal_"),
        *("torch.utils.cpp_extension.load", "torch.Tensor", "torch.nn", "torch.classes"),
        *("partimento.load", "partimento.experiment.run", "partimento.errors.UserError"),
    ],
)
def test_nothing_else_of_a_trusted_package(target):
    with pytest.raises(
        UserError, match=rf"^node\._target_={target} is refused: it is not a class of an allowed"
    ):
        resolve_target("node", target)


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "subprocess.Popen", "builtins.eval", "pickle.loads", "shutil.rmtree"),
        *("torchvision.models.resnet18", "partimento_evil.Model", "hydra.utils.call"),
    ],
)
def test_nothing_of_another_package(target):
    package = target.split(".")[0]
    with pytest.raises(UserError, match=rf"refused: package '{package}' is not in trusted_package"):
        resolve_target("node", target)


def test_trust_is_of_whole_names_and_still_asks_for_a_class_of_an_allowed_type():
    with pytest.raises(UserError, match="package 'os' is not in trusted_packages"):
        resolve_target("node", "os.system", ["osx", "o", "sys"])
    with pytest.raises(UserError, match="not a class of an allowed type"):
        resolve_target("node", "os.system", ["os"])


@pytest.mark.parametrize("target", [None, 3, "", "Model", ["torch.nn.Linear"]])
def test_what_is_no_dotted_name(target):
    with pytest.raises(UserError, match="is refused: it must be the dotted name of a class"):
        resolve_target("node", target)


def test_expected_types_of_annotations():
    assert expected_types(nn.Module) == (nn.Module,)
    assert expected_types(Objective | None) == (Objective,)
    assert expected_types(Callable[..., nn.Module]) == (nn.Module,)
    assert expected_types(Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]) == (
        torch.optim.Optimizer,
    )
    assert expected_types(Mapping[str, Metric] | None) == (Metric,)
    assert expected_types(Sequence[Callable[[nn.Module], Metric]]) == (Metric,)
    assert expected_types(Annotated[nn.Module, "a network"]) == (nn.Module,)
    for annotation in (Any, int, Annotated[int, Gt(0)], Literal["a", "b"], Sequence[int], None):
        assert expected_types(annotation) == ()


def test_which_annotations_ask_for_a_factory():
    assert asks_for_factory(Callable[..., nn.Module])
    assert asks_for_factory(Callable[..., nn.Module] | None)
    assert not asks_for_factory(nn.Module)
    assert not asks_for_factory(nn.Module | Callable[..., nn.Module])
    assert not asks_for_factory(Any)


def test_parameters_of_a_constructor():
    found = parameters_of(MLP)
    assert list(found) == [
        *("input_shape", "output_shape", "condition_shapes"),
        *("hidden", "activation", "normalisation", "dropout", "input_dropout"),
    ]
    assert found["normalisation"] == Literal["none", "batch", "layer"]
    assert None in parameters_of(nn.Module)  # takes any keyword


def test_targets_at_any_depth():
    node = {"_target_": "a.A", "b": [{"_target_": "b.B"}, {"c": {"_target_": "c.C"}}], "d": 1}
    assert list(targets_of(node, "n")) == [("n", "a.A"), ("n.b[0]", "b.B"), ("n.b[1].c", "c.C")]


def test_building_with_arguments_of_the_callers():
    network = instantiate(MLP_NODE, "net", input_shape=(3,), output_shape=(2,))
    assert isinstance(network, MLP)
    assert [p.shape for p in network.parameters()] == [(5, 3), (5,), (2, 5), (2,)]
    factory = instantiate(ADAM_NODE, "optimizer")
    assert isinstance(factory, functools.partial)
    assert factory(network.parameters()).defaults["lr"] == 0.5


def test_nodes_inside_a_node_are_built_and_labels_are_left_out():
    node = {
        "_target_": "torch.nn.ModuleList",
        "name": "two layers",
        "note": "only an interpolation reads this",
        "modules": [{**MLP_NODE, "input_shape": [3], "output_shape": [2]}] * 2,
    }
    built = instantiate(node, "net")
    assert [type(module) for module in built] == [MLP, MLP]


def test_arguments_of_the_callers_do_not_pass_through_hydra():
    given = {"_target_": "os.system", "command": "true"}
    module = instantiate({"_target_": "torch.nn.Identity"}, "net", anything=given)
    assert isinstance(module, nn.Identity)


@pytest.mark.parametrize(
    ("node", "where"),
    [
        ({"_target_": "torch.nn.Sequential", "arg": {"_target_": "os.system"}}, "node.arg"),
        ({"_target_": "torch.nn.ModuleList", "modules": [{"_target_": "os.system"}]}, "modules[0]"),
        ({"_target_": "torch.nn.ModuleDict", "modules": {"a": {"_target_": "os.abort"}}}, "ules.a"),
    ],
)
def test_a_forbidden_node_inside_a_node_is_refused_before_anything_is_built(
    node, where, monkeypatch
):
    def fail(*arguments, **keywords):
        raise AssertionError("something was built")

    monkeypatch.setattr("hydra.utils.instantiate", fail)
    with pytest.raises(UserError) as refused:
        instantiate(node, "node")
    assert f"{where}._target_=os." in str(refused.value)


def test_an_allowed_class_where_another_type_is_needed():
    node = {"_target_": "partimento.models.feedforward.Feedforward", "network": ADAM_NODE}
    with pytest.raises(
        UserError,
        match=r"^model\.network\._target_=torch\.optim\.Adam is refused: .*needed here \(Module\)",
    ):
        instantiate(node, "model")
    with pytest.raises(UserError, match=r"^model\._target_=torch.* needed here \(Model\)\.$"):
        instantiate({"_target_": "torch.nn.Identity"}, "model")
    with pytest.raises(UserError, match=r"^logger\.csv\._target_=torch.* here \(Logger\)\.$"):
        instantiate({"_target_": "torch.nn.Identity"}, "logger.csv")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"out_channels": 2}, "missing 1 required positional argument: 'kernel_size'"),
        (
            {"out_channels": 2, "kernel_size": 1, "groups": 2},
            "in_channels must be divisible by groups",
        ),
    ],
)
def test_a_constructor_that_refuses_its_arguments(arguments, reason):
    node = {"_target_": "torch.nn.Conv1d", "in_channels": 3, **arguments}
    with pytest.raises(UserError, match=rf"^net cannot be built: .*{reason}\.$"):
        instantiate(node, "net")


def test_the_sentence_of_a_constructor_is_kept():
    node = {"_target_": "partimento.generation.strategies.SingleStep", "temperature": -1}
    with pytest.raises(UserError, match=r"^strategy\.temperature must be 0 \(most probable\) or"):
        instantiate(node, "strategy")


def test_every_allowed_type_is_a_class_once():
    kinds = allowed_types()
    assert len(set(kinds)) == len(kinds) == 11


@pytest.mark.parametrize("resolver", ["oc.create:{_target_: torch.load, f: x}", "oc.env:HOME"])
def test_interpolations_in_a_resolved_node_are_mere_text(resolver):
    """A node that came with a checkpoint must not be evaluated anew."""
    node = {
        "_target_": "partimento.networks.mlp.MLP",
        "_partial_": True,
        "hidden": [f"${{{resolver}}}"],
    }
    factory = instantiate(node, "model.network")
    assert factory.keywords == {"hidden": [f"${{{resolver}}}"]}

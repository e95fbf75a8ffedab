"""A wrong config is refused before any work: one sentence, exit code 1, nothing written."""

from __future__ import annotations

import os
import textwrap

import pytest
import torch

ALLOWED = (
    "Model, Dataset, Representation, Strategy, Callback, Logger, Component, Module, Optimizer, "
    "LRScheduler, Metric"
)
TRUSTED = (
    "is not in trusted_packages, and only classes of partimento, torch, pytorch_lightning, "
    "torchmetrics and of the packages you list there are built."
)
VOICES = "soprano, alto, tenor, bass"
NAME_RULE = (
    "run folders are called after it, so it must be a word of letters, digits, '_', '-' and '.'."
)

UNKNOWN_NAMES = [
    ("model=minbach", "config group 'model' has no option 'minbach'. Did you mean 'minibach'?"),
    ("model/network=mpl", "config group 'model/network' has no option 'mpl'. Did you mean 'mlp'?"),
    ("diagnostics=null", "config group 'diagnostics' has no option 'null'."),
    ("model=3", "config group 'model' has no option '3'."),
    ("modle=minibach", "There is no config key 'modle'. Did you mean 'model'?"),
    ("acelerator=cpu", "There is no config key 'acelerator'. Did you mean 'accelerator'?"),
    ("model.hiden=[3]", "There is no config key 'model.hiden'. Did you mean 'model.hidden'?"),
    (
        "model.network.hiden=3",
        "There is no config key 'model.network.hiden'. Did you mean 'model.network.hidden'?",
    ),
    (
        "trainer.max_epoch=3",
        "There is no config key 'trainer.max_epoch'. Did you mean 'trainer.max_epochs'?",
    ),
    (
        "trainer.max_steps=3",
        "There is no config key 'trainer.max_steps': write trainer.max_updates, which counts "
        "updates of the model (of the generator, in adversarial training).",
    ),
    (
        "+trainer.accumulate_grad_batches=2",
        "There is no config key 'trainer.accumulate_grad_batches', since no model accumulates "
        "gradients, least of all two players that take turns: use a larger trainer.batch_size.",
    ),
    (
        "diagnostics.samples.every=3",
        "There is no config key 'diagnostics.samples.every' with the chosen option of the config "
        "group 'diagnostics': long and samples have it.",
    ),
]

UNREAD = [
    ("+extra=1", "Nothing reads extra=1."),
    ("+extra.foo=1", 'Nothing reads extra={"foo": 1}.'),
    ("+model.foo=1", "Nothing reads model.foo=1. Did you mean 'model."),
    ("+model.optimizer.foo=1", "Nothing reads model.optimizer.foo=1. Did you mean 'model.opt"),
    ("+trainer.foo=1", "Nothing reads trainer.foo=1. Did you mean 'trainer."),
    ("+trainer.max_epoch=3", "Nothing reads trainer.max_epoch=3. Did you mean 'trainer.max_epochs"),
    ("+logger.csv.foo=1", "Nothing reads logger.csv.foo=1. Did you mean 'logger.csv."),
    (
        "+logger.foo=1",
        "Nothing reads logger.foo=1: logger holds named nodes, each with a _target_.",
    ),
    ("+seed=1", "There already is a config key 'seed': write seed=… without the +."),
    ("~seed", "seed is missing: the config cannot do without it."),
]

WRONG_VALUES = [
    ("model.hidden=abc", "model.hidden=abc is wrong: input should be a list, written [a, b]."),
    ("model.hidden=[3,a]", "model.hidden[1]=a is wrong: input should be a valid integer."),
    ("model.hidden=[-4]", "model.hidden[0]=-4 is wrong: input should be greater than 0."),
    ("trainer.batch_size=2.5", "trainer.batch_size=2.5 is wrong: input should be a valid integer."),
    ("trainer.batch_size=true", "trainer.batch_size=true is wrong: input should be a valid int"),
    ("trainer.max_epochs=-1", "trainer.max_epochs=-1 is wrong: input should be greater than 0."),
    ("seed=abc", "seed=abc is wrong: input should be a valid integer."),
    ("seed=-1", "seed=-1 is wrong: input should be greater than or equal to 0."),
    ("seed=null", "seed=null is wrong: input should be a valid integer."),
    (
        "accelerator.precision=33",
        "accelerator.precision=33 is wrong: input should be '32-true', '16-mixed' or 'bf16-mixed'.",
    ),
    ("resume=maybe", "resume=maybe is wrong: input should be 'auto', 'must', 'never' or 'force'."),
    ("representation.bars=0", "representation.bars=0 is wrong: input should be greater than 0."),
    (
        "representation.steps_per_bar=6",
        "representation.steps_per_bar must be a multiple of 4 (16 for sixteenth notes), not 6.",
    ),
    ("data.stride=0", "data.stride=0 is wrong: input should be greater than 0."),
    ("strategy.temperature=-1", "strategy.temperature=-1 is wrong: input should be greater than"),
    ("model.optimizer.lr=-1", "model.optimizer cannot be built: Invalid learning rate: -1."),
    ("model.optimizer.lr=abc", "model.optimizer.lr=abc is wrong: input should be a valid number."),
    (
        "model.given=[sopran]",
        "model.given names no voice 'sopran' of the representation. Did you mean 'soprano'?",
    ),
    (
        f"model.given=[{VOICES.replace(' ', '')}]",
        "model.given=['soprano', 'alto', 'tenor', 'bass'] must name at least one voice, each once, "
        f"and leave at least one of {VOICES} to predict.",
    ),
    ("model.given=[]", "model.given=[] must name at least one voice, each once, and leave"),
    (
        "data.split.train=0.5",
        "data.split.train=0.5, valid=0.1 and test=0.1 must sum to 1, not 0.7.",
    ),
    (
        "accelerator.precision=16-mixed",
        "accelerator.precision=16-mixed needs a GPU: on the CPU use bf16-mixed or 32-true.",
    ),
    ("accelerator.devices=2", "accelerator.devices=2 needs accelerator=ddp."),
    ("paths.outputs=null", "paths.outputs=null is wrong: input should be a valid string."),
    ("model.name=../../up", f"model.name=../../up is wrong: {NAME_RULE}"),
    ("dataset.name=null", f"dataset.name=null is wrong: {NAME_RULE}"),
    ("trusted_packages=abc", "trusted_packages=abc is wrong: input should be a list, written"),
    (
        "trainer.batch_size=1,2",
        "trainer.batch_size=1,2 is ambiguous: write trainer.batch_size=[1,2] for a list, or -m for "
        "a sweep.",
    ),
    (
        "model.hidden=${nothing}",
        "model.hidden has no usable value: Interpolation key 'nothing' not",
    ),
    ("trainer.max_epochs", "trainer.max_epochs cannot be read as an override: write key=value"),
    ("model.hidden=[3", "model.hidden=[3 cannot be read as an override: write key=value"),
    ("=3", "=3 cannot be read as an override: write key=value."),
]

TARGETS = [
    ("model._target_=os.system", f"refused: package 'os' {TRUSTED}"),
    ("model._target_=builtins.eval", f"refused: package 'builtins' {TRUSTED}"),
    ("model._target_=stranger.Model", f"refused: package 'stranger' {TRUSTED}"),
    ("logger.csv._target_=os.system", f"refused: package 'os' {TRUSTED}"),
    ("model._target_=torch.load", "refused: it is not a class of the type needed here (Model)."),
    ("model._target_=torch.hub.load", "refused: it is not a class of the type needed here (Model)"),
    ("model._target_=torch.optim.Adam", "refused: it is not a class of the type needed here (Mod"),
    ("model.network._target_=torch.load", "it is not a class of the type needed here (Module)."),
    ("model.network._target_=torch.optim.Adam", "not a class of the type needed here (Module)."),
    ("model.optimizer._target_=torch.nn.Linear", "a class of the type needed here (Optimizer)."),
    ("model.objective._target_=torch.nn.ReLU", "a class of the type needed here (Objective)."),
    ("strategy._target_=torch.nn.Linear", "not a class of the type needed here (Strategy)."),
    ("dataset._target_=torch.nn.Linear", "not a class of the type needed here (Dataset)."),
    ("logger.csv._target_=torch.nn.ReLU", "not a class of the type needed here (Logger)."),
    ("+diagnostics.x._target_=torch.nn.ReLU", "a class of the type needed here (Callback)."),
    ("+model.metrics._target_=torch.load", "a class of the type needed here (Metric)."),
    ("+model.distribution._target_=torch.load", f"a class of an allowed type ({ALLOWED})."),
    (
        "model._target_=partimento.models.nothing.Feedforward",
        "cannot be found: No module named 'partimento.models.nothing'.",
    ),
    (
        "model._target_=partimento.models.feedforward.Nothing",
        "cannot be found: module 'partimento.models.feedforward' has no attribute 'Nothing'.",
    ),
    ("model._target_=Feedforward", "refused: it must be the dotted name of a class."),
]

CASES = [*UNKNOWN_NAMES, *UNREAD, *WRONG_VALUES]


def assert_refused(result, expected, outputs):
    """One line from us, which is or begins with what is expected; and no trace of any work."""
    assert result.code == 1
    assert result.err.startswith(f"partimento: {expected}")
    assert result.err.count("\n") == 1
    assert result.err.rstrip().endswith((".", "?"))
    assert result.out == ""
    assert not outputs.exists()


@pytest.mark.parametrize(("override", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_wrong_override_is_told_in_a_sentence(cli, tiny, tmp_path, override, expected):
    assert_refused(cli("train", *tiny(override)), expected, tmp_path / "outputs")


@pytest.mark.parametrize(("override", "expected"), TARGETS, ids=[case[0] for case in TARGETS])
def test_a_forbidden_target_is_refused(cli, tiny, tmp_path, override, expected):
    result = cli("train", *tiny(override))
    assert_refused(result, override.lstrip("+"), tmp_path / "outputs")
    assert expected in result.err


def test_an_optimizer_that_is_no_factory_is_refused(cli, tiny, tmp_path):
    result = cli("train", *tiny("model.optimizer._partial_=false"))
    assert_refused(result, "model.optimizer needs _partial_: true", tmp_path / "outputs")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(cli, tiny, tmp_path):
    expected = (
        "accelerator.device=gpu asks for a GPU, but torch finds none here: use accelerator=cpu or "
        "accelerator=auto."
    )
    assert_refused(cli("train", *tiny("accelerator=gpu")), expected, tmp_path / "outputs")


def test_outputs_that_are_a_file(cli, tiny, tmp_path):
    place = tmp_path / "file"
    place.write_text("content")
    result = cli("train", *tiny(outputs=place))
    assert_refused(result, f"{place}/minibach-chorales/", tmp_path / "outputs")
    assert "not a directory; choose another place." in result.err
    assert place.read_text() == "content"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that refuses")
def test_outputs_that_cannot_be_written(cli, tiny, tmp_path):
    if os.geteuid() == 0:  # whom permissions do not stop
        place = "/proc/partimento"
    else:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        place = str(locked / "outputs")
    result = cli("train", *tiny(outputs=place))
    assert_refused(result, place.rsplit("/", 1)[0], tmp_path / "outputs")
    assert result.err.endswith("; choose another place.\n")
    assert not os.path.exists(place)


def test_a_refused_config_is_refused_in_python_as_in_the_shell(tiny, tmp_path):
    import partimento
    from partimento.errors import UserError

    with pytest.raises(UserError, match=r"^model\.hidden\[0\]=-4 is wrong: .* greater than 0\.$"):
        partimento.train(tiny("model.hidden=[-4]"))
    with pytest.raises(UserError, match=r"^config group 'model' has no option 'minbach'\."):
        partimento.train(tiny("model=minbach"))
    assert not (tmp_path / "outputs").exists()


TOKENS = '''
    """A stranger's representation: a piece as one sequence of pitches."""

    import numpy as np

    from partimento.distributions import Categorical
    from partimento.representations.base import Representation


    class Tokens(Representation):
        def __init__(self, length: int = 32) -> None:
            self.length = length
            self.distribution = Categorical(shape=(length,), sizes=[128])
            self.conditions = {}

        def encode(self, piece):
            return piece.pitch.astype(np.int64)

        def decode(self, x, frame=None):
            raise NotImplementedError

        def loss_of(self, piece):
            return {}

        def windows(self, piece, *, stride):
            return self.encode(piece)[None, : self.length]

        def transpositions(self, piece):
            return (0,)

        def metrics(self):
            return {}

        def arguments(self):
            return {"length": self.length}
'''


def test_a_model_that_does_not_go_with_the_representation(cli, tiny, tmp_path, monkeypatch):
    (tmp_path / "stranger_tokens.py").write_text(textwrap.dedent(TOKENS))
    conf = tmp_path / "conf" / "representation"
    conf.mkdir(parents=True)
    conf.joinpath("tokens.yaml").write_text("name: tokens\n_target_: stranger_tokens.Tokens\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = cli(
        "train",
        *tiny(
            f"hydra.searchpath=[file://{conf.parent}]",
            "trusted_packages=[stranger_tokens]",
            "representation=tokens",
        ),
    )
    expected = (
        "A feedforward harmoniser such as minibach needs a categorical grid with given voices; "
        "this representation is a token sequence. Try representation=multivoice.\n"
    )
    assert_refused(result, expected, tmp_path / "outputs")


def test_debug_mode_shows_the_traceback(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PARTIMENTO_DEBUG", "1")
    result = cli("train", *tiny("model.hidden=[-4]"))
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.err
    assert "partimento/config/check.py" in result.err
    assert result.sentence == (
        "partimento: model.hidden[0]=-4 is wrong: input should be greater than 0."
    )
    assert not (tmp_path / "outputs").exists()

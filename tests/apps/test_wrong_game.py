"""A game that cannot be played is refused before any work: one sentence, exit code 1, nothing written."""

from __future__ import annotations

import pytest

WEIGHTS = [
    (("model/penalties=r1", "model.penalties.r1.weight=-1"), "greater than or equal to 0."),
    (("model/penalties=r1", "model.penalties.r1.every=0"), "greater than 0."),
    (("model/penalties=gradient", "model.penalties.gradient.weight=-0.5"), "than or equal to 0."),
    (
        ("model/techniques=feature_matching", "model.techniques.feature_matching.weight=-1"),
        "greater than or equal to 0.",
    ),
    (
        ("model/techniques=mode_seeking", "model.techniques.mode_seeking.weight=-1"),
        "greater than 0.",
    ),
    (("model/techniques=unrolled", "model.techniques.unrolled.steps=-1"), "or equal to 0."),
    (("model/techniques=instance_noise", "model.techniques.instance_noise.scale=-1"), "than 0."),
    (("model/objective=wasserstein", "model.objective.clip=-1"), "greater than 0."),
    (("model/objective=began", "model.objective.rate=-1"), "greater than or equal to 0."),
    (("model.relaxation.temperature=0",), "greater than 0."),
    (("model.pack=0",), "greater than 0."),
]
BOTH = (
    "model.discriminator_steps and model.generator_steps both end in 0: nothing would be trained; "
    "let one of them be 1 or more."
)
BEGIN = (
    "model.discriminator_steps must say what is in force from iteration 0 on, such as "
    "{0: 1, 500: 0}."
)
STEPS = [
    (("model.discriminator_steps=-1",), "model.discriminator_steps=-1 is wrong: input should be"),
    (("model.generator_steps=-2",), "model.generator_steps=-2 is wrong: input should be"),
    (("model.discriminator_steps=1.5",), "model.discriminator_steps=1.5 is wrong: input should be"),
    (("model.discriminator_steps=0", "model.generator_steps=0"), BOTH),
    (("model.discriminator_steps={0:0}", "model.generator_steps={0:0}"), BOTH),
    (("model.discriminator_steps={0:1,5:0}", "model.generator_steps={0:1,3:0}"), BOTH),
    (
        ("model.discriminator_steps={0:1,5:-2}",),
        "model.discriminator_steps must be 0 or more at iterations from 0 on, not 5: -2.",
    ),
    (("model.discriminator_steps={5:2}",), BEGIN),
    (("model.discriminator_steps={}",), BEGIN),
]
PARTS = [
    (
        ("model/objective=began",),
        "model.objective=Began needs a discriminator that gives a reconstruction, but "
        "MLPDiscriminator gives a score.",
    ),
    (
        ("model/discriminator=autoencoder",),
        "model.objective=NonSaturating needs a discriminator that gives a score, but "
        "AutoencoderDiscriminator gives a reconstruction.",
    ),
    (
        ("model/objective=softmax",),
        "model.objective._target_=partimento.losses.reconstruction.SoftmaxObjective is refused:",
    ),
    (
        ("model/relaxation=reinforce", "dataset=ring", "representation=points"),
        "model.relaxation=Reinforce is for discrete music; real values, as this representation "
        "has, let gradients through: use model/relaxation=straight_through.",
    ),
    (
        ("model/relaxation=reinforce", "model/techniques=[instance_noise,unrolled]"),
        "model.techniques.unrolled (Unrolled) needs gradients through examples, which "
        "model.relaxation=Reinforce does without: leave one of them out.",
    ),
    (
        ("model/techniques=unrolled", "model.discriminator_optimizer._target_=torch.optim.NAdam"),
        "Unrolled in model.techniques follows the discriminator's optimizer, which must be SGD, "
        "Adam, AdamW or RMSprop, not NAdam.",
    ),
    (
        ("model/techniques=unroled",),
        "config group 'model/techniques' has no option 'unroled'. Did you mean 'unrolled'?",
    ),
]


def refused(cli, tiny, tmp_path, chosen, model="model=gan"):
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    result = cli("train", *kept, model, *chosen)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert result.err.rstrip().endswith((".", "?"))
    assert not (tmp_path / "outputs").exists()
    return result.err.removeprefix("partimento: ")


@pytest.mark.parametrize(("chosen", "end"), WEIGHTS, ids=[case[0][-1] for case in WEIGHTS])
def test_numbers_that_are_too_small(cli, tiny, tmp_path, chosen, end):
    sentence = refused(cli, tiny, tmp_path, chosen)
    assert sentence.startswith(f"{chosen[-1]} is wrong: input should be greater than")
    assert sentence.rstrip().endswith(end)


@pytest.mark.parametrize(
    ("chosen", "expected"), [*STEPS, *PARTS], ids=[case[0][-1] for case in (*STEPS, *PARTS)]
)
def test_a_game_that_cannot_be_played(cli, tiny, tmp_path, chosen, expected):
    assert refused(cli, tiny, tmp_path, chosen).startswith(expected)


def test_a_paradigm_that_moves_examples_takes_no_reward(cli, tiny, tmp_path):
    sentence = refused(cli, tiny, tmp_path, ("model/relaxation=reinforce",), "model=imle")
    assert sentence == (
        "model.relaxation=Reinforce gives no gradients through examples, which IMLE needs: use "
        "model/relaxation=softmax.\n"
    )

"""What `generate mix=…` makes: examples with the styles of two pieces, or of two codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from partimento.apps.made import Made
from partimento.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from partimento.generation.strategies import Strategy
    from partimento.loading import Trained


def asks_for_mixture(resolved: Mapping[str, Any]) -> bool:
    """Whether styles are to be mixed.

    Raises:
        UserError: When something else is asked for at the same time, or layers without a mixture.
    """
    if resolved["mix"] is None:
        if resolved["layers"] is not None:
            raise UserError(
                "layers=… says which layers take the second style of mix=[bwv:253,bwv:254]: give "
                "mix too, or leave layers out."
            )
        return False
    others = [
        name for name in ("count", "z", "chords", "bars", "priming") if resolved[name] is not None
    ]
    if resolved["interpolate"]["between"] is not None:
        others.append("interpolate.between")
    if others:
        raise UserError(
            f"mix=… says which styles, and so does {others[0]}=…: leave one of them out."
        )
    return True


def mixture(
    trained: Trained,
    resolved: Mapping[str, Any],
    strategy: Strategy,
    condition: Mapping[str, Tensor] | None,
) -> Made:
    """Return examples from the first style to the second, or with some layers of the second.

    Without `layers`, each example has one layer more of the second style, the finest first, so that
    the first and last are the two themselves; with `layers`: both, and the mixture.

    Raises:
        Mismatch: When the generator has no styles.
        UserError: When a piece has no window, or there is no such layer.
    """
    import torch

    from partimento.generation.inversion import music_of_styles
    from partimento.generation.styles import checked_layers, mixed_styles, style_network

    network = style_network(trained.model)
    layers = resolved["layers"]
    if layers is not None:
        checked_layers(layers, network, "layers")
    names = [str(source) for source in resolved["mix"]]
    first, second = (_style_of(trained, name, condition) for name in names)
    if layers is None:
        count = network.layers
        chosen = [list(range(count - taken, count)) for taken in range(count + 1)]
        told = "one more layer of the second each time, the finest first"
    else:
        chosen = [[], list(range(network.layers)), list(layers)]
        told = f"first, second, and the first with layers {layers} of the second"
    styles = torch.cat([mixed_styles(first, second, taken) for taken in chosen])
    temperature = getattr(strategy, "temperature", 0.0)
    x = music_of_styles(trained.model, styles, temperature=temperature, seed=resolved["seed"])
    stem = "-".join(["mix", *(re.sub(r"\W", "", name) for name in names)])
    if layers is not None:
        stem += "-layers-" + "-".join(map(str, layers))
    return Made(x, None, "mixture", stem, f"{names[0]} and {names[1]}: {told}")


def _style_of(trained: Trained, source: str, condition: Mapping[str, Tensor] | None) -> Tensor:
    """Return the styles `(1, layers, style)` of a seed's code, or of a piece's first window."""
    import torch

    from partimento.generation.inversion import invert
    from partimento.generation.styles import style_network
    from partimento.models.latent import generative

    network = style_network(trained.model)
    if re.fullmatch(r"\d+", source):
        model = generative(trained.model)
        own = (
            {n: d.features(condition[n]) for n, d in model.conditions.items()} if condition else {}
        )
        with torch.no_grad():
            return network.per_layer(network.styles(trained.codes(seed=int(source)), own))
    from partimento.datasets.inputs import read_input

    examples = trained.representation.windows(read_input(source), stride=1)
    if not len(examples):
        raise UserError(f"{source} has no full window of this representation: take a longer piece.")
    return invert(trained.model, torch.from_numpy(examples.x[:1])).styles

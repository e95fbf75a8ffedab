"""The two kinds of failure a person sees: a mistake of theirs, and an interruption they can resume from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's, told in one sentence: what is wrong, where, and what would be right."""


class Mismatch(UserError):
    """A model, representation and dataset that do not go together."""


class Interrupted(Exception):
    """Training stopped on request (Ctrl-C, SIGTERM) after its state was saved."""


def nearest(word: str, names: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """Return the name most like `word`, or None when none is near.

    A name whose last dotted component equals the last component of `word` wins over mere
    similarity of letters, so that `hidden` finds `model.hidden`.
    """
    names = sorted(set(names))
    tail = word.rsplit(".", 1)[-1]
    same_tail = [name for name in names if name.rsplit(".", 1)[-1] == tail and name != word]
    if same_tail:
        return min(same_tail, key=len)
    close = difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
    if close:
        return close[0]
    tails = {name.rsplit(".", 1)[-1]: name for name in reversed(names)}
    close = difflib.get_close_matches(tail, tails, n=1, cutoff=cutoff)
    return tails[close[0]] if close else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` or, when nothing is near, the list of what there is."""
    names = sorted(set(names))
    best = nearest(word, names)
    if best is not None:
        return f" Did you mean '{best}'?"
    # A whole config's keys are no answer to a slip of the pen; the options of a group are.
    return f" There is: {', '.join(names)}." if 0 < len(names) <= 12 else ""

"""The order in which the measures of an ABC voice are played: repeats, endings, ordered sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from partimento.formats.abc_header import AbcError, Signature

MAX_EVENTS = 100_000
"""Most notes and marks of a tune that are read, repeats played out."""


@dataclass(slots=True)
class Measure:
    """What stands between two bar lines of one voice.

    Attributes:
        metre: Beats and beat type in force; None: no metre.
        key: Key in force at its beginning.
        events: Notes, rests and marks in order, as `abc_music` makes them.
        sounds: Whether any event takes time.
        starts: How often the section is played that a |: opens here; 0: none does.
        plays: How often the section is played that a :| closes here; 0: none does.
        ending: Passes that play the variant ending that begins here.
        double: Whether it ends with a double or thick bar line.
        label: Section that a P: field opens here.
    """

    metre: tuple[int, int] | None
    key: Signature
    events: list[Any] = field(default_factory=list)
    sounds: bool = False
    starts: int = 0
    plays: int = 0
    ending: tuple[int, ...] = ()
    double: bool = False
    label: str = ""


class Chain(NamedTuple):
    """First, second, ... endings that follow each other: (begin, end, passes) each."""

    endings: tuple[tuple[int, int, tuple[int, ...]], ...]
    total: int

    @property
    def stop(self) -> int:
        return self.endings[-1][1]

    def plays_in(self, number: int) -> bool:
        return any(number in passes for _, _, passes in self.endings)


def play_order(measures: Sequence[Measure], order: Sequence[str] = ()) -> list[int]:
    """Return the indices of the measures as they are played.

    A :| without |: goes back to the last double bar line or end of a repeat (ABC 2.1, section 4.8).
    An ending that another follows goes back even where :| is left out. D.C. and D.S. are not
    followed.

    Args:
        measures: Measures as written.
        order: Labels of sections in the order in which a P: field has them played; ignored when
            one of them is not there.

    Raises:
        AbcError: When the music played out is too long.
    """
    sections = _sections(measures) if order else {}
    if order and all(label in sections for label in order):
        once = {
            label: [span.start + i for i in _expanded(measures[span])]
            for label, span in sections.items()
        }
        cost = {label: _cost(measures, indices) for label, indices in once.items()}
        if sum(cost[label] for label in order) > MAX_EVENTS:
            raise _too_long()
        return [index for label in order for index in once[label]]
    return _expanded(measures)


def _sections(measures: Sequence[Measure]) -> dict[str, slice]:
    """Return where each labelled section stands; of two with one label the first."""
    begins = [i for i, measure in enumerate(measures) if measure.label]
    found: dict[str, slice] = {}
    for begin, stop in pairwise([*begins, len(measures)]):
        found.setdefault(measures[begin].label, slice(begin, stop))
    return found


def _cost(measures: Sequence[Measure], played: Sequence[int]) -> int:
    return sum(1 + len(measures[index].events) for index in played)


def _too_long() -> AbcError:
    return AbcError(f"has more than {MAX_EVENTS:,} notes when its repeats are played out")


def _chains(measures: Sequence[Measure]) -> dict[int, Chain]:
    """Return for every measure that is in a variant ending the chain of endings it is in."""
    endings: list[tuple[int, int, tuple[int, ...]]] = []
    for begin, measure in enumerate(measures):
        if not measure.ending:
            continue
        stop = begin + 1
        while stop < len(measures) and not (
            measures[stop - 1].plays
            or measures[stop - 1].double
            or measures[stop].ending
            or measures[stop].starts
        ):
            stop += 1
        endings.append((begin, stop, measure.ending))
    chains: list[list[tuple[int, int, tuple[int, ...]]]] = []
    for ending in endings:
        # Another first ending begins another chain.
        if chains and chains[-1][-1][1] == ending[0] and 1 not in ending[2]:
            chains[-1].append(ending)
        else:
            chains.append([ending])
    found: dict[int, Chain] = {}
    for members in chains:
        stop = members[-1][1]
        closing = max(measures[i].plays for i in range(members[0][0], stop))
        total = max(closing, *(max(passes) for _, _, passes in members))
        found |= dict.fromkeys(range(members[0][0], stop), Chain(tuple(members), total))
    return found


class _Player:
    """Where the music stands: which pass of the section that begins at `start`."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self.measures = measures
        self.chains = _chains(measures)
        self.start, self.passing, self.opened = 0, 1, 0

    def leave(self, at: int) -> int:
        """Begin a new section at a measure."""
        self.start, self.passing, self.opened = at, 1, 0
        return at

    def again(self) -> int:
        """Go back to the beginning of the section."""
        self.passing += 1
        return self.start

    def skipped(self, at: int) -> int:
        """Return where to go instead when the ending that begins here is not for this pass."""
        chain = self.chains.get(at)
        ending = self.measures[at].ending
        if chain is None or not ending or self.passing in ending:
            return at
        if self.passing == 1 and not chain.plays_in(1):
            return at  # a second ending without a first is played as it stands
        return next(stop for begin, stop, _ in chain.endings if begin == at)

    def after(self, at: int) -> int:
        """Return the measure to be played after one, by its repeat sign or ending."""
        measure, following = self.measures[at], at + 1
        chain = self.chains.get(at)
        if chain is not None:
            if not any(stop == following for _, stop, _ in chain.endings):
                return following
            if self.passing == 1 and not chain.plays_in(1):
                return self.leave(following)
            return self.again() if self.passing < chain.total else self.leave(chain.stop)
        if measure.plays:
            # Endings may follow the sign: "|: A :|2 B" plays A A B.
            ahead = self.chains.get(following)
            if ahead is not None and ahead.plays_in(1):
                ahead = None
            total = max(measure.plays, self.opened, ahead.total if ahead else 0)
            if ahead is not None and self.passing > 1 and ahead.plays_in(self.passing):
                return following
            if self.passing < total:
                return self.again()
            return self.leave(ahead.stop if ahead else following)
        if measure.double and not self.opened:
            return self.leave(following)
        return following


def _expanded(measures: Sequence[Measure]) -> list[int]:
    """Return the play order of measures by their repeat signs and endings."""
    player, played, at, events = _Player(measures), [], 0, 0
    while at < len(measures):
        if measures[at].starts and at != player.start:
            player.leave(at)
        if measures[at].starts:
            player.opened = measures[at].starts
        place = player.skipped(at)
        if place != at:
            at = place
            continue
        played.append(at)
        events += 1 + len(measures[at].events)
        if events > MAX_EVENTS:
            raise _too_long()
        at = player.after(at)
    return played

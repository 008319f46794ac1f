"""Actions: the copies of a dataset, merged. The stages of the dedup definition, in order; the rules are in sql/.

Nearly every copy needs no more than a GROUP BY (sql/plain.sql). What could merge by key B, what an amendment names, and
keys whose copies lie further apart than the window go into a pool, copy by copy, and are resolved there. When nothing
can, the pool's stages are not run at all. Of few copies all go there: to find out which need it takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from truecount.datasets import Dataset
from truecount.vocabulary import BROWSER_SIDE, Mark, Source

from .scratch import Scratch, Sql

AMENDMENT: Final = "AppendValue"
"""The event that amends another's value and is no action of its own."""


Moment = Mapping[str, int]
"""A moment of the log: the last sequence number of each door that an answer looks at. Answers of one moment agree."""


def moment_of(store: Sql, dataset: Dataset) -> dict[str, int]:
    """Now, as the store has it."""
    rows = store.query_rows(
        "SELECT toString(door), max(seq) FROM copies WHERE dataset = {dataset:String} GROUP BY door",
        {"dataset": dataset.id},
    )
    return {str(door): int(seq) for door, seq in rows}


def whole_moment_of(store: Sql, dataset: Dataset) -> dict[str, int]:
    """The last moment of which all copies are there for sure: what the newest batch brings is not looked at.

    A batch of several months becomes visible month by month. It is noted before its copies come, and every earlier one
    is whole by then.
    """
    moment = moment_of(store, dataset)
    newest = store.query_rows(
        "SELECT door, argMax(first_seq, batch) FROM batches GROUP BY door "
        "HAVING max(batch) = (SELECT max(batch) FROM batches)"
    )
    for door, first_seq in newest:
        if str(door) in moment:
            moment[str(door)] = min(moment[str(door)], int(first_seq) - 1)
    return moment


class Profile(NamedTuple):
    """One row of profile.sql: what is alike in name, source, whether it has an id, marks, currency, door and period.

    `value_e4` is the sum of the copies in range; `currency` is as sent, `valued` tells whether a value came with it.
    `period` is how many of the edges that were given lie at or before its copies' event time.
    """

    event_name: str
    source: str
    bare: bool
    marks: int
    currency: str
    valued: bool
    door: str
    last_seq: int
    n: int
    in_range: int
    value_e4: int
    first_ms: int
    last_ms: int
    period: int


EVER_MS: Final = 2**62
"""Beyond any time that a copy can have."""
PLACE_BIAS_US: Final = 1 << 50
"""Places count microseconds from so long before 1970."""
LARGE: Final = 300_000
"""Copies from which on statements are compiled."""
WHOLE: Final = 100_000
"""Copies up to which all go into the pool (docs/decisions/0014)."""


ALL_SLICES: Final = {"all_slices": 1, "slice_names": [], "slice_from": "", "slice_until": "", "is_last_slice": 1}
"""Parameters of ids.sql when it reads all ids in one go."""


def left_out_marks(dataset: Dataset) -> int:
    """Bits of the marks whose copies form no action in this dataset. The server's own canary never does."""
    settings = dataset.settings
    marks = Mark.CANARY
    if not settings.count_bots:
        marks |= Mark.BOT
    if not settings.count_tools:
        marks |= Mark.TOOL
    if not settings.count_tests:
        marks |= Mark.TEST
    return int(marks)


def names_of_key_b(counts: Mapping[str, Mapping[tuple[bool, bool], int]]) -> set[str]:
    """The names of which key B could merge anything: with a browser copy and a server copy, one of them without an id.

    `counts` has copies of the website's class by name, and by whether they are the browser's and have no id.
    """
    return {
        name
        for name, of_name in counts.items()
        if (of_name.get((True, True)) and (of_name.get((False, True)) or of_name.get((False, False))))
        or (of_name.get((False, True)) and of_name.get((True, False)))
    }


class Actions(Scratch):
    """The actions of one dataset, as they are at one moment of the log. A context manager: leaving it drops its tables.

    `names` limits the work to copies of these events; dedup never looks across names. The range [since_ms, until_ms) is
    of event times; dedup itself always sees all copies, statements that count may use it. `moment` is what `moment_of`
    gave, for answers that are to agree with others; else it is now. `copies` names a table of some of the copies, in
    place of all. `periods` are edges that rows of the profile do not go across. `each` says that the answer is about
    actions one by one, not about sums. `amended` says that it is about values: where there are amendments, all events
    are looked at then, whatever `names` are, as an amendment may mean an action of another event.

    After `resolve`, statements can read `plain` (a row for each action outside the pool; rows with `long` set are
    none), `special` (each action of the pool) and `verdicts` (each copy of the pool). Where the answer `is_whole`,
    there is nothing but the pool.
    """

    def __init__(
        self,
        store: Sql,
        dataset: Dataset,
        names: Sequence[str] | None = None,
        *,
        since_ms: int = -EVER_MS,
        until_ms: int = EVER_MS,
        moment: Moment | None = None,
        copies: str = "copies",
        periods: Sequence[int] = (),
        each: bool = False,
        amended: bool = False,
    ) -> None:
        super().__init__(store)
        self.dataset = dataset
        self._each = each
        self.params |= {
            "copies": copies,
            "periods": list(periods),
            "dataset": dataset.id,
            "left_out_marks": left_out_marks(dataset),
            "all_names": int(names is None),
            "names": [*(names or ()), *([AMENDMENT] if amended else [])],
            "since_ms": since_ms,
            "until_ms": until_ms,
            **ALL_SLICES,
        }
        self.profile: list[Profile] = []
        self.any_offline = self.has_amendments = False
        self.is_whole = False
        """All copies go into the pool."""
        self._live = False
        """Whether key B may merge anything."""
        self._look(moment)
        if amended and self.has_amendments and names is not None:
            self.params["all_names"] = 1
            self._look(moment)

    def _look(self, moment: Moment | None) -> None:
        """Fix the moment: what the store holds then, or now, is what all that follows looks at."""
        self.params |= {
            "at_moment": int(moment is not None),
            "doors": sorted(moment or {}),
            "seqs": [seq + 1 for _, seq in sorted((moment or {}).items())],
        }
        self.profile = sorted(Profile(*row) for row in self.rows("profile"))
        last: dict[str, int] = {}
        for row in self.profile:
            last[row.door] = max(last.get(row.door, 0), int(row.last_seq))
        doors = sorted(last)
        currencies = sorted({row.currency for row in self.profile})
        self.params |= {
            "doors": doors,
            "seqs": [last[door] + 1 for door in doors],
            "ranks": list(range(1, len(doors) + 1)),
            "currencies": currencies,
            "units": list(range(1, len(currencies) + 1)),
            "pooled_names": [],
            "any_wanted": 0,
            "other_doors": 0,
        }
        self.any_offline = any(row.source == Source.OFFLINE for row in self.profile)
        self.has_amendments = any(row.event_name == AMENDMENT for row in self.profile)
        held = sum(row.n for row in self.profile)
        self.large = held > LARGE
        # Sums of keys that need no closer look come sooner without the pool.
        self.is_whole = held <= WHOLE and bool(self._each or self.has_amendments or self.names_of_key_b())
        self.others.clear()
        if self.is_whole:
            self.params["pooled_names"] = sorted({row.event_name for row in self.profile} - {AMENDMENT})
            self.others["listed"] = "listed_special"

    def place(self, received_us: int, door: str, seq: int, pos: int) -> int:
        """The place of a copy in the total order, as accepted.sql makes it. ValueError for a door without copies."""
        rank: int = self.params["doors"].index(door) + 1
        high = (received_us + PLACE_BIAS_US) << 12 | rank >> 4
        low = (rank << 40 | seq) << 20 | pos
        return high << 64 | low & (1 << 64) - 1

    def is_left_out(self, row: Profile) -> bool:
        """Whether the copies of this row form no action."""
        return bool(row.marks & int(self.params["left_out_marks"]))

    def want_key_b(self) -> None:
        """Want what key B could merge: a browser copy and a server copy of a name, one of the two without an id."""
        names = self.names_of_key_b()
        if not names:
            return
        if self.is_whole:
            self._live = True
            return
        self.put("live", "live_values", key_b_names=names)
        self._live = self.count("live") > 0
        if self._live:
            self.put("wanted", "wanted_by_value", key_b_names=names)
            self.params["pooled_names"] = sorted({*self.params["pooled_names"], *names})
        self.drop("live")

    @property
    def wants(self) -> bool:
        """Whether anything was wanted that is to be filled in."""
        return bool(self.params["pooled_names"])

    def want_places(self, table: str) -> None:
        """Want the keys of the copies whose places a scratch table holds, and those copies without a key."""
        if self.is_whole:
            return
        self.put("wanted", f"wanted_of_{table}")
        if self.any_offline:
            self.put("wanted", f"wanted_of_{table}_offline")
        names = self.ask("SELECT DISTINCT event_name FROM {wanted:Identifier}")
        self.params["pooled_names"] = sorted({*self.params["pooled_names"], *(str(name) for (name,) in names)})

    def fill(self, round_: int) -> None:
        """Put the copies that were wanted in this round into the pool."""
        if self.is_whole:
            if round_ == 1:
                self.put("pool", "pool_whole")
                if self.any_offline:
                    self.put("pool", "pool_whole_offline")
            return
        self.params["any_wanted"] = 1
        self.put("pool", "pool", round=round_)
        if self.any_offline:
            self.put("pool", "pool_offline", round=round_)

    def resolve(self) -> bool:
        """Resolve the pool. False when it is empty: then there is no `special` to read."""
        if not (self._any_counted() if self.is_whole else self.count("pool")):
            return False
        self.put("sessions", "sessions")
        if self._live:
            self._join_by_key_b()
        self.put("resolved", "resolved")
        self._let_go("pool", "sessions", "joins")
        return True

    def _any_counted(self) -> bool:
        return any(row.event_name != AMENDMENT and not self.is_left_out(row) for row in self.profile)

    def names_of_key_b(self) -> list[str]:
        """The names of which key B could merge anything, by what there is of them."""
        counts: dict[str, dict[tuple[bool, bool], int]] = {}
        for row in self._of_the_website():
            kind = (row.source in BROWSER_SIDE, bool(row.bare))
            of_name = counts.setdefault(row.event_name, {})
            of_name[kind] = of_name.get(kind, 0) + row.n
        return sorted(names_of_key_b(counts))

    def _of_the_website(self) -> Iterator[Profile]:
        for row in self.profile:
            is_other = row.source in (Source.OFFLINE, Source.MESSAGING) or row.event_name == AMENDMENT
            if not is_other and not self.is_left_out(row):
                yield row

    def _join_by_key_b(self) -> None:
        self.put("tokens", "tokens")
        if not self.count("tokens"):
            self.drop("tokens")
            return
        kinds = {(row.source in BROWSER_SIDE, bool(row.bare)) for row in self._of_the_website()}
        if (False, True) in kinds:
            self.put("joins", "joins_without_id")
        if {(True, True), (False, False)} <= kinds:
            self._join_with_id()
        self._let_go("tokens")

    def _join_with_id(self) -> None:
        self.put("edges", "edges")
        if self.count("edges"):
            self.put("items", "items")
            self.put("labels", "labels_start")
            self.put("claims", "claims_of_one_token")
            if self.count("labels"):
                self._spread_labels()
                self.put("claims", "claims_of_clusters")
            self.put("joins", "joins_with_id")
        self._let_go("edges", "items", "labels", "labels_next", "claims")

    def _let_go(self, *tables: str) -> None:
        """Give memory back that will not be needed again; a little of it is given back at the end."""
        if not self.is_whole:
            self.drop(*tables)

    def _spread_labels(self) -> None:
        """Let clusters find their label; each round halves the way that is left, and the last one changes nothing."""
        while True:
            self.put("labels_next", "labels_next")
            changed = self.ask(
                "SELECT count() FROM {labels:Identifier} AS a INNER JOIN {labels_next:Identifier} AS b "
                "ON a.place = b.place WHERE a.label != b.label"
            )
            self.swap("labels", "labels_next")
            self.empty("labels_next")
            if not int(changed[0][0]):
                return

"""Keeping rolled-up counts: built once for a dataset, and brought forward from moment to moment after that.

    generation = build(store, dataset, moment)
    generation = forward(store, dataset, generation, moment)   # None: build anew

One process at a time keeps the counts of a dataset; any number may read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, Actions, Moment, names_of_key_b
from truecount.resolve.scratch import DEDUP_COLUMNS, Scratch, Sql
from truecount.store.errors import StoreError
from truecount.vocabulary import BROWSER_SIDE, Mark, Source

from .adding import SLICE, add_all
from .basis import PACKAGE, Generation, basis_of, forget, is_ahead, newest_number

MOST_TOUCHED: Final = 1_000_000
"""Copies that are looked at to go forward: of more, the counts are built anew, in slices."""
MOST_OF_KEY_B: Final = 30_000_000
"""Copies of names that key B has a part in, more of which would not fit into memory: they are resolved together."""
MARKS: Final = {"bot": int(Mark.BOT), "tool": int(Mark.TOOL)}
NEWS_OF_CHANGES: Final = (
    "dataset", "generation", "kind", "step_ms", "event_name", "bucket_ms", "class", "door", "word", "rule",
    "n", "copies", "browser_copies", "limited", "value_e4", "left_out",
)  # fmt: skip
NEWS_OF_COPIES: Final = (
    "dataset", "generation", "kind", "step_ms", "event_name", "bucket_ms", "word",
    "n", "left_out", "counted_ids", "counted_bare", "bots", "tools",
    "with_em", "with_ph", "with_external_id", "with_fbp", "with_fbc", "with_strong", "with_event_id",
    "first_ms", "last_ms", "last_us",
)  # fmt: skip
_ONE_BLOCK: Final = (
    " SETTINGS max_threads = 1, max_insert_threads = 1, max_block_size = 4194304, "
    "min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 100000000000"
)
"""An insert of one block is one part, which is there as a whole or not at all."""


def build(
    store: Sql,
    dataset: Dataset,
    moment: Moment,
    *,
    slice_copies: int = SLICE,
    said: Callable[[float], None] | None = None,
) -> Generation:
    """Add up all copies of a dataset up to a moment of the log, in slices of the key.

    `said` hears the share that is done. Builds that were cut short, and what rests on something else, go.
    """
    number = newest_number(store, dataset) + 1
    tell = said or (lambda share: None)
    with Actions(store, dataset, moment=moment) as actions:

        def put_down(share: float) -> None:
            if actions.count("rolling"):
                with News(store, dataset, number) as news:
                    news.take_changes(actions)
                    news.put_down()
                actions.empty("rolling")
            tell(0.9 * share)

        add_all(actions, slice_copies=slice_copies, after_slice=put_down)
        into = f"rolled ({', '.join(NEWS_OF_COPIES)})"
        actions.do(
            f"INSERT INTO {into}\n{actions.statement('news_of_copies', PACKAGE)}",
            **MARKS,
            generation=number,
            **_since({}),
        )
        actions.flush()
        held = sum(row.n for row in actions.profile)
        merged = sum(row.n for row in actions.profile if row.event_name != AMENDMENT and not actions.is_left_out(row))
    with News(store, dataset, number) as news:
        news.check_built(held, merged)
        news.take_moment({}, moment)
        news.take_basis()
        news.put_down()
    forget(store, dataset.id, but=number)
    tell(1.0)
    return Generation(number, dict(moment))


def forward(
    store: Sql,
    dataset: Dataset,
    generation: Generation,
    moment: Moment,
    *,
    most_touched: int = MOST_TOUCHED,
    most_of_key_b: int = MOST_OF_KEY_B,
) -> Generation | None:
    """Bring the counts of a generation to a later moment. None where that is too much: when more than `most_touched`
    copies have to be looked at, or there are more than `most_of_key_b` of names that have to be counted in full.

    ValueError for a moment that lies before the generation's.
    """
    old = generation.moment
    if not is_ahead(moment, old):
        raise ValueError("counts go forward only: the moment lies before theirs")
    if dict(moment) == old:
        return generation
    with Touched(store, dataset, old, moment, most_touched) as touched, News(store, dataset, generation.number) as news:
        if not touched.take_fresh():
            return None
        if touched.names:
            news.take_copies(touched)
            of_key_b, has_amendments = copies_of_key_b(touched, news)
            in_full: list[str] | None = sorted(of_key_b.keys() & set(touched.names))
            if in_full and has_amendments:
                in_full = None  # they choose across names
            elif not touched.close_over(in_full or ()):
                return None
            elif of_key_b.keys() & (touched.reached() - set(in_full or ())):
                in_full = None  # an amendment led to a name of key B, of which more is touched than is at hand
            if sum(of_key_b[name] for name in of_key_b if in_full is None or name in in_full) > most_of_key_b:
                return None
            if in_full is None:
                news.take_back()
                with Actions(store, dataset, moment=moment) as actions:
                    add_all(actions)
                    news.take_changes(actions)
            else:
                if in_full:
                    news.take_back(in_full)
                    with Actions(store, dataset, in_full, moment=moment) as actions:
                        add_all(actions)
                        news.take_changes(actions)
                left = touched.left(in_full)
                for at, sign in ((old, -1), (moment, 1)) if left != [] else ():
                    with Actions(store, dataset, left, moment=at, copies=touched.table) as actions:
                        add_all(actions, sign)
                        news.take_changes(actions)
        news.take_moment(old, moment)
        news.put_down()
    return Generation(generation.number, dict(moment))


class DoesNotAddUp(StoreError):
    """What was built is not the sum of its copies."""


class Touched(Scratch):
    """The copies that came since a moment, and those whose verdict they may change: a scratch table like `copies`.

    It takes `most` copies, and one more that tells of too many.
    """

    def __init__(self, store: Sql, dataset: Dataset, old: Moment, new: Moment, most: int) -> None:
        super().__init__(store)
        self.dataset = dataset
        self._most = most
        self.params |= {"dataset": dataset.id, "limit": most + 1, **_until(new), **_since(old)}
        self.names: list[str] = []
        """Of the copies that came."""

    @property
    def table(self) -> str:
        """Its name, for others: all that was taken is there."""
        self.flush()
        return str(self.params["touched"])

    def take_fresh(self) -> bool:
        """Take the copies that came. False where they are too many."""
        self._take("fresh")
        self.names = sorted(self.reached())
        return self.count("touched") <= self._most

    def close_over(self, without: Sequence[str]) -> bool:
        """Take what shares a key with what is there, or is amended together with it. False where that is too much.

        Names in `without` are left out: they are counted in full.
        """
        self.params["without"] = list(without)
        self._take("of_touched_ids")
        self._take("of_touched_offline")
        held = self.count("touched")
        while held <= self._most and self._has_amendments():
            self._take("amendments_of_touched")
            self._take("named_by_amendments")
            if self.count("touched") == held:
                break
            self._take("of_touched_ids")
            self._take("of_touched_offline")
            held = self.count("touched")
        return held <= self._most

    def left(self, in_full: Sequence[str]) -> list[str] | None:
        """The names to be looked at here, where some are counted in full; None: all."""
        if not in_full:
            return None
        return sorted(self.reached() - set(in_full))

    def reached(self) -> set[str]:
        """The names of all that is here."""
        rows = self.ask("SELECT DISTINCT toString(event_name) FROM {touched:Identifier}")
        return {str(name) for (name,) in rows}

    def _has_amendments(self) -> bool:
        sql = "SELECT 1 FROM copies WHERE dataset = {dataset:String} AND event_name = {name:String} LIMIT 1"
        return bool(self.ask(sql, name=AMENDMENT))

    def _take(self, statement: str) -> None:
        self.put("touched", statement, PACKAGE, DEDUP_COLUMNS)


class News(Scratch):
    """What is going to be put down in `rolled`, in one insert."""

    def __init__(self, store: Sql, dataset: Dataset, generation: int) -> None:
        super().__init__(store)
        self.dataset = dataset
        self.params |= {"dataset": dataset.id, "generation": generation}
        self.need("changes")
        self.need("news")

    def take_copies(self, touched: Touched) -> None:
        """The copies that came, by what they carry."""
        with Actions(self.store, self.dataset, copies=touched.table) as fresh:
            params = dict(fresh.params)
        self.put("news", "news_of_copies", PACKAGE, NEWS_OF_COPIES, **{**params, **self.params, **_since({}), **MARKS})

    def take_changes(self, actions: Actions) -> None:
        """What was added up in `actions`."""
        actions.need("rolling")
        actions.flush()
        self.put("changes", "changes", PACKAGE, rolling=actions.params["rolling"])
        self.flush()

    def take_back(self, names: Sequence[str] | None = None) -> None:
        """What these names, or all, counted for."""
        self.put("changes", "taken_back", PACKAGE, all_names=int(names is None), names=list(names or ()))

    def check_built(self, held: int, merged: int) -> None:
        """DoesNotAddUp unless the sums that were put down are of so many copies, of which so many form actions.

        An insert whose answer was lost may have been sent again. Without a basis what is there is not read, and goes.
        """
        rows = self.ask(
            "SELECT sumIf(n, kind = 'copy'), sumIf(copies, kind = 'action') FROM rolled "
            "WHERE dataset = {dataset:String} AND generation = {generation:UInt64} AND step_ms = 900000"
        )
        if [(int(a), int(b)) for a, b in rows] != [(held, merged)]:
            raise DoesNotAddUp("the sums of a dataset did not add up to its copies, and are made anew")

    def take_moment(self, old: Moment, new: Moment) -> None:
        for door, seq in sorted(new.items()):
            if n := seq - old.get(door, 0):
                self._row("moment", door, n)

    def take_basis(self) -> None:
        self._row("basis", basis_of(self.dataset), 1)

    def put_down(self) -> None:
        """Write all of it, at once."""
        self.put("news", "news_of_changes", PACKAGE, NEWS_OF_CHANGES)
        self.do(f"INSERT INTO rolled SELECT * FROM {{news:Identifier}}{_ONE_BLOCK}")
        self.flush()

    def _row(self, kind: str, word: str, n: int) -> None:
        self.do(
            "INSERT INTO {news:Identifier} (dataset, generation, kind, word, n) "
            "SELECT {dataset:String}, {generation:UInt64}, {kind:String}, {word:String}, {n:Int64}",
            kind=kind,
            word=word,
            n=n,
        )


def copies_of_key_b(touched: Touched, news: News) -> tuple[dict[str, int], bool]:
    """The names that key B may merge something of, each with its copies: no set of keys is closed there. Besides,
    whether the dataset has amendments, which choose across names.
    """
    rows = news.ask(
        "SELECT event_name, word, sum(counted_bare), sum(counted_ids) "
        "FROM (SELECT * FROM rolled UNION ALL SELECT * FROM {news:Identifier}) "
        "WHERE dataset = {dataset:String} AND generation = {generation:UInt64} "
        "AND kind = 'copy' AND step_ms = 900000 GROUP BY event_name, word"
    )
    counts: dict[str, dict[tuple[bool, bool], int]] = {}
    for name, source, bare, ids in rows:
        if name == AMENDMENT or source in (Source.OFFLINE, Source.MESSAGING):
            continue
        of_name = counts.setdefault(str(name), {})
        for is_bare, n in ((True, int(bare)), (False, int(ids))):
            key = (source in BROWSER_SIDE, is_bare)
            of_name[key] = of_name.get(key, 0) + n
    found = {name: sum(counts[name].values()) for name in names_of_key_b(counts)}
    return found, any(name == AMENDMENT for name, *_ in rows)


def _until(moment: Moment) -> dict[str, Any]:
    """Parameters for what lies at or before a moment."""
    return {"doors": sorted(moment), "seqs": [seq + 1 for _, seq in sorted(moment.items())]}


def _since(moment: Moment) -> dict[str, Any]:
    """Parameters for what lies after a moment."""
    return {"old_doors": sorted(moment), "old_seqs": [seq + 1 for _, seq in sorted(moment.items())]}

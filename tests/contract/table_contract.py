"""What every `Table` must do; a new adapter is a subclass with a fixture."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from chalicelib.errors import ConditionFailed, InvalidRequest
from chalicelib.ports.table import (
    MAX_BATCH_GET,
    MAX_ITEM_BYTES,
    MAX_PAGE_BYTES,
    MAX_PAGE_ITEMS,
    MAX_PARTITION_BYTES,
    MAX_SORT_BYTES,
    MAX_WRITE_BYTES,
    MAX_WRITE_OPERATIONS,
    Check,
    Delete,
    IndexName,
    Item,
    Key,
    Operation,
    Page,
    Put,
    Query,
    Table,
    TableName,
)
from tests.fakes.clock import HandClock

DOCUMENTS = TableName.DOCUMENTS
# One suite serves several adapters, and each example takes a partition of its own.
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
SORT_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_partitions = count()


def a_partition() -> str:
    """Give a partition that no other example uses."""
    return f"ten_{next(_partitions)}#doc"


def key(sort: str, partition: str = "ten_1#doc", table: TableName = DOCUMENTS) -> Key:
    """Give a key of the partition that most tests use."""
    return Key(table, partition, sort)


def sorts(items: Sequence[Item]) -> list[str]:
    """Give the items' sort keys, in their order."""
    return [item.key.sort for item in items]


def pages(table: Table, query: Query) -> Iterator[Page]:
    """Give page after page of *query*, to the last; a table that goes in circles fails the test."""
    cursor: str | None = query.cursor
    for _ in range(100):
        page = table.query(at(query, cursor))
        yield page
        cursor = page.cursor
        if cursor is None:
            return
    pytest.fail(f"{query} gives page after page without end")


def at(query: Query, cursor: str | None) -> Query:
    """Give *query*, going on at *cursor*."""
    return changed(query, cursor=cursor)


def changed(query: Query, **fields: object) -> Query:
    """Give *query* with other *fields*."""
    values = {name: getattr(query, name) for name in Query.__slots__} | fields
    return Query(**values)


class TableContract:
    """Subclass, and give the fixtures `clock` and `table` (empty at first)."""

    @pytest.fixture
    def clock(self) -> HandClock:
        """Give the clock that the table reads."""
        return HandClock()

    @pytest.fixture
    def table(self, clock: HandClock) -> Iterator[Table]:
        """Give an empty table."""
        raise NotImplementedError

    # get

    def test_an_item_is_given_back_as_it_was_written(self, table: Table) -> None:
        """Every field of an item survives, numbers as the same int or float."""
        data: dict[str, JsonValue] = {
            "int": 2**53 + 1,
            "negative": -7,
            "float": 0.1,
            "whole_float": 3.0,
            "tiny": 1e-30,
            "text": "Grüße, 世界 \U0001f44b \x00",
            "none": None,
            "flags": [True, False],
            "nested": {"list": [1, 2.5, "x", {}], "empty": ""},
        }
        item = Item(key("a"), data, version=7, expires_at=4_000_000_000, gsi1=("p1", "s1"), gsi2=("p2", "s2"))

        table.write(Put(item))

        found = table.get(key("a"))
        assert found == item
        assert found is not None
        assert [type(value) for value in found.data.values()] == [type(value) for value in data.values()]

    def test_a_missing_item_is_none(self, table: Table) -> None:
        """A key that nobody wrote gives None."""
        assert table.get(key("a")) is None

    def test_an_item_is_given_as_last_written(self, table: Table) -> None:
        """A put replaces the whole item, not only the fields it names."""
        table.write(Put(Item(key("a"), {"old": 1, "both": 1}, gsi1=("p", "s"))))
        table.write(Put(Item(key("a"), {"both": 2})))

        assert table.get(key("a")) == Item(key("a"), {"both": 2})

    def test_each_part_of_a_key_tells_items_apart(self, table: Table) -> None:
        """Table, partition and sort key name an item together."""
        keys = [
            key("a"),
            key("b"),
            key("a", partition="ten_2#doc"),
            key("a", table=TableName.RUNS),
        ]
        table.write(*[Put(Item(each, {"place": place})) for place, each in enumerate(keys)])

        assert [item.data["place"] for each in keys if (item := table.get(each))] == [0, 1, 2, 3]

    # batch_get

    def test_a_batch_gives_those_that_exist(self, table: Table) -> None:
        """Missing keys are left out, and any order will do."""
        table.write(*[Put(Item(key(sort), {"is": sort})) for sort in "abc"])
        table.write(Put(Item(key("a", table=TableName.RUNS), {})))

        found = table.batch_get([key("c"), key("missing"), key("a"), key("a", table=TableName.RUNS)])

        assert {(item.key.table, item.key.sort) for item in found} == {
            (DOCUMENTS, "a"),
            (DOCUMENTS, "c"),
            (TableName.RUNS, "a"),
        }

    def test_a_batch_of_nothing_is_empty(self, table: Table) -> None:
        """Asking for no keys gives no items."""
        assert list(table.batch_get([])) == []

    def test_a_full_batch_is_given_whole(self, table: Table) -> None:
        """The largest batch that may be asked for is answered completely."""
        keys = [key(f"{number:03d}") for number in range(MAX_BATCH_GET)]
        table.write(*[Put(Item(each, {})) for each in keys])

        assert {item.key for item in table.batch_get(keys)} == set(keys)

    def test_a_batch_over_the_limit_is_refused(self, table: Table) -> None:
        """One key more than the limit is refused."""
        with pytest.raises(InvalidRequest, match="101"):
            table.batch_get([key(str(number)) for number in range(MAX_BATCH_GET + 1)])

    def test_a_batch_with_a_key_twice_is_refused(self, table: Table) -> None:
        """The keys of a batch are distinct."""
        with pytest.raises(InvalidRequest, match="twice"):
            table.batch_get([key("a"), key("b"), key("a")])

    # write

    def test_a_write_does_all_its_operations(self, table: Table) -> None:
        """Puts, deletes and checks of one write happen together."""
        table.write(Put(Item(key("old"), {})), Put(Item(key("stays"), {}, version=3)))

        table.write(Put(Item(key("new"), {})), Delete(key("old")), Check(key("stays"), if_version=3), Check(key("no")))

        assert {item.key.sort for item in table.batch_get([key("new"), key("old"), key("stays")])} == {"new", "stays"}

    def test_writing_nothing_succeeds(self, table: Table) -> None:
        """A write without operations changes nothing."""
        table.write()

    @pytest.mark.parametrize(
        "failing",
        [
            Put(Item(key("there"), {}), if_absent=True),
            Put(Item(key("there"), {}), if_version=4),
            Put(Item(key("missing"), {}), if_version=0),
            Delete(key("there"), if_version=4),
            Delete(key("missing"), if_version=0),
            Check(key("there"), if_version=4),
            Check(key("there")),
            Check(key("missing"), if_version=0),
        ],
        ids=str,
    )
    def test_a_condition_that_fails_undoes_the_whole_write(self, table: Table, failing: Operation) -> None:
        """Nothing of a write is stored when one condition does not hold, and the error says which."""
        table.write(Put(Item(key("there"), {"kept": True}, version=3)))

        with pytest.raises(ConditionFailed) as raised:
            table.write(Put(Item(key("first"), {})), failing, Put(Item(key("last"), {})))

        assert raised.value.operation == 1
        assert table.get(key("first")) is None
        assert table.get(key("last")) is None
        assert table.get(key("there")) == Item(key("there"), {"kept": True}, version=3)

    def test_the_first_failing_operation_is_named(self, table: Table) -> None:
        """Of two conditions that fail, the error names the one that stands first."""
        with pytest.raises(ConditionFailed) as raised:
            table.write(Put(Item(key("a"), {})), Check(key("b"), if_version=1), Check(key("c"), if_version=1))

        assert raised.value.operation == 1

    @pytest.mark.parametrize(
        "holding",
        [
            Put(Item(key("missing"), {}), if_absent=True),
            Put(Item(key("there"), {}), if_version=3),
            Delete(key("there"), if_version=3),
            Check(key("there"), if_version=3),
            Check(key("missing")),
        ],
        ids=str,
    )
    def test_a_condition_that_holds_lets_the_write_pass(self, table: Table, holding: Operation) -> None:
        """A write happens when its conditions hold."""
        table.write(Put(Item(key("there"), {}, version=3)))

        table.write(holding, Put(Item(key("done"), {})))

        assert table.get(key("done")) is not None

    def test_the_version_is_written_as_it_stands(self, table: Table) -> None:
        """The store counts nothing by itself: the next version is the writer's choice."""
        table.write(Put(Item(key("a"), {}, version=5)))
        table.write(Put(Item(key("a"), {}, version=2), if_version=5))

        found = table.get(key("a"))
        assert found is not None
        assert found.version == 2

    def test_deleting_what_is_not_there_succeeds(self, table: Table) -> None:
        """A delete without a condition is the same done twice."""
        table.write(Put(Item(key("a"), {})))
        table.write(Delete(key("a")))
        table.write(Delete(key("a")))

        assert table.get(key("a")) is None

    def test_the_largest_write_passes(self, table: Table) -> None:
        """As many operations as the limit allows go together."""
        table.write(*[Put(Item(key(str(number)), {})) for number in range(MAX_WRITE_OPERATIONS)])

        assert table.get(key("99")) is not None

    def test_a_write_over_the_limit_is_refused(self, table: Table) -> None:
        """One operation more is refused, and none is done."""
        with pytest.raises(InvalidRequest, match="101"):
            table.write(*[Put(Item(key(str(number)), {})) for number in range(MAX_WRITE_OPERATIONS + 1)])

        assert table.get(key("0")) is None

    def test_a_key_twice_in_a_write_is_refused(self, table: Table) -> None:
        """The operations of a write are on distinct keys."""
        with pytest.raises(InvalidRequest, match="twice"):
            table.write(Put(Item(key("a"), {})), Delete(key("a")))

    def test_a_put_with_two_conditions_is_refused(self, table: Table) -> None:
        """Absent and of a version at once is never true."""
        with pytest.raises(InvalidRequest, match="both"):
            table.write(Put(Item(key("a"), {}), if_absent=True, if_version=1))

    def test_the_largest_item_passes_and_a_byte_more_does_not(self, table: Table) -> None:
        """An item's size is that of its JSON in UTF-8."""
        room = MAX_ITEM_BYTES - len('{"t":""}')
        largest = Item(key("a"), {"t": "é" * (room // 2) + "x" * (room % 2)})

        table.write(Put(largest))

        assert table.get(key("a")) == largest
        with pytest.raises(InvalidRequest, match="400001"):
            table.write(Put(Item(key("a"), {"t": "x" * (room + 1)})))

    def test_items_over_the_limit_together_are_refused(self, table: Table) -> None:
        """Items that are each small enough may be too many bytes for one write."""
        large = {"t": "x" * 390_000}
        count_over = MAX_WRITE_BYTES // 390_000 + 1

        with pytest.raises(InvalidRequest, match="in parts"):
            table.write(*[Put(Item(key(str(number)), large)) for number in range(count_over)])

        table.write(*[Put(Item(key(str(number)), large)) for number in range(count_over - 1)])

    @pytest.mark.parametrize("data", [{"n": float("nan")}, {"n": float("inf")}, {"t": "\ud800"}], ids=repr)
    def test_data_that_is_not_json_is_refused(self, table: Table, data: dict[str, JsonValue]) -> None:
        """What JSON in UTF-8 cannot carry is refused, not changed."""
        with pytest.raises(InvalidRequest):
            table.write(Put(Item(key("a"), data)))

    @pytest.mark.parametrize(
        "bad",
        [
            key(""),
            key("a", partition=""),
            key("é" * (MAX_SORT_BYTES // 2) + "x"),
            key("a", partition="é" * (MAX_PARTITION_BYTES // 2) + "x"),
            key("\udc80"),
        ],
        ids=["no sort", "no partition", "long sort", "long partition", "not UTF-8"],
    )
    def test_a_bad_key_is_refused(self, table: Table, bad: Key) -> None:
        """A key part is neither empty nor over its limit in UTF-8, in any call."""
        for operation in (Put(Item(bad, {})), Delete(bad), Check(bad)):
            with pytest.raises(InvalidRequest):
                table.write(operation)
        with pytest.raises(InvalidRequest):
            table.get(bad)
        with pytest.raises(InvalidRequest):
            table.batch_get([bad])

    def test_the_longest_key_passes(self, table: Table) -> None:
        """Keys of exactly the limits can be written and read."""
        longest = key("s" * MAX_SORT_BYTES, partition="p" * MAX_PARTITION_BYTES)

        table.write(Put(Item(longest, {})))

        assert table.get(longest) is not None

    @pytest.mark.parametrize("place", [("", "s"), ("p", ""), ("p" * 2049, "s"), ("p", "s" * 1025)])
    def test_a_bad_index_key_is_refused(self, table: Table, place: tuple[str, str]) -> None:
        """The keys of the secondary indexes have the same limits."""
        with pytest.raises(InvalidRequest):
            table.write(Put(Item(key("a"), {}, gsi1=place)))
        with pytest.raises(InvalidRequest):
            table.write(Put(Item(key("a"), {}, gsi2=place)))

    def test_of_many_writers_one_creates(self, table: Table) -> None:
        """When many threads put the same absent item at once, one wins."""
        start = threading.Barrier(8)

        def create(number: int) -> bool:
            start.wait()
            try:
                table.write(Put(Item(key("a"), {"by": number}), if_absent=True))
            except ConditionFailed:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1

    def test_no_update_by_version_is_lost(self, table: Table) -> None:
        """Threads that count up by version, and try again when they lose, miss none."""
        table.write(Put(Item(key("a"), {"count": 0})))

        def count_up(_: int) -> None:
            while True:
                found = table.get(key("a"))
                assert found is not None
                number = found.version + 1
                try:
                    table.write(Put(Item(key("a"), {"count": number}, version=number), if_version=found.version))
                except ConditionFailed:
                    continue
                return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count_up, range(40)))

        assert table.get(key("a")) == Item(key("a"), {"count": 40}, version=40)

    # expiry

    def test_an_expired_item_is_given_by_no_read(self, table: Table, clock: HandClock) -> None:
        """Get, batch and queries over every index agree that an item is gone once its time is over."""
        expires_at = int(clock.now().timestamp()) + 10
        table.write(Put(Item(key("a"), {}, expires_at=expires_at, gsi1=("p", "s"), gsi2=("p", "s"))))
        queries = [Query(DOCUMENTS, "ten_1#doc"), *[Query(DOCUMENTS, "p", index=index) for index in IndexName]]

        clock.advance(10)
        assert table.get(key("a")) is not None
        assert [sorts(table.query(query).items) for query in queries] == [["a"]] * 3

        clock.advance(1)
        assert table.get(key("a")) is None
        assert list(table.batch_get([key("a")])) == []
        assert [table.query(query) for query in queries] == [Page()] * 3

    def test_a_condition_takes_an_expired_item_for_absent(self, table: Table, clock: HandClock) -> None:
        """What no read gives does not stand in a writer's way either."""
        expired = Item(key("a"), {}, version=1, expires_at=int(clock.now().timestamp()) + 1)
        table.write(Put(expired))
        clock.advance(2)

        with pytest.raises(ConditionFailed):
            table.write(Delete(key("a"), if_version=1))
        table.write(Check(key("a")))
        table.write(Put(Item(key("a"), {"new": True}), if_absent=True))

        assert table.get(key("a")) == Item(key("a"), {"new": True})

    # query

    def test_a_query_gives_one_partition_in_order(self, table: Table) -> None:
        """Items come by sort key in UTF-8 order, and only those of the table and partition."""
        names = ["b", "a", "Z", "é", "\uffff", "\U00010000", "aa", "a#"]
        table.write(*[Put(Item(key(name), {})) for name in names])
        table.write(Put(Item(key("x", partition="ten_1#docs"), {})), Put(Item(key("x", table=TableName.RUNS), {})))

        found = table.query(Query(DOCUMENTS, "ten_1#doc"))

        assert sorts(found.items) == sorted(names, key=str.encode)
        assert found.cursor is None
        back = table.query(Query(DOCUMENTS, "ten_1#doc", descending=True))
        assert sorts(back.items) == sorted(names, key=str.encode, reverse=True)

    def test_a_query_of_an_empty_partition_is_empty(self, table: Table) -> None:
        """A partition that holds nothing gives an empty last page."""
        assert table.query(Query(DOCUMENTS, "nobody")) == Page()

    def test_a_prefix_narrows(self, table: Table) -> None:
        """Only sort keys that begin with the prefix come, read literally."""
        names = ["a", "a%", "a%b", "a_b", "ab", "a%\U0010ffff", "a&", "\U0010ffff", "\U0010ffffz", "\ud7ff1", "\ue0001"]
        table.write(*[Put(Item(key(name), {})) for name in names])

        for prefix in ("a", "a%", "a_", "zz", "\U0010ffff", "\ud7ff", "a%\U0010ffff", ""):
            found = table.query(Query(DOCUMENTS, "ten_1#doc", prefix=prefix))
            assert sorts(found.items) == sorted([name for name in names if name.startswith(prefix)], key=str.encode)

    def test_bounds_are_included(self, table: Table) -> None:
        """First and last belong to the slice; either may be missing."""
        table.write(*[Put(Item(key(sort), {})) for sort in "abcde"])

        def between(first: str | None, last: str | None) -> str:
            return "".join(sorts(table.query(Query(DOCUMENTS, "ten_1#doc", first=first, last=last)).items))

        assert between("b", "d") == "bcd"
        assert between("bb", "dd") == "cd"
        assert between("c", None) == "cde"
        assert between(None, "c") == "abc"

    def test_a_prefix_with_bounds_is_refused(self, table: Table) -> None:
        """A query is narrowed in one way."""
        with pytest.raises(InvalidRequest, match="both"):
            table.query(Query(DOCUMENTS, "ten_1#doc", prefix="a", first="b"))

    @pytest.mark.parametrize("limit", [0, -1, MAX_PAGE_ITEMS + 1])
    def test_a_limit_out_of_bounds_is_refused(self, table: Table, limit: int) -> None:
        """A page holds 1 to the limit."""
        with pytest.raises(InvalidRequest, match="limit"):
            table.query(Query(DOCUMENTS, "ten_1#doc", limit=limit))

    def test_an_index_orders_by_its_own_keys(self, table: Table) -> None:
        """A secondary index has its own partitions and order; items without its key are not in it."""
        table.write(
            Put(Item(key("1"), {}, gsi1=("p", "c"), gsi2=("q", "x"))),
            Put(Item(key("2"), {}, gsi1=("p", "a"), gsi2=("q", "y"))),
            Put(Item(key("3"), {}, gsi1=("other", "b"))),
            Put(Item(key("4"), {})),
            Put(Item(key("5", partition="ten_2#doc"), {}, gsi1=("p", "b"))),
            Put(Item(key("6", table=TableName.RUNS), {}, gsi1=("p", "b"))),
        )

        assert sorts(table.query(Query(DOCUMENTS, "p", index=IndexName.GSI1)).items) == ["2", "5", "1"]
        assert sorts(table.query(Query(DOCUMENTS, "q", index=IndexName.GSI2, descending=True)).items) == ["2", "1"]
        assert sorts(table.query(Query(DOCUMENTS, "p", index=IndexName.GSI1, prefix="b")).items) == ["5"]
        assert sorts(table.query(Query(DOCUMENTS, "p", index=IndexName.GSI1, first="b", last="c")).items) == ["5", "1"]

    def test_an_index_follows_what_is_written(self, table: Table) -> None:
        """An item moves within an index, and leaves it, as its index keys change."""
        index = Query(DOCUMENTS, "p", index=IndexName.GSI1)
        table.write(Put(Item(key("1"), {}, gsi1=("p", "a"))), Put(Item(key("2"), {}, gsi1=("p", "b"))))

        table.write(Put(Item(key("1"), {}, gsi1=("p", "c"))))
        assert sorts(table.query(index).items) == ["2", "1"]
        table.write(Put(Item(key("2"), {})))
        assert sorts(table.query(index).items) == ["1"]
        table.write(Delete(key("1")))
        assert table.query(index) == Page()

    def test_equal_sort_keys_come_by_primary_key(self, table: Table) -> None:
        """Where an index has the same sort key twice, partition and sort key decide."""
        keys = [key(sort, partition=partition) for partition in ("ten_1#b", "ten_1#a") for sort in ("2", "1", "3")]
        table.write(*[Put(Item(each, {}, gsi1=("p", "same"))) for each in keys])
        in_order = sorted((each.partition, each.sort) for each in keys)

        for descending in (False, True):
            query = Query(DOCUMENTS, "p", index=IndexName.GSI1, limit=2, descending=descending)
            found = [(item.key.partition, item.key.sort) for page in pages(table, query) for item in page.items]
            assert found == (in_order[::-1] if descending else in_order)

    def test_large_items_may_end_a_page_early(self, table: Table) -> None:
        """A page may hold fewer items than its limit and still have a next one; together they are complete."""
        table.write(*[Put(Item(key(str(number)), {"t": "x" * 390_000})) for number in range(6)])

        got = list(pages(table, Query(DOCUMENTS, "ten_1#doc")))

        assert [sort for page in got for sort in sorts(page.items)] == list("012345")
        assert all(len(page.items) * 390_000 <= MAX_PAGE_BYTES for page in got)

    # cursors

    @PROPERTY
    @given(
        names=st.sets(SORT_KEYS, max_size=12),
        limit=st.integers(1, 5),
        descending=st.booleans(),
        prefix=st.none() | SORT_KEYS.map(lambda text: text[:1]),
        index=st.none() | st.sampled_from(IndexName),
    )
    def test_paging_gives_each_item_exactly_once(
        self, table: Table, names: set[str], limit: int, descending: bool, prefix: str | None, index: IndexName | None
    ) -> None:
        """Whatever the limit, order, narrowing and index: the pages together are the whole slice, in order."""
        partition = a_partition()
        puts = [
            Put(Item(key(name, partition=partition), {}, gsi1=(partition, name), gsi2=(partition, name[:1])))
            for name in names
        ]
        table.write(*puts)
        query = Query(DOCUMENTS, partition, index=index, prefix=prefix, descending=descending, limit=limit)

        got = list(pages(table, query))

        def order(name: str) -> tuple[bytes, bytes]:
            return (name[:1] if index is IndexName.GSI2 else name).encode(), name.encode()

        def sorted_by(name: str) -> str:
            return name[:1] if index is IndexName.GSI2 else name

        wanted = [name for name in names if sorted_by(name).startswith(prefix or "")]
        found = [name for page in got for name in sorts(page.items)]
        assert found == sorted(wanted, key=order, reverse=descending)
        assert all(len(page.items) <= limit for page in got)

    @PROPERTY
    @given(data=st.data(), descending=st.booleans())
    def test_pages_hold_under_concurrent_writes(self, table: Table, data: st.DataObject, descending: bool) -> None:
        """What stands there throughout is given exactly once, whatever is written between the pages."""
        partition = a_partition()
        lasting = data.draw(st.sets(SORT_KEYS, max_size=10))
        passing = data.draw(st.sets(SORT_KEYS, max_size=10)) - lasting
        table.write(*[Put(Item(key(name, partition=partition), {})) for name in lasting])
        found: list[str] = []

        for page in pages(table, Query(DOCUMENTS, partition, limit=2, descending=descending)):
            found.extend(sorts(page.items))
            for name in data.draw(st.sets(st.sampled_from(sorted(passing)))) if passing else ():
                operation = data.draw(st.sampled_from(["put", "delete"]))
                each = key(name, partition=partition)
                table.write(Put(Item(each, {})) if operation == "put" else Delete(each))

        assert [name for name in found if name in lasting] == sorted(lasting, key=str.encode, reverse=descending)
        assert len(found) == len(set(found))

    def test_a_cursor_survives_the_item_it_ended_at(self, table: Table) -> None:
        """A page goes on rightly although the last item of the page before is gone."""
        table.write(*[Put(Item(key(sort), {})) for sort in "abcd"])
        query = Query(DOCUMENTS, "ten_1#doc", limit=2)
        first = table.query(query)

        table.write(Delete(key("b")))

        assert sorts(table.query(at(query, first.cursor)).items) == ["c", "d"]

    def test_a_cursor_serves_any_limit(self, table: Table) -> None:
        """The next page may be asked for in another size."""
        table.write(*[Put(Item(key(sort), {})) for sort in "abcd"])
        cursor = table.query(Query(DOCUMENTS, "ten_1#doc", limit=1)).cursor

        assert sorts(table.query(Query(DOCUMENTS, "ten_1#doc", limit=50, cursor=cursor)).items) == ["b", "c", "d"]

    @pytest.mark.parametrize(
        "other",
        [
            {"table": TableName.RUNS},
            {"partition": "ten_2#doc"},
            {"index": IndexName.GSI1},
            {"index": IndexName.GSI2},
            {"prefix": "a"},
            {"first": "a"},
            {"last": "z"},
            {"descending": True},
        ],
        ids=str,
    )
    def test_a_cursor_of_another_query_is_refused(self, table: Table, other: dict[str, object]) -> None:
        """A cursor is bound to table, partition, index, order and narrowing."""
        table.write(*[Put(Item(key(sort), {})) for sort in "abc"])
        query = Query(DOCUMENTS, "ten_1#doc", limit=1)
        cursor = table.query(query).cursor

        with pytest.raises(InvalidRequest, match="cursor"):
            table.query(changed(query, cursor=cursor, **other))

    @PROPERTY
    @given(cursor=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
    def test_a_cursor_that_nobody_gave_is_refused(self, table: Table, cursor: str) -> None:
        """Any text that is no cursor is the caller's error."""
        with pytest.raises(InvalidRequest, match="cursor"):
            table.query(Query(DOCUMENTS, "ten_1#doc", cursor=cursor))

    @PROPERTY
    @given(data=st.data())
    def test_a_changed_cursor_is_refused(self, table: Table, data: st.DataObject) -> None:
        """A cursor with one character changed, added or left out is refused."""
        partition = a_partition()
        table.write(*[Put(Item(key(sort, partition=partition), {})) for sort in "abc"])
        query = Query(DOCUMENTS, partition, limit=1)
        cursor = table.query(query).cursor
        assert cursor is not None
        place = data.draw(st.integers(0, len(cursor) - 1))
        character = data.draw(st.sampled_from("Az09-_=+/ é").filter(lambda new: new != cursor[place]))
        changed_cursor = data.draw(
            st.sampled_from(
                [
                    cursor[:place] + character + cursor[place + 1 :],
                    cursor[:place] + character + cursor[place:],
                    cursor[:place] + cursor[place + 1 :],
                ]
            )
        )

        with pytest.raises(InvalidRequest, match="cursor"):
            table.query(at(query, changed_cursor))

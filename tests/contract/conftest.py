"""Lets the suites of this folder explain failed assertions, and leaves what is slow over the wire to the drill."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f"tests.contract.{suite.stem}" for suite in Path(__file__).parent.glob("*_contract.py"))
)

_SLOW_OVER_THE_WIRE = {
    "test_pages_hold_under_concurrent_writes",
    "test_paging_gives_each_item_exactly_once",
    "test_a_changed_cursor_is_refused",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark properties that ask a server thousands of times; the same code answers in the other tests."""
    for item in items:
        if item.parent is not None and item.parent.name == "TestDynamoDbTable" and item.name in _SLOW_OVER_THE_WIRE:
            item.add_marker(pytest.mark.drill)

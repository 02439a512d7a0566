"""Leaves what is slow over the wire to the drill."""

import pytest

_SLOW_OVER_THE_WIRE = {
    "test_pages_hold_under_concurrent_writes",
    "test_paging_gives_each_item_exactly_once",
    "test_a_changed_cursor_is_refused",
    "test_a_list_gives_every_path_with_the_prefix_in_order",
}
_OVER_THE_WIRE = {"TestDynamoDbTable", "TestS3Blobs"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark properties that ask a server thousands of times; the same code answers in the other tests."""
    for item in items:
        if item.parent is not None and item.parent.name in _OVER_THE_WIRE and item.name in _SLOW_OVER_THE_WIRE:
            item.add_marker(pytest.mark.drill)

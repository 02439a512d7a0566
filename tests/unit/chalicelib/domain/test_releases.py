"""A release is named by its content."""

import json
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace
from typing import Any

import pytest

from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import GenerationSettings, ReleaseConfig, RetrievalSettings, Strategy

CONFIG = ReleaseConfig("handbook", 1, Recipe())


def test_equal_configurations_have_equal_ids_whatever_the_order_of_their_parameters() -> None:
    """Who wrote it down, and in which order, does not matter."""
    one = replace(CONFIG, recipe=Recipe(chunker=Component("structure", {"max_tokens": 1, "overlap_tokens": 2})))
    other = replace(CONFIG, recipe=Recipe(chunker=Component("structure", {"overlap_tokens": 2, "max_tokens": 1})))
    assert one.release_id == other.release_id


def test_every_field_that_decides_an_answer_changes_the_id() -> None:
    """Each leaf of the configuration is changed in turn; no two ids meet."""
    ids = [changed.release_id for changed in _with_each_leaf_changed(CONFIG)]
    assert len(ids) > 15
    assert len({*ids, CONFIG.release_id}) == len(ids) + 1


def test_the_canonical_text_writes_every_default_out() -> None:
    """Changing a default later does not change what an id means."""
    assert json.loads(CONFIG.canonical()) == json.loads(json.dumps(asdict(CONFIG)))
    assert '"strategy":"hybrid"' in CONFIG.canonical()


def test_an_id_has_the_form_of_an_identifier() -> None:
    """It fits where ids go."""
    assert CONFIG.release_id.startswith("rel_")
    assert len(CONFIG.release_id) == 44


def test_a_release_cannot_be_changed() -> None:
    """It is replaced, never edited."""
    with pytest.raises(FrozenInstanceError):
        CONFIG.index = "other"  # type: ignore[misc]


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    """NaN equals nothing, not even itself, so it can have no hash."""
    config = replace(CONFIG, answer=GenerationSettings(abstain_below=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        config.canonical()


def _with_each_leaf_changed(value: Any) -> list[Any]:
    changed = []
    for field in fields(value):
        inner = getattr(value, field.name)
        options = _with_each_leaf_changed(inner) if is_dataclass(inner) else [_other(inner)]
        changed += [replace(value, **{field.name: option}) for option in options]
    return changed


def _other(value: Any) -> Any:
    match value:
        case Strategy():
            return Strategy.DENSE
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case None:
            return "something"
        case tuple():
            return (*value, "another")
        case dict():
            return {**value, "another": 1}
    raise AssertionError(f"no other value for {value!r}")


def test_settings_are_part_of_what_is_compared() -> None:
    """A release with another strategy is another release."""
    dense = replace(CONFIG, retrieval=RetrievalSettings(strategy=Strategy.DENSE))
    assert dense.release_id != CONFIG.release_id

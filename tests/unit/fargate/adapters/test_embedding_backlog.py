"""Which texts go to the model together, and in which order."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

import pytest

from chalicelib.errors import Unavailable
from chalicelib.ports.models import Purpose
from fargate.adapters.embedding_backlog import EmbeddingBacklog, Group, WaitingText, padded_length

SEED = 11


def put(backlog: EmbeddingBacklog, lengths: Sequence[int], purpose: Purpose = Purpose.DOCUMENT) -> Group:
    """Line up texts of *lengths* tokens as one group."""
    group = Group([[0] * length for length in lengths])
    backlog.put(group.texts, purpose)
    return group


def lengths(batch: Sequence[WaitingText]) -> list[int]:
    """Say how long the texts of a batch are."""
    return [len(text.ids) for text in batch]


@pytest.mark.parametrize(("tokens", "padded"), [(2, 16), (16, 16), (17, 32), (255, 256), (256, 256)])
def test_lengths_are_padded_to_multiples_of_16(tokens: int, padded: int) -> None:
    """Sixteen lengths in all."""
    assert padded_length(tokens) == padded


def test_questions_go_first() -> None:
    """A question that came last is not behind a thousand chunks."""
    backlog = EmbeddingBacklog(256)
    put(backlog, [250] * 1_000)
    put(backlog, [10], Purpose.QUERY)
    assert lengths(backlog.take()) == [10]
    assert lengths(backlog.take()) == [250]


def test_the_oldest_goes_next_with_others_of_its_length() -> None:
    """Texts of one padded length share a batch, whoever handed them in, as long as they fit."""
    backlog = EmbeddingBacklog(64)
    put(backlog, [20, 60, 30])
    put(backlog, [25, 18])
    assert [lengths(backlog.take()) for _ in range(3)] == [[20, 30], [60], [25, 18]]


def test_a_text_longer_than_a_batch_goes_alone() -> None:
    """The bound is for batches of several texts."""
    backlog = EmbeddingBacklog(64)
    put(backlog, [250, 250])
    assert lengths(backlog.take()) == [250]


def test_every_text_is_taken_once() -> None:
    """Whatever the lengths, nothing is lost and nothing comes twice."""
    chance = random.Random(SEED)
    backlog = EmbeddingBacklog(256)
    groups = [put(backlog, chance.choices(range(2, 257), k=20), chance.choice(list(Purpose))) for _ in range(20)]
    taken: list[WaitingText] = []
    while len(taken) < 400:
        batch = backlog.take()
        assert len({padded_length(len(text.ids)) for text in batch}) == 1
        assert len(batch) * padded_length(len(batch[0].ids)) <= 256
        taken += batch
    assert set(taken) == {text for group in groups for text in group.texts}


def test_a_group_gets_its_vectors_in_order() -> None:
    """Its future is done with the last vector, whichever came first."""
    group = Group([[0], [0], [0]])
    group.deliver(2, b"c")
    group.deliver(0, b"a")
    assert not group.future.done()
    group.deliver(1, b"b")
    assert group.future.result(0) == [b"a", b"b", b"c"]


def test_texts_nobody_waits_for_are_dropped() -> None:
    """A caller that gave up costs no more computing."""
    backlog = EmbeddingBacklog(256)
    put(backlog, [250] * 50).future.cancel()
    put(backlog, [100])
    assert lengths(backlog.take()) == [100]


def test_a_vector_for_a_caller_that_gave_up_is_let_go() -> None:
    """It was in the model already when its caller left."""
    group = Group([[0]])
    group.future.cancel()
    group.deliver(0, b"a")
    group.fail(Unavailable("too late"))
    assert group.future.cancelled()


def test_taking_waits_for_a_text() -> None:
    """A worker sleeps until there is something to do."""
    backlog = EmbeddingBacklog(256)
    taken: list[int] = []
    worker = threading.Thread(target=lambda: taken.extend(lengths(backlog.take())))
    worker.start()
    put(backlog, [5])
    worker.join(5)
    assert taken == [5]


def test_closing_ends_everything() -> None:
    """Whoever waits hears of it, workers stop, and nothing more is taken in."""
    backlog = EmbeddingBacklog(256)
    group = put(backlog, [5, 100])
    backlog.close()
    assert backlog.take() == []
    with pytest.raises(Unavailable):
        group.future.result(0)
    with pytest.raises(Unavailable):
        put(backlog, [5])

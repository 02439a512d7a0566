"""What every `Queue` must do; a new adapter is a subclass with a fixture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import JsonValue

from chalicelib.errors import Conflict, InvalidRequest
from chalicelib.ports.queue import (
    MAX_BODY_BYTES,
    MAX_DELAY_S,
    MAX_DELIVERIES,
    MAX_LEASE_S,
    MAX_RECEIVE,
    Delivery,
    Depth,
    Queue,
    QueueName,
)
from tests.fakes.clock import HandClock

WORK = QueueName.INGESTION
NewQueue = Callable[[], Queue]


def kill(queue: Queue, clock: HandClock) -> None:
    """Borrow every message as often as it can be, without ever acknowledging one."""
    for _ in range(MAX_DELIVERIES + 1):  # SQS finds out that one is dead when it is asked for work
        while queue.receive(WORK, limit=MAX_RECEIVE, lease_s=10):
            pass
        clock.advance(11)


class QueueContract:
    """Subclass, and give the fixtures `clock` and `new_queue` (each call gives an empty queue)."""

    @pytest.fixture
    def clock(self) -> HandClock:
        """Give the clock that the queue reads."""
        return HandClock()

    @pytest.fixture
    def new_queue(self, clock: HandClock) -> NewQueue:
        """Give a maker of empty queues."""
        raise NotImplementedError

    @pytest.fixture
    def queue(self, new_queue: NewQueue) -> Queue:
        """Give an empty queue."""
        return new_queue()

    # send and receive

    def test_a_message_is_delivered_as_it_was_sent(self, queue: Queue) -> None:
        """The body survives, the id is the one that send gave, and deliveries count from 1."""
        body: dict[str, JsonValue] = {"job": "job_1", "n": 1, "f": 0.5, "nested": {"list": [None, True, "é\U0001f44b"]}}
        message_id = queue.send(WORK, body)

        (delivery,) = queue.receive(WORK)

        assert (delivery.message_id, delivery.body, delivery.attempt) == (message_id, body, 1)
        assert delivery.receipt

    def test_an_empty_queue_gives_nothing(self, queue: Queue) -> None:
        """Receiving from an empty queue returns at once, with nothing."""
        assert list(queue.receive(WORK)) == []

    def test_queues_are_apart(self, queue: Queue) -> None:
        """A message, its receipt and its dead letter belong to one queue."""
        queue.send(WORK, {})
        assert list(queue.receive(QueueName.EVALUATION)) == []
        (delivery,) = queue.receive(WORK)

        queue.ack(QueueName.EVALUATION, delivery.receipt)
        queue.release(QueueName.EVALUATION, delivery.receipt)

        assert queue.depth(WORK).leased == 1
        assert queue.depth(QueueName.EVALUATION) == Depth(0, 0, 0, 0.0)

    def test_the_oldest_comes_first(self, queue: Queue, clock: HandClock) -> None:
        """Messages come in the order they were sent in."""
        for number in range(12):
            queue.send(WORK, {"n": number})
            clock.advance(0.001)

        got = [delivery.body["n"] for _ in range(3) for delivery in queue.receive(WORK, limit=5)]

        assert got == list(range(12))

    def test_no_group_waits_for_the_backlog_of_another(self, queue: Queue) -> None:
        """A message of a group that has nothing on loan goes before the hundredth of a group that came earlier."""
        for number in range(100):
            queue.send(WORK, {"n": number}, group="busy")
        queue.send(WORK, {"n": "rare"}, group="rare")
        queue.send(WORK, {"n": "nobody's"})

        first = [delivery.body["n"] for delivery in queue.receive(WORK, limit=5)]

        assert set(first) == {0, 1, 2, "rare", "nobody's"}

    def test_groups_share_what_is_on_loan(self, queue: Queue) -> None:
        """The group with less on loan is served first, until both have the same."""
        for number in range(20):
            queue.send(WORK, {"n": number}, group="early")
        queue.receive(WORK, limit=4)
        for number in range(20):
            queue.send(WORK, {"n": 100 + number}, group="late")

        got = [delivery.body["n"] for delivery in queue.receive(WORK, limit=4)]
        then = [delivery.body["n"] for delivery in queue.receive(WORK, limit=4)]

        assert got == [100, 101, 102, 103]
        assert sorted(map(str, then)) == ["104", "105", "4", "5"]

    def test_what_a_group_acknowledged_no_longer_counts_against_it(self, queue: Queue, clock: HandClock) -> None:
        """Only what is on loan now counts: not what was done, given back, or whose lease ran out."""
        for number in range(6):
            queue.send(WORK, {"n": number}, group="early")
        done, back, _ = queue.receive(WORK, limit=3, lease_s=10)
        queue.ack(WORK, done.receipt)
        queue.release(WORK, back.receipt)
        clock.advance(11)
        queue.send(WORK, {"n": "late"}, group="late")

        assert [delivery.body["n"] for delivery in queue.receive(WORK, limit=1)] == [1]

    @pytest.mark.parametrize("group", ["", "a b", "a" * 129, "a#b"])
    def test_a_group_has_a_plain_name(self, queue: Queue, group: str) -> None:
        """What SQS would refuse is refused everywhere."""
        with pytest.raises(InvalidRequest, match="group"):
            queue.send(WORK, {}, group=group)

    def test_at_most_limit_messages_are_lent(self, queue: Queue) -> None:
        """One is lent when nothing else is asked for, and never more than asked for."""
        for number in range(5):
            queue.send(WORK, {"n": number})

        assert len(queue.receive(WORK)) == 1
        assert len(queue.receive(WORK, limit=3)) == 3
        assert len(queue.receive(WORK, limit=10)) == 1

    def test_a_lent_message_is_not_delivered_until_its_lease_ends(self, queue: Queue, clock: HandClock) -> None:
        """A lease hides the message for its time, then it is delivered again with another receipt."""
        queue.send(WORK, {})
        (first,) = queue.receive(WORK, lease_s=30)

        clock.advance(29)
        assert list(queue.receive(WORK)) == []
        clock.advance(1)
        (second,) = queue.receive(WORK)

        assert second.message_id == first.message_id
        assert second.receipt != first.receipt
        assert second.attempt == 2

    def test_a_delayed_message_waits(self, queue: Queue, clock: HandClock) -> None:
        """A message sent with a delay is delivered after it, not before."""
        queue.send(WORK, {}, delay_s=MAX_DELAY_S)

        clock.advance(MAX_DELAY_S - 1)
        assert list(queue.receive(WORK)) == []
        clock.advance(1)
        assert len(queue.receive(WORK)) == 1

    def test_the_largest_body_passes_and_a_byte_more_does_not(self, queue: Queue) -> None:
        """A body's size is that of its JSON in UTF-8."""
        room = MAX_BODY_BYTES - len('{"t":""}')
        queue.send(WORK, {"t": "é" * (room // 2) + "x" * (room % 2)})

        with pytest.raises(InvalidRequest, match="256001"):
            queue.send(WORK, {"t": "x" * (room + 1)})

        assert queue.depth(WORK).waiting == 1

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"], ids=repr)
    def test_a_body_that_is_not_json_is_refused(self, queue: Queue, value: float | str) -> None:
        """What JSON in UTF-8 cannot carry is refused, not changed."""
        with pytest.raises(InvalidRequest):
            queue.send(WORK, {"value": value})

    def test_numbers_out_of_bounds_are_refused(self, queue: Queue) -> None:
        """Delays, leases and limits have bounds, and nothing happens beyond them."""
        queue.send(WORK, {})
        (delivery,) = queue.receive(WORK)
        for delay_s in (-1, MAX_DELAY_S + 1, float("nan")):
            with pytest.raises(InvalidRequest, match="delay_s"):
                queue.send(WORK, {}, delay_s=delay_s)
            with pytest.raises(InvalidRequest, match="delay_s"):
                queue.release(WORK, delivery.receipt, delay_s=delay_s)
        for lease_s in (0, -1, MAX_LEASE_S + 1, float("nan")):
            with pytest.raises(InvalidRequest, match="lease_s"):
                queue.receive(WORK, lease_s=lease_s)
            with pytest.raises(InvalidRequest, match="lease_s"):
                queue.extend(WORK, delivery.receipt, lease_s)
        for limit in (0, MAX_RECEIVE + 1):
            with pytest.raises(InvalidRequest, match="limit"):
                queue.receive(WORK, limit=limit)
            with pytest.raises(InvalidRequest, match="limit"):
                queue.dead(WORK, limit=limit)

        assert queue.depth(WORK) == Depth(0, 1, 0, 0.0)

    # extend, ack, release

    def test_an_extended_lease_ends_later(self, queue: Queue, clock: HandClock) -> None:
        """The lease ends so long from the call, not from its old end."""
        queue.send(WORK, {})
        (delivery,) = queue.receive(WORK, lease_s=30)
        clock.advance(20)

        queue.extend(WORK, delivery.receipt, 30)

        clock.advance(29)
        assert list(queue.receive(WORK)) == []
        clock.advance(1)
        assert len(queue.receive(WORK)) == 1

    def test_a_lease_may_be_shortened(self, queue: Queue, clock: HandClock) -> None:
        """Extending to an earlier end than before gives the message back sooner."""
        queue.send(WORK, {})
        (delivery,) = queue.receive(WORK, lease_s=600)

        queue.extend(WORK, delivery.receipt, 5)

        clock.advance(5)
        assert len(queue.receive(WORK)) == 1

    def test_a_loan_that_is_over_cannot_be_extended(self, queue: Queue, clock: HandClock) -> None:
        """After its time, after a later delivery, after ack and after release, the worker is told so."""
        for _ in range(3):
            queue.send(WORK, {})
        lapsed, acked, released = queue.receive(WORK, limit=3, lease_s=10)
        queue.ack(WORK, acked.receipt)
        queue.release(WORK, released.receipt, delay_s=100)
        clock.advance(10)
        for delivery in (lapsed, acked, released, Delivery("msg", "nobody's", {}, 1)):
            with pytest.raises(Conflict):
                queue.extend(WORK, delivery.receipt, 10)

        (later,) = queue.receive(WORK, lease_s=10)
        with pytest.raises(Conflict):
            queue.extend(WORK, lapsed.receipt, 10)
        queue.extend(WORK, later.receipt, 10)

    def test_an_acknowledged_message_is_gone(self, queue: Queue, clock: HandClock) -> None:
        """Nothing is delivered again after ack, and ack may be said twice."""
        queue.send(WORK, {})
        (delivery,) = queue.receive(WORK, lease_s=10)

        queue.ack(WORK, delivery.receipt)
        queue.ack(WORK, delivery.receipt)

        clock.advance(MAX_LEASE_S)
        assert list(queue.receive(WORK)) == []
        assert queue.depth(WORK) == Depth(0, 0, 0, 0.0)

    def test_a_released_message_comes_back_after_its_delay(self, queue: Queue, clock: HandClock) -> None:
        """Release gives the message to the next worker, at once or later."""
        queue.send(WORK, {})
        (first,) = queue.receive(WORK, lease_s=600)
        queue.release(WORK, first.receipt)
        (second,) = queue.receive(WORK, lease_s=600)
        queue.release(WORK, second.receipt, delay_s=60)

        clock.advance(59)
        assert list(queue.receive(WORK)) == []
        clock.advance(1)
        (third,) = queue.receive(WORK)

        assert [first.attempt, second.attempt, third.attempt] == [1, 2, 3]

    def test_a_void_receipt_changes_nothing(self, queue: Queue, clock: HandClock) -> None:
        """A worker whose message was delivered to another can neither finish it nor give it back."""
        queue.send(WORK, {})
        (slow,) = queue.receive(WORK, lease_s=10)
        clock.advance(10)
        (quick,) = queue.receive(WORK, lease_s=10)

        for receipt in (slow.receipt, "nobody's", ""):
            queue.ack(WORK, receipt)
            queue.release(WORK, receipt)

        assert queue.depth(WORK) == Depth(0, 1, 0, 0.0)
        queue.extend(WORK, quick.receipt, 10)

    def test_what_lapsed_cannot_be_given_back(self, queue: Queue, clock: HandClock) -> None:
        """After its time a loan is over: giving the message back late does not keep it from the next worker."""
        queue.send(WORK, {})
        (slow,) = queue.receive(WORK, lease_s=10)
        clock.advance(10)

        queue.release(WORK, slow.receipt, delay_s=MAX_DELAY_S)

        assert len(queue.receive(WORK)) == 1

    # dead letters

    def test_a_message_never_acknowledged_becomes_a_dead_letter(self, queue: Queue, clock: HandClock) -> None:
        """After the last delivery's lease it is delivered no more, and kept to be looked at."""
        message_id = queue.send(WORK, {"poison": True})
        attempts = []
        for _ in range(MAX_DELIVERIES):
            (delivery,) = queue.receive(WORK, lease_s=10)
            attempts.append(delivery.attempt)
            assert queue.dead(WORK) == []
            clock.advance(10)

        assert list(queue.receive(WORK)) == []
        assert attempts == list(range(1, MAX_DELIVERIES + 1))
        for _ in range(2):
            (letter,) = queue.dead(WORK)
            assert (letter.message_id, letter.body, letter.attempt) == (message_id, {"poison": True}, MAX_DELIVERIES)
        assert queue.depth(WORK) == Depth(0, 0, 1, 0.0)

    def test_a_message_given_back_each_time_becomes_a_dead_letter(self, queue: Queue) -> None:
        """Releases count as deliveries too."""
        queue.send(WORK, {})
        for _ in range(MAX_DELIVERIES):
            (delivery,) = queue.receive(WORK)
            queue.release(WORK, delivery.receipt)

        assert list(queue.receive(WORK)) == []
        assert len(queue.dead(WORK)) == 1

    def test_an_ack_of_the_last_delivery_counts(self, queue: Queue, clock: HandClock) -> None:
        """A message acknowledged at its last delivery is no dead letter."""
        queue.send(WORK, {})
        for _ in range(MAX_DELIVERIES):
            clock.advance(10)
            (delivery,) = queue.receive(WORK, lease_s=10)

        queue.ack(WORK, delivery.receipt)

        clock.advance(10)
        assert queue.dead(WORK) == []

    def test_a_message_does_not_hold_up_others(self, queue: Queue, clock: HandClock) -> None:
        """What follows a message that always fails is delivered all the same."""
        queue.send(WORK, {"n": "poison"})
        kill(queue, clock)
        queue.send(WORK, {"n": "good"})

        assert [delivery.body["n"] for delivery in queue.receive(WORK, limit=10)] == ["good"]

    def test_dead_letters_are_given_up_to_the_limit(self, queue: Queue, clock: HandClock) -> None:
        """Looking shows at most as many as asked for."""
        for number in range(4):
            queue.send(WORK, {"n": number})
        kill(queue, clock)

        assert len(queue.dead(WORK, limit=3)) == 3
        assert sorted(str(letter.body["n"]) for letter in queue.dead(WORK)) == list("0123")

    def test_redriven_messages_start_anew(self, queue: Queue, clock: HandClock) -> None:
        """All dead letters come back with their deliveries forgotten, and only they."""
        sent = {queue.send(WORK, {"n": number}) for number in range(3)}
        kill(queue, clock)
        queue.send(WORK, {"n": "alive"}, delay_s=900)

        assert queue.redrive(WORK) == 3
        assert queue.redrive(WORK) == 0

        got = queue.receive(WORK, limit=10)
        assert {delivery.message_id for delivery in got} == sent
        assert {delivery.attempt for delivery in got} == {1}
        assert queue.depth(WORK) == Depth(1, 3, 0, 0.0)

    def test_redriving_makes_old_receipts_void(self, queue: Queue, clock: HandClock) -> None:
        """A worker of long ago cannot finish a message that starts anew."""
        queue.send(WORK, {})
        for _ in range(MAX_DELIVERIES):
            (delivery,) = queue.receive(WORK, lease_s=10)
            clock.advance(10)
        assert list(queue.receive(WORK)) == []
        assert queue.redrive(WORK) == 1

        queue.ack(WORK, delivery.receipt)

        assert len(queue.receive(WORK)) == 1

    # depth

    def test_depth_counts_what_is_where(self, queue: Queue, clock: HandClock) -> None:
        """Ready and delayed ones wait, lent ones are leased, and the oldest ready one has an age."""
        queue.send(WORK, {"n": "dead"})
        kill(queue, clock)
        queue.send(WORK, {"n": "leased"})
        queue.receive(WORK, lease_s=100)
        queue.send(WORK, {"n": "ready"})
        queue.send(WORK, {"n": "delayed"}, delay_s=500)
        clock.advance(40)

        assert queue.depth(WORK) == Depth(waiting=2, leased=1, dead=1, oldest_s=40.0)

    def test_a_lapsed_lease_counts_as_waiting(self, queue: Queue, clock: HandClock) -> None:
        """A message whose worker vanished is ready again, and as old as it is."""
        queue.send(WORK, {})
        queue.receive(WORK, lease_s=10)
        clock.advance(10)

        assert queue.depth(WORK) == Depth(1, 0, 0, 10.0)

    # many at once

    def test_threads_never_share_a_message(self, queue: Queue) -> None:
        """Many threads that send, receive and acknowledge get each message once."""

        def send(number: int) -> str:
            return queue.send(WORK, {"n": number})

        def drain(_: int) -> list[str]:
            got = []
            while deliveries := queue.receive(WORK, limit=3):
                for delivery in deliveries:
                    got.append(delivery.message_id)
                    queue.ack(WORK, delivery.receipt)
            return got

        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(send, range(60)))
            got = [message_id for part in pool.map(drain, range(8)) for message_id in part]

        assert Counter(got) == Counter(sent)

    def test_leases_hold_in_every_order_of_events(self, new_queue: NewQueue, clock: HandClock) -> None:
        """Held against a model over random histories: nothing is lost, nothing is lent twice at once."""

        class Machine(LeaseMachine):
            def __init__(self) -> None:
                super().__init__(new_queue(), clock)

        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=50, stateful_step_count=40, deadline=None, derandomize=True, database=None),
        )


class Loan:
    """What the model knows of a message."""

    def __init__(self, ready_at: float) -> None:
        self.ready_at = ready_at
        self.attempts = 0
        self.receipt: str | None = None


class LeaseMachine(RuleBasedStateMachine):
    """Does random things to a queue and to a model of it, which must agree after each step."""

    def __init__(self, queue: Queue, clock: HandClock) -> None:
        super().__init__()
        self.queue = queue
        self.clock = clock
        self.loans: dict[str, Loan] = {}
        self.receipts: list[str] = ["nobody's"]

    @initialize(count=st.integers(1, 4))
    def begin(self, count: int) -> None:
        """Start with some messages."""
        for _ in range(count):
            self.send(0)

    @rule(delay_s=st.sampled_from([0, 0, 5]))
    def send(self, delay_s: int) -> None:
        """Send a message."""
        message_id = self.queue.send(WORK, {"sent": len(self.loans)}, delay_s=delay_s)
        assert message_id not in self.loans
        self.loans[message_id] = Loan(self._now() + delay_s)

    @rule(limit=st.integers(1, 3), lease_s=st.sampled_from([10, 100]))
    def receive(self, limit: int, lease_s: int) -> None:
        """Borrow; only ready messages come, and as many as there are."""
        ready = {name for name, loan in self.loans.items() if self._ready(loan)}
        deliveries = self.queue.receive(WORK, limit=limit, lease_s=lease_s)
        assert len(deliveries) == min(limit, len(ready))
        for delivery in deliveries:
            assert delivery.message_id in ready
            assert delivery.receipt not in self.receipts
            loan = self.loans[delivery.message_id]
            loan.attempts += 1
            assert delivery.attempt == loan.attempts
            loan.receipt, loan.ready_at = delivery.receipt, self._now() + lease_s
            self.receipts.append(delivery.receipt)

    @rule(times=st.integers(1, MAX_DELIVERIES))
    def crash(self, times: int) -> None:
        """Borrow and never come back, again and again."""
        for _ in range(times):
            self.receive(3, 3)
            self.clock.advance(3)

    @rule(data=st.data(), lease_s=st.sampled_from([2, 20]))
    def extend(self, data: st.DataObject, lease_s: int) -> None:
        """Extend a loan, or be told that it is over."""
        receipt = self._any_receipt(data)
        loan = self._loan(receipt)
        if loan is not None:
            self.queue.extend(WORK, receipt, lease_s)
            loan.ready_at = self._now() + lease_s
        else:
            with pytest.raises(Conflict):
                self.queue.extend(WORK, receipt, lease_s)

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        """Finish a loan; one that ran out may or may not count, so the model leaves those alone."""
        receipt = self._any_receipt(data)
        if any(loan.receipt == receipt and loan.ready_at <= self._now() for loan in self.loans.values()):
            return
        self.queue.ack(WORK, receipt)
        self.loans = {name: loan for name, loan in self.loans.items() if loan.receipt != receipt}

    @rule(data=st.data(), delay_s=st.sampled_from([0, 7]))
    def release(self, data: st.DataObject, delay_s: int) -> None:
        """Give a message back."""
        receipt = self._any_receipt(data)
        self.queue.release(WORK, receipt, delay_s=delay_s)
        loan = self._loan(receipt)
        if loan is not None:
            loan.receipt, loan.ready_at = None, self._now() + delay_s

    @rule(seconds=st.sampled_from([1, 4, 30]))
    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @precondition(lambda self: any(self._dead(loan) for loan in self.loans.values()))
    @rule()
    def redrive(self) -> None:
        """Bring the dead letters back."""
        dead = [loan for loan in self.loans.values() if self._dead(loan)]
        assert self.queue.redrive(WORK) == len(dead)
        for loan in dead:
            loan.attempts, loan.receipt, loan.ready_at = 0, None, self._now()

    @invariant()
    def the_queue_counts_as_the_model_does(self) -> None:
        """Every message is in exactly one place, the same in both."""
        dead = sum(self._dead(loan) for loan in self.loans.values())
        leased = sum(self._leased(loan) for loan in self.loans.values())
        depth = self.queue.depth(WORK)
        assert (depth.waiting, depth.leased, depth.dead) == (len(self.loans) - dead - leased, leased, dead)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _any_receipt(self, data: st.DataObject) -> str:
        """Choose one that a message bears still, more often than one of long ago."""
        current = [loan.receipt for loan in self.loans.values() if loan.receipt is not None]
        return data.draw(st.sampled_from(current or self.receipts) | st.sampled_from(self.receipts))

    def _loan(self, receipt: str) -> Loan | None:
        return next((loan for loan in self.loans.values() if loan.receipt == receipt and self._leased(loan)), None)

    def _leased(self, loan: Loan) -> bool:
        return loan.receipt is not None and loan.ready_at > self._now()

    def _ready(self, loan: Loan) -> bool:
        return loan.ready_at <= self._now() and loan.attempts < MAX_DELIVERIES

    def _dead(self, loan: Loan) -> bool:
        return loan.ready_at <= self._now() and loan.attempts >= MAX_DELIVERIES

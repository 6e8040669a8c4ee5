"""Signals wait for a place where training can stop, and then act as before."""

import os
import signal

import pytest

from ctrzoo.training.interruption import DelayedSignals, Interrupted


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def number(request):
    earlier = signal.signal(request.param, _raise)
    yield request.param
    signal.signal(request.param, earlier)


def _raise(number, frame):
    raise KeyboardInterrupt(number)


def send(number):
    os.kill(os.getpid(), number)


def test_a_signal_waits_for_the_check_and_is_then_delivered(number):
    done = []
    with pytest.raises(KeyboardInterrupt) as stopped, DelayedSignals() as signals:
        for item in signals.checked("abc"):
            done.append(item)
            if item == "b":
                send(number)
            done.append("whole")
    assert done == ["a", "whole", "b", "whole"] and stopped.value.args == (number,)
    assert signal.getsignal(number) is _raise


def test_a_second_signal_is_delivered_at_once(number):
    with pytest.raises(KeyboardInterrupt), DelayedSignals():
        send(number)
        send(number)
        raise AssertionError("the second signal must not wait")


def test_a_signal_without_a_check_is_delivered_at_the_end(number):
    with pytest.raises(KeyboardInterrupt), DelayedSignals():
        send(number)


def test_another_error_is_not_replaced(number):
    with pytest.raises(ValueError, match="another"), DelayedSignals():
        send(number)
        raise ValueError("another")
    assert signal.getsignal(number) is _raise


def test_ignored_signals_and_inactive_contexts_change_nothing(number):
    with pytest.raises(KeyboardInterrupt), DelayedSignals(active=False):
        send(number)
        raise AssertionError("an inactive context must not delay")
    signal.signal(number, signal.SIG_IGN)
    with DelayedSignals() as signals:
        send(number)
        signals.check()
    assert signal.getsignal(number) is signal.SIG_IGN


def test_the_reason_to_stop_is_no_error_that_training_could_handle():
    assert not issubclass(Interrupted, Exception)


def test_a_signal_to_another_host_ends_this_one_too(number):
    passed = []

    def highest(own):
        passed.append(own)
        return max(own, number if len(passed) == 2 else 0)

    with pytest.raises(KeyboardInterrupt, match=str(int(number))), DelayedSignals(highest=highest) as signals:
        signals.check()
        signals.check()
        raise AssertionError("the second check must stop")
    assert passed == [0, 0]

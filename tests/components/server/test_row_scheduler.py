"""Threads that answer rows: a request of one row does not wait for one of many."""

import threading

from textmill.components.server.row_scheduler import RowScheduler


def test_a_short_request_overtakes_the_rows_of_a_long_one():
    rows, order, done = RowScheduler(1), [], threading.Semaphore(0)
    gate, is_running = threading.Event(), threading.Event()

    def first(number):
        is_running.set()
        gate.wait()
        order.append(f"long {number}")

    rows.submit(first, 3, lambda _: done.release())
    is_running.wait()
    rows.submit(lambda _: order.append("short"), 1, lambda _: done.release())
    gate.set()
    for _ in range(2):
        done.acquire()
    assert order == ["long 0", "long 1", "short", "long 2"]


def test_results_are_in_the_order_of_the_rows_and_an_error_ends_a_request():
    rows, results, done = RowScheduler(3), [], threading.Semaphore(0)

    def finish(result):
        results.append(result)
        done.release()

    rows.submit(lambda number: number * number, 20, finish)
    done.acquire()
    rows.submit(lambda number: 1 / number, 20, finish)
    done.acquire()
    rows.submit(lambda number: number, 2, finish)
    done.acquire()
    assert results[0] == [number * number for number in range(20)]
    assert isinstance(results[1], ZeroDivisionError)
    assert results[2] == [0, 1]

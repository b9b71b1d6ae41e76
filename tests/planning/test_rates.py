"""Estimates of times: properties of the fit, one starved run among others, and the stored histories."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.places.state import Store
from recipec.planning import rates
from recipec.planning.rates import Histories, History, Line, Observation

ASSUMED = Line(0.05, 1e-6)

works = st.floats(1, 1e9)
times = st.floats(1e-4, 1e5)
observations = st.lists(st.builds(Observation, work=works, seconds=times), min_size=1, max_size=8)


def seen(*points: tuple[float, float]) -> list[Observation]:
    return [Observation(work=work, seconds=seconds) for work, seconds in points]


def seconds(found: list[Observation], work: float, assumed: Line = ASSUMED) -> float:
    return rates.fit(found, assumed).seconds(work)


@settings(deadline=None)
@given(observations, works, works)
def test_more_work_takes_no_less_time(found: list[Observation], one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert 0 < seconds(found, less) <= seconds(found, more) * (1 + 1e-12)


@settings(deadline=None)
@given(observations, works, st.randoms())
def test_the_order_of_observations_does_not_matter(
    found: list[Observation], work: float, shuffler: random.Random
) -> None:
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    assert seconds(shuffled, work) == seconds(found, work)


@settings(deadline=None)
@given(works, st.lists(times, min_size=1, max_size=30))
def test_of_equal_works_the_estimate_is_one_that_was_observed(work: float, took: list[float]) -> None:
    estimate = seconds(seen(*((work, one) for one in took)), work)
    assert min(abs(math.log(estimate / one)) for one in took) < 1e-9


@settings(deadline=None)
@given(observations, works, st.integers(0, 8), st.integers(-6, 6))
def test_other_units_change_nothing_and_a_slower_machine_is_slower(
    found: list[Observation], work: float, units: int, slower: int
) -> None:
    """Powers of two, which floats multiply exactly."""
    each, longer = 2.0**units, 2.0**slower
    scaled = seen(*((one.work * each, one.seconds * longer) for one in found))
    assumed = Line(ASSUMED.fixed * longer, ASSUMED.rate * longer / each)
    assert seconds(scaled, work * each, assumed) == pytest.approx(seconds(found, work) * longer, rel=1e-9)


@settings(deadline=None)
@given(works, times)
def test_one_observation_is_used_as_it_is(work: float, took: float) -> None:
    assert seconds(seen((work, took)), work) == pytest.approx(took, rel=1e-9)


def test_without_observations_the_built_in_line_is_used() -> None:
    assert seconds([], 0) == ASSUMED.fixed
    assert seconds([], 1e9) == ASSUMED.seconds(1e9)


@settings(deadline=None)
@given(works, st.floats(1e-3, 1e4), st.lists(st.floats(0.95, 1.05), min_size=5, max_size=30), st.data())
def test_one_starved_run_of_equal_work_moves_the_estimate_little(
    work: float, took: float, noise: list[float], data: st.DataObject
) -> None:
    clean = [(work, took * one) for one in noise]
    starved = data.draw(st.integers(0, len(clean) - 1))
    spoiled = [(work, 10 * one if place == starved else one) for place, (_, one) in enumerate(clean)]
    assert seconds(seen(*spoiled), work) == pytest.approx(seconds(seen(*clean), work), rel=0.2)


@settings(deadline=None)
@given(st.floats(100, 1e8), st.floats(5e-3, 5), st.floats(1e-8, 1e-4), st.data())
def test_one_starved_run_of_comparable_work_moves_the_estimate_little(
    least: float, fixed: float, rate: float, data: st.DataObject
) -> None:
    shape = st.tuples(st.floats(1, 2), st.floats(0.98, 1.02))
    drawn = data.draw(st.lists(shape, min_size=5, max_size=12))
    clean = [(least * factor, (fixed + rate * least * factor) * noise) for factor, noise in drawn]
    starved = data.draw(st.integers(0, len(clean) - 1))
    spoiled = [(work, 10 * one if place == starved else one) for place, (work, one) in enumerate(clean)]
    for work, _ in clean[:starved] + clean[starved + 1 :]:
        assert seconds(seen(*spoiled), work) == pytest.approx(seconds(seen(*clean), work), rel=0.2)


@pytest.mark.parametrize("starved", range(10))
def test_one_starved_run_on_any_scale_moves_no_estimate_much(starved: int) -> None:
    """Two runs each of ten documents to ten million: the fixed time and the rate of all the others are found again."""
    line = Line(0.4, 3e-5)
    points = [(work * more, line.seconds(work * more)) for work in (10, 1e3, 1e5, 1e6, 1e7) for more in (1, 1.5)]
    work, took = points[starved]
    points[starved] = (work, 10 * took)
    for other in (1, 10, 500, 1e4, 1e5, 3e6, 1e7, 1e9):
        assert seconds(seen(*points), other) == pytest.approx(line.seconds(other), rel=0.2)


def test_some_starved_runs_do_not_spoil_later_estimates() -> None:
    took = [2.0, 2.1, 19.0, 1.9, 2.2, 30.0, 2.0]
    assert seconds(seen(*((1e6, one) for one in took)), 1e6) == pytest.approx(2.1, abs=0.11)


@pytest.mark.parametrize("runs", [1, 3, 30])
@pytest.mark.parametrize("took", [0.003, 0.05, 0.8])
def test_ten_documents_do_not_make_ten_million_take_hours(runs: int, took: float) -> None:
    """Their time is nearly all fixed, and its noise says nothing about the rate."""
    noise = random.Random(7)
    points = [(noise.randint(8, 14), took * noise.uniform(0.7, 1.4)) for _ in range(runs)]
    assert 1 < seconds(seen(*points), 1e7) < 120


@pytest.mark.parametrize("runs", [1, 5, 29])
@pytest.mark.parametrize("took", [0.5, 10, 5000])
def test_the_only_run_of_comparable_work_counts_whatever_small_ones_took(runs: int, took: float) -> None:
    points = [(10 + number, 0.05) for number in range(runs)]
    assert seconds(seen(*points, (1e7, took)), 1e7) == pytest.approx(took, rel=0.1)


def test_a_large_run_alone_gives_a_rate() -> None:
    assert seconds(seen((1e7, 300.0)), 1e8) == pytest.approx(3000, rel=0.01)


def history(operation: str, setting: str, *points: tuple[float, float]) -> History:
    return History(operation=operation, setting=setting, observations=tuple(seen(*points)))


def test_a_history_keeps_the_last_observations() -> None:
    found = Histories()
    for number in range(1, rates.KEPT + 6):
        found = rates.added(found, [history("read", "2 threads", (number, 1.0))])
    assert [one.work for one in found.histories[0].observations] == list(range(6, rates.KEPT + 6))


def test_the_histories_observed_last_are_kept() -> None:
    found = rates.added(Histories(), [history(str(number), "", (1, 1.0)) for number in range(rates.HISTORIES)])
    found = rates.added(found, [history("0", "", (2, 1.0)), history("new", "", (1, 1.0))])
    kept = [one.operation for one in found.histories]
    assert len(kept) == rates.HISTORIES
    assert "1" not in kept
    assert kept[-2:] == ["0", "new"]


def test_other_settings_are_used_only_where_there_is_none_of_the_same() -> None:
    found = rates.added(Histories(), [history("read", "1 threads", (9, 1.0)), history("read", "2 threads", (9, 2.0))])
    assert rates.observed(found, "read", "2 threads") == tuple(seen((9, 2.0)))
    assert rates.observed(found, "read", "8 threads") == tuple(seen((9, 1.0), (9, 2.0)))
    assert rates.observed(found, "write", "2 threads") == ()


GOOD = {"operation": "read", "setting": "", "observations": [{"work": 1.0, "seconds": 1.0}]}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'{"read": 2e-07, "score word_count()": 1.5e-08}',  # as of version 0.1
        json.dumps({"version": 3, "histories": [GOOD]}).encode(),
        json.dumps({"version": 2, "histories": [{**GOOD, "observations": []}]}).encode(),
        json.dumps({"version": 2, "histories": [{**GOOD, "more": 1}]}).encode(),
        *(
            json.dumps(
                {"version": 2, "histories": [{**GOOD, "observations": [{"work": work, "seconds": took}]}]}
            ).encode()
            for work, took in ((0, 1.0), (-1, 1.0), (1, 0), (1, math.nan), (1, math.inf), (math.nan, 1), ("x", 1))
        ),
    ],
)
def test_a_damaged_or_older_note_is_made_again(tmp_path: Path, damage: bytes) -> None:
    store = Store.beside(tmp_path)
    note = store.root / "rates.json"
    note.parent.mkdir()
    note.write_bytes(damage)
    assert rates.load(store) == Histories()
    rates.keep(store, [history("read", "", (5, 1.0))])
    assert rates.load(store).histories == (history("read", "", (5, 1.0)),)
    assert [path.name for path in store.root.iterdir()] == ["rates.json"]


def test_a_run_does_not_fail_because_times_cannot_be_stored(tmp_path: Path) -> None:
    store = Store.beside(tmp_path)
    store.root.write_text("no folder")
    rates.keep(store, [history("read", "", (5, 1.0))])
    assert rates.load(store) == Histories()
    assert store.root.read_text() == "no folder"


def test_a_folder_in_the_place_of_times_is_set_aside(tmp_path: Path) -> None:
    store = Store.beside(tmp_path)
    (store.root / "rates.json" / "mine").mkdir(parents=True)
    rates.keep(store, [history("read", "", (5, 1.0))])
    assert rates.load(store).histories == (history("read", "", (5, 1.0)),)
    assert (store.root / "rates.json.put-away-1" / "mine").is_dir()

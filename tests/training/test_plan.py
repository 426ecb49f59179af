"""Plans prescribe every step once, and what the clock decided is written down before it is done."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.recipe import Recipe
from moreish.training.plan import Record, StepPlan, TimePlan
from moreish.training.schedule import rates


@given(
    steps=st.integers(1, 5000), eval_every=st.one_of(st.none(), st.integers(1, 600)), resumed_at=st.integers(0, 5000)
)
def test_a_plan_in_steps_covers_what_is_left_once(steps, eval_every, resumed_at):
    plan = StepPlan(Recipe().with_changes(steps=steps, eval_every=eval_every), num_examples=10**7)
    step = resumed_at
    while chunk := plan.next_chunk(step, seconds=0.0):
        assert chunk.first_step == step
        assert chunk.is_evaluated
        assert chunk.last_step == steps or (chunk.last_step % (eval_every or max(1, -(-steps // 25)))) == 0
        np.testing.assert_array_equal(plan.progress(chunk), np.arange(step, chunk.last_step) / steps)
        step = chunk.last_step
    assert step == max(steps, resumed_at)


def test_a_short_file_is_evaluated_after_every_second_pass():
    recipe = Recipe().with_changes(steps=12_000, batch=128)
    sizes = {num: StepPlan(recipe, num).next_chunk(0, 0.0) for num in (100, 1_280, 10**6)}
    assert {num: chunk.num_steps for num, chunk in sizes.items() if chunk} == {100: 10, 1_280: 20, 10**6: 480}


def carry_out(plan: TimePlan, steps_per_second: float, step: int = 0, seconds: float = 0.0, until: float = np.inf):
    chunks = []
    while (chunk := plan.next_chunk(step, seconds)) and seconds < until:
        chunks.append(chunk)
        step, seconds = chunk.last_step, seconds + chunk.num_steps / steps_per_second
    return chunks, step, seconds


TIMED = Recipe().with_changes(minutes=1.0)


@pytest.mark.parametrize("speed", [3.0, 500.0, 1e6])
def test_a_time_budget_is_kept(tmp_path, speed):
    chunks, _, seconds = carry_out(TimePlan(TIMED, tmp_path, reserve=10.0, record=Record()), speed)
    assert seconds == pytest.approx(50, abs=max(1.0, 20 / speed))
    assert chunks[-1].stop <= 1
    assert all(chunk.start <= chunk.stop for chunk in chunks)
    if speed > 100:
        assert 15 <= sum(chunk.is_evaluated for chunk in chunks) <= 25


def test_repeating_a_timed_run_replays_its_record_at_any_speed(tmp_path):
    chunks, step, _ = carry_out(TimePlan(TIMED, tmp_path, 10.0, Record()), 500.0)
    again, again_step, _ = carry_out(TimePlan(TIMED, tmp_path, 40.0, Record.read(tmp_path)), 3.0)
    assert again == chunks
    assert again_step == step


def test_resuming_finishes_the_recorded_chunk_and_uses_the_time_left(tmp_path):
    _, _, seconds = carry_out(TimePlan(TIMED, tmp_path, 10.0, Record()), 500.0, until=20.0)
    recorded = Record.read(tmp_path).chunks[-1]
    middle = (recorded.first_step + recorded.last_step) // 2
    plan = TimePlan(TIMED, tmp_path, 10.0, Record.read(tmp_path))

    rest = plan.next_chunk(middle, seconds)
    assert rest is not None
    assert (rest.first_step, rest.last_step, rest.stop) == (middle, recorded.last_step, recorded.stop)
    np.testing.assert_allclose(plan.progress(rest), plan.progress(recorded)[middle - recorded.first_step :])
    _, _, total = carry_out(plan, 500.0, middle, seconds)
    assert total == pytest.approx(50, abs=1)


def test_the_notebooks_rate_falls_at_half_of_the_steps():
    recipe = Recipe().with_changes(schedule="step", learning_rate=0.1, warmup=0.0, steps=200_000)
    plan = StepPlan(recipe, num_examples=182_625)
    step, found = 0, []
    while chunk := plan.next_chunk(step, 0.0):
        found.append(rates(recipe, plan.progress(chunk)))
        step = chunk.last_step
    expected = np.where(np.arange(200_000) < 100_000, 0.1, 0.1 * 0.1)
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_rates_rise_during_warmup_and_fall_to_the_given_share(schedule):
    recipe = Recipe(schedule=schedule, learning_rate=2.0, warmup=0.1, final_share=0.05)
    course = rates(recipe, np.linspace(0, 1, 1001))
    assert course.argmax() == pytest.approx(100, abs=1)
    assert course.max() == pytest.approx(2.0, rel=0.01)
    assert course[-1] == pytest.approx(0.1)
    assert (np.diff(course[101:]) <= 0).all()
    assert 0 < course[0] < 0.05

"""Schedules of module 10 and the search for a rate: worked curves, PyTorch's numbers, resuming, refusals."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorded import record_pytorch
from reference import moving_averages
from test_optimizers import (
    bits,
    edited,
    parameter,
    run,
    set_gradient,
    snapshot,
    through_pickle,
    value,
    without,
)
from tinytorch.core.adaptive_optimizers import (
    AdamW,
    CosineAnnealingLR,
    ExponentialLR,
    LearningRateSearch,
    LinearWarmup,
    NAdam,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    WeightDecay,
    find_learning_rate,
)
from tinytorch.core.autograd import Variable
from tinytorch.core.optimizers import SGD, Adam, Optimizer, Schedule, StepLR
from tinytorch.core.tensor import Tensor

RECORDED = json.loads((Path(__file__).parent / "recorded" / "schedules.json").read_text(encoding="utf-8"))


def make_optimizer(*rates: float) -> SGD:
    return SGD([{"parameters": [parameter(1.0)], "learning_rate": rate} for rate in rates or (1.0,)])


def present(schedule: Schedule) -> list[float]:
    """The rate of every group."""
    return [group["learning_rate"] for group in schedule.optimizer.param_groups]


def rates_after(schedule: Schedule, calls: int) -> list[float]:
    """The first group's rate after each of this many calls."""
    rates = []
    for _ in range(calls):
        schedule.step()
        rates.append(present(schedule)[0])
        assert schedule.get_lr() == rates[-1]
    return rates


def chain(optimizer: Optimizer, *lengths: int) -> SequentialLR:
    """A warm-up, half a cosine, then steps."""
    first, second = lengths
    parts = [
        LinearWarmup(optimizer, first),
        CosineAnnealingLR(optimizer, second, 0.25),
        StepLR(optimizer, 2, 0.5),
    ]
    return SequentialLR(optimizer, parts, [first, first + second])


SCHEDULES = {
    "ExponentialLR": lambda optimizer: ExponentialLR(optimizer, gamma=0.7),
    "CosineAnnealingLR": lambda optimizer: CosineAnnealingLR(optimizer, epochs=7, min_fraction=0.1),
    "LinearWarmup": lambda optimizer: LinearWarmup(optimizer, batches=6),
    "OneCycleLR": lambda optimizer: OneCycleLR(optimizer, batches=11, rise=0.4),
    "SequentialLR": lambda optimizer: chain(optimizer, 3, 4),
    "SequentialLR of SequentialLR": lambda optimizer: SequentialLR(
        optimizer, [ExponentialLR(optimizer, 0.9), chain(optimizer, 2, 3)], [2]
    ),
}
every_schedule = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES.keys())


# The curves


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda o: ExponentialLR(o, 0.5), [1.0, 0.5, 0.25, 0.125]),
        (lambda o: ExponentialLR(o, 1.0), [1.0, 1.0, 1.0]),
        (
            lambda o: CosineAnnealingLR(o, 4),
            [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0, 0.0, 0.0],
        ),
        (lambda o: CosineAnnealingLR(o, 2, 0.2), [1.0, 0.6, 0.2, 0.2]),
        (lambda o: CosineAnnealingLR(o, 1, 1.0), [1.0, 1.0, 1.0]),
        (lambda o: CosineAnnealingLR(o, 1), [1.0, 0.0, 0.0]),
        (lambda o: LinearWarmup(o, 4), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
        (lambda o: LinearWarmup(o, 1), [1.0, 1.0]),
        # rise · batches − 1 = 2: up in two batches, down in the four that are left
        (
            lambda o: OneCycleLR(o, 7, rise=3 / 7, start_fraction=0.2, end_fraction=0.0),
            [0.2, 0.6, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0, 0.0],
        ),
        (lambda o: OneCycleLR(o, 10), [0.04, 0.52, 1.0]),
    ],
)
def test_the_curves_worked_by_hand(make, expected):
    assert rates_after(make(make_optimizer(1.0)), len(expected)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    "make, first",
    [
        (SCHEDULES["ExponentialLR"], 1.0),
        (SCHEDULES["CosineAnnealingLR"], 1.0),
        (SCHEDULES["LinearWarmup"], 1 / 6),
        (SCHEDULES["OneCycleLR"], 1 / 25),
        (SCHEDULES["SequentialLR"], 1 / 3),
        (SCHEDULES["SequentialLR of SequentialLR"], 1.0),
    ],
)
def test_the_first_call_gives_the_first_value(make, first):
    schedule = make(make_optimizer(0.3))
    assert schedule.get_lr() == pytest.approx(0.3 * first, rel=1e-15)
    assert rates_after(schedule, 1) == pytest.approx([0.3 * first], rel=1e-15)


def test_a_long_cycle_ends_at_a_250000th_and_stays():
    rates = rates_after(OneCycleLR(make_optimizer(2.0), 100), 103)
    assert max(rates) == rates[29] == pytest.approx(2.0, rel=1e-15)
    assert rates[99:] == pytest.approx([2.0 / 250_000] * 4, rel=1e-9)


@every_schedule
def test_the_constructor_changes_nothing(make):
    optimizer = make_optimizer(0.5, 0.25)
    before = snapshot(optimizer)
    schedule = make(optimizer)
    assert snapshot(optimizer) == before and schedule.step_count == 0 and schedule.initial_lrs == [0.5, 0.25]


@every_schedule
def test_every_group_is_scaled_from_its_own_rate_without_drift(make):
    """The same call gives the same factor however the rates were changed before: nothing is accumulated."""
    schedule, alone = make(make_optimizer(0.5, 0.125)), make(make_optimizer(1.0))
    for factor in rates_after(alone, 20):
        schedule.optimizer.learning_rate = 99.0
        schedule.step()
        assert present(schedule) == [0.5 * factor, 0.125 * factor]


@every_schedule
def test_a_rate_is_a_pure_function_of_the_count(make):
    """A schedule whose count is set goes on as one that was called so often."""
    walked, jumped = make(make_optimizer(0.5)), make(make_optimizer(0.5))
    rates = rates_after(walked, 15)
    for count in (14, 3, 0, 9):
        jumped.step_count = count
        assert rates_after(jumped, 1) == rates[count : count + 1]


@every_schedule
@pytest.mark.parametrize("calls", [0, 1, 2, 4, 9])
def test_a_schedule_resumes_exactly(make, calls):
    first = make(make_optimizer(0.5, 0.25))
    rates_after(first, calls)
    saved = through_pickle(first.state_dict())
    second = make(make_optimizer(9.0, 8.0))
    second.load_state_dict(saved)
    assert saved == first.state_dict()
    assert rates_after(second, 8) == rates_after(first, 8) and present(second) == present(first)
    assert second.initial_lr == 0.5 and second.step_count == calls + 8


@pytest.mark.parametrize(
    "name, other",
    [
        ("ExponentialLR", lambda o: ExponentialLR(o, 0.1)),
        ("CosineAnnealingLR", lambda o: CosineAnnealingLR(o, 2)),
        ("LinearWarmup", lambda o: LinearWarmup(o, 99)),
        ("OneCycleLR", lambda o: OneCycleLR(o, 99)),
        ("SequentialLR", lambda o: chain(o, 7, 9)),
    ],
)
def test_the_loaded_options_replace_the_schedules_own(name, other):
    first = SCHEDULES[name](make_optimizer(0.5))
    rates_after(first, 2)
    second = other(make_optimizer(0.5))
    second.load_state_dict(first.state_dict())
    assert rates_after(second, 9) == rates_after(first, 9)


@every_schedule
def test_a_saved_state_shares_nothing_with_its_schedule(make):
    schedule = make(make_optimizer(0.5))
    rates_after(schedule, 2)
    saved = schedule.state_dict()
    frozen = copy.deepcopy(saved)
    other = make(make_optimizer(0.5))
    other.load_state_dict(saved)
    rates_after(other, 3), rates_after(schedule, 3)
    assert saved == frozen


@every_schedule
def test_a_state_that_does_not_fit_changes_nothing(make):
    schedule = make(make_optimizer(0.5))
    rates_after(schedule, 3)
    before = copy.deepcopy(schedule.state_dict())
    first_option = next(name for name in before if name not in ("initial_lrs", "step_count"))
    misfits = [
        None,
        [],
        {},
        without("step_count")(copy.deepcopy(before)),
        {**before, "extra": 1},
        {**before, "step_count": -1},
        {**before, "step_count": 1.5},
        {**before, "initial_lrs": []},
        {**before, "initial_lrs": [-1.0]},
        {**before, "initial_lrs": [0.5, 0.5]},
        {**before, first_option: "much"},
        {**before, first_option: -1},
    ]
    for misfit in misfits:
        with pytest.raises((ValueError, TypeError)) as refusal:
            schedule.load_state_dict(misfit)
        assert "\n" not in str(refusal.value)
        assert schedule.state_dict() == before
    rates = rates_after(schedule, 4)
    assert rates == rates_after(make(make_optimizer(0.5)), 7)[3:]


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda o: ExponentialLR(o, 0.0), ValueError, "gamma"),
        (lambda o: ExponentialLR(o, 1.1), ValueError, "gamma"),
        (lambda o: ExponentialLR(o, -0.5), ValueError, "gamma"),
        (lambda o: ExponentialLR(o, math.nan), ValueError, "gamma"),
        (lambda o: ExponentialLR(o, "0.5"), TypeError, "gamma"),
        (lambda o: ExponentialLR(o, True), TypeError, "gamma"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, "epochs"),
        (lambda o: CosineAnnealingLR(o, 1.5), TypeError, "epochs"),
        (lambda o: CosineAnnealingLR(o, True), TypeError, "epochs"),
        (lambda o: CosineAnnealingLR(o, 5, -0.1), ValueError, "min_fraction"),
        (lambda o: CosineAnnealingLR(o, 5, 1.1), ValueError, "min_fraction"),
        (lambda o: CosineAnnealingLR(o, 5, None), TypeError, "min_fraction"),
        (lambda o: LinearWarmup(o, 0), ValueError, "batches"),
        (lambda o: LinearWarmup(o, 3.0), TypeError, "batches"),
        (lambda o: OneCycleLR(o, 0), ValueError, "batches"),
        (lambda o: OneCycleLR(o, "10"), TypeError, "batches"),
        (lambda o: OneCycleLR(o, 10, rise=0.0), ValueError, "rise|climb"),
        (lambda o: OneCycleLR(o, 10, rise=0.1), ValueError, "rise|climb"),
        (lambda o: OneCycleLR(o, 10, rise=1.0), ValueError, "rise|climb"),
        (lambda o: OneCycleLR(o, 10, rise=1.5), ValueError, "rise"),
        (lambda o: OneCycleLR(o, 10, rise=None), TypeError, "rise"),
        (lambda o: OneCycleLR(o, 1), ValueError, "rise|climb"),
        (lambda o: OneCycleLR(o, 10, start_fraction=-0.1), ValueError, "start_fraction"),
        (lambda o: OneCycleLR(o, 10, start_fraction=1.5), ValueError, "start_fraction"),
        (lambda o: OneCycleLR(o, 10, end_fraction=math.inf), ValueError, "end_fraction"),
        (lambda o: SequentialLR(o, [], []), ValueError, "schedule"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [3]), ValueError, "milestones"),
        (lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 1)], []), ValueError, "milestones"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 3, [3, 3]), ValueError, "increase"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 3, [5, 3]), ValueError, "increase"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 2, [0]), ValueError, "milestones"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 2, [1.5]), TypeError, "milestones"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 2, 3), TypeError, "milestones"),
        (lambda o: SequentialLR(o, StepLR(o, 1), []), TypeError, "schedules"),
        (lambda o: SequentialLR(o, [o], []), TypeError, "SGD"),
        (
            lambda o: SequentialLR(o, [ReduceLROnPlateau(o), StepLR(o, 1)], [3]),
            TypeError,
            "ReduceLROnPlateau",
        ),
        (lambda o: SequentialLR(o, [StepLR(make_optimizer(1.0), 1)], []), ValueError, "another optimizer"),
    ],
)
def test_schedules_refuse_what_makes_no_sense(make, error, message):
    optimizer = make_optimizer(0.5)
    before = snapshot(optimizer)
    with pytest.raises(error, match=message) as refusal:
        make(optimizer)
    assert "\n" not in str(refusal.value) and snapshot(optimizer) == before


@pytest.mark.parametrize(
    "make",
    [
        lambda o: ExponentialLR(o, 0.5),
        lambda o: CosineAnnealingLR(o, 3),
        lambda o: LinearWarmup(o, 3),
        lambda o: OneCycleLR(o, 10),
        ReduceLROnPlateau,
        lambda o: SequentialLR(o, [StepLR(make_optimizer(), 1)], []),
    ],
)
def test_schedules_schedule_only_optimizers(make):
    with pytest.raises(TypeError, match="list"):
        make([parameter(1.0)])


# Against PyTorch


def our_schedule(name: str, optimizer: Optimizer, options: dict) -> Schedule:
    """Our schedule for a recorded one; the chains are made of their parts."""

    def named(schedule: type[Schedule], *wanted: str) -> Schedule:
        return schedule(optimizer, **{option: options[option] for option in wanted if option in options})

    plain = {
        "ExponentialLR": ExponentialLR,
        "CosineAnnealingLR": CosineAnnealingLR,
        "LinearWarmup": LinearWarmup,
        "OneCycleLR": OneCycleLR,
    }
    if name in plain:
        return plain[name](optimizer, **options)
    parts = [named(LinearWarmup, "batches"), named(CosineAnnealingLR, "epochs")]
    if "gamma" in options:
        parts.insert(0, named(ExponentialLR, "gamma"))
    return SequentialLR(optimizer, parts, options.get("milestones", [options["batches"]]))


@pytest.mark.parametrize(
    "name, entry",
    [
        pytest.param(name, entry, id=f"{name} {i}")
        for name, entries in RECORDED["schedules"].items()
        for i, entry in enumerate(entries)
    ],
)
def test_the_rates_are_those_of_pytorch(name, entry):
    schedule = our_schedule(name, make_optimizer(*RECORDED["initial_rates"]), entry["options"])
    columns = []
    for _ in entry["rates"][0]:
        schedule.step()
        columns.append(present(schedule))
    np.testing.assert_allclose(np.transpose(columns), entry["rates"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("entry", RECORDED["plateaus"], ids=lambda entry: str(entry["options"]))
@pytest.mark.parametrize("metrics", RECORDED["metrics"])
def test_the_plateaus_are_those_of_pytorch(entry, metrics):
    if entry["options"].get("mode") == "max" and metrics == "infinite at first":
        pytest.skip("there PyTorch takes infinity for the best metric; ours counts what is not finite as bad")
    schedule = ReduceLROnPlateau(make_optimizer(RECORDED["initial_rates"][0]), **entry["options"])
    rates = []
    for metric in RECORDED["metrics"][metrics]:
        schedule.step(metric)
        rates += present(schedule)
    assert rates == pytest.approx(entry["rates"][metrics], rel=1e-12)


def test_the_recorded_metrics_meet_every_branch():
    """Each option reduces somewhere and not everywhere; cooldown and the smallest rate make a difference."""
    for entry in RECORDED["plateaus"]:
        last = {name: rates[-1] for name, rates in entry["rates"].items()}
        assert min(last.values()) < 0.5 and max(last.values()) > min(last.values()), entry["options"]
    assert min(min(rates) for rates in RECORDED["plateaus"][3]["rates"].values()) == pytest.approx(0.5 * 0.3)


@pytest.mark.parametrize(
    "name, options",
    [
        ("ExponentialLR", {"gamma": 0.83}),
        ("CosineAnnealingLR", {"epochs": 13, "min_fraction": 0.07}),
        ("LinearWarmup", {"batches": 5}),
        ("OneCycleLR", {"batches": 23, "rise": 0.37, "start_fraction": 0.3}),
        ("warm-up, then cosine", {"batches": 3, "epochs": 9}),
    ],
)
def test_live_pytorch_agrees_on_other_options(name, options):
    pytest.importorskip("torch")
    recorded = record_pytorch.record_schedule(name, options)["rates"]
    schedule = our_schedule(name, make_optimizer(*record_pytorch.INITIAL_RATES), options)
    columns = []
    for _ in recorded[0]:
        schedule.step()
        columns.append(present(schedule))
    np.testing.assert_allclose(np.transpose(columns), recorded, rtol=1e-12, atol=1e-15)


# Schedules of schedules


def test_a_sequence_begins_each_schedule_from_its_own_beginning():
    """Three calls of warm-up, four of half a cosine from 1 to .25, then steps of two."""
    schedule = chain(make_optimizer(1.0), 3, 4)
    root = math.sqrt(0.5)
    expected = [
        1 / 3,
        2 / 3,
        1,
        1,
        0.25 + 0.75 * (1 + root) / 2,
        0.625,
        0.25 + 0.75 * (1 - root) / 2,
        1,
        1,
        0.5,
        0.5,
        0.25,
    ]
    assert rates_after(schedule, 12) == pytest.approx(expected, abs=1e-15)
    assert [part.step_count for part in schedule.schedules] == [0, 0, 0]


def test_sequences_nest():
    optimizer = make_optimizer(1.0)
    inner = SequentialLR(optimizer, [LinearWarmup(optimizer, 2), ExponentialLR(optimizer, 0.5)], [2])
    outer = SequentialLR(
        optimizer, [ExponentialLR(optimizer, 0.25), inner, StepLR(optimizer, 1, 0.1)], [2, 6]
    )
    assert rates_after(outer, 8) == pytest.approx([1, 0.25, 0.5, 1, 1, 0.5, 1, 0.1], abs=1e-15)


def test_a_schedule_may_stand_in_a_sequence_twice():
    optimizer = make_optimizer(1.0)
    decay = ExponentialLR(optimizer, 0.5)
    assert rates_after(SequentialLR(optimizer, [decay, decay], [3]), 5) == [1, 0.5, 0.25, 1, 0.5]


def test_a_sequence_of_one_is_that_schedule():
    optimizer = make_optimizer(1.0)
    assert rates_after(SequentialLR(optimizer, [ExponentialLR(optimizer, 0.5)], []), 3) == [1, 0.5, 0.25]


def test_a_sequence_takes_any_schedule_of_ones_own():
    class Halving(Schedule):
        def factor(self, epoch):
            return 0.5**epoch

    optimizer = make_optimizer(1.0)
    sequence = SequentialLR(
        optimizer, (part for part in (LinearWarmup(optimizer, 2), Halving(optimizer))), iter([2])
    )
    assert rates_after(sequence, 4) == [0.5, 1, 1, 0.5]


def test_a_sequence_refuses_the_state_of_other_parts_and_keeps_its_own():
    schedule = chain(make_optimizer(0.5), 3, 4)
    rates_after(schedule, 4)
    before = copy.deepcopy(schedule.state_dict())
    for misfit in (
        edited("schedules", [])(copy.deepcopy(before)),
        edited("schedules", 0, None)(copy.deepcopy(before)),
        edited("schedules", 1, "epochs", 0)(copy.deepcopy(before)),
        edited("schedules", 2, {"gamma": 0.5})(copy.deepcopy(before)),
        edited("milestones", [9, 3])(copy.deepcopy(before)),
        edited("milestones", [3])(copy.deepcopy(before)),
    ):
        with pytest.raises((ValueError, TypeError)):
            schedule.load_state_dict(misfit)
        assert schedule.state_dict() == before


# ReduceLROnPlateau


def rates_on(schedule: ReduceLROnPlateau, metrics) -> list[float]:
    rates = []
    for metric in metrics:
        schedule.step(metric)
        rates.append(present(schedule)[0])
        assert schedule.get_lr() == rates[-1]
    return rates


@pytest.mark.parametrize(
    "options, metrics, expected",
    [
        ({"patience": 1}, [5, 4, 4, 4, 4, 4], [1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 0}, [5, 5, 4, 4], [1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "threshold": 0.1}, [10, 9.5, 9.1, 8.1, 7.9], [1, 1, 0.5, 0.5, 0.5]),
        ({"patience": 0, "threshold": 0.0}, [5, 4.999999, 4.999999], [1, 1, 0.5]),
        ({"patience": 0, "mode": "max"}, [1, 2, 2, 3, 1], [1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 0, "cooldown": 2}, [5, 6, 6, 6, 6, 6], [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 0, "min_fraction": 0.3}, [5, 6, 6, 6], [1, 0.5, 0.3, 0.3]),
        ({"patience": 1}, [math.nan] * 4, [1, 0.5, 0.5, 0.25]),
        ({"patience": 0}, [5, math.nan, 4, math.inf, 3], [1, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 0, "mode": "max"}, [5, math.inf, 6, -math.inf], [1, 0.5, 0.5, 0.25]),
        (
            {"patience": 0, "threshold": 0.1},
            [-10, -10.5, -11.5],
            [1, 0.5, 0.5],
        ),  # −10.5 is not 10 % below −10
        ({"patience": 0, "threshold": 0.1, "mode": "max"}, [-10, -9.5, -8], [1, 0.5, 0.5]),
    ],
)
def test_plateaus_worked_by_hand(options, metrics, expected):
    schedule = ReduceLROnPlateau(make_optimizer(1.0), gamma=0.5, **options)
    assert rates_on(schedule, metrics) == pytest.approx(expected, abs=1e-15)


def test_plateau_defaults():
    schedule = ReduceLROnPlateau(make_optimizer(1.0))
    assert rates_on(schedule, [1.0] + [0.99995] * 11) == pytest.approx([1.0] * 11 + [0.1])
    assert (
        schedule.gamma,
        schedule.patience,
        schedule.threshold,
        schedule.mode,
        schedule.cooldown,
        schedule.min_fraction,
    ) == (0.1, 10, 1e-4, "min", 0, 0.0)


def test_a_plateau_scales_every_group_and_forgets_what_was_changed_by_hand():
    schedule = ReduceLROnPlateau(make_optimizer(0.5, 0.125), gamma=0.5, patience=0)
    schedule.step(1.0)
    schedule.optimizer.learning_rate = 99.0
    schedule.step(1.0)
    assert present(schedule) == [0.25, 0.0625] and schedule.initial_lrs == [0.5, 0.125]


@pytest.mark.parametrize("metric", [Tensor(2.0), Variable(2.0), np.float32(2.0), Tensor([[2.0]]), 2])
def test_a_metric_may_be_a_tensor_of_one_element(metric):
    schedule = ReduceLROnPlateau(make_optimizer(1.0))
    schedule.step(metric)
    assert schedule.best == 2.0 and type(schedule.best) is float


@pytest.mark.parametrize(
    "metric, error",
    [
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        ([1.0], TypeError),
        (Tensor([1.0, 2.0]), (TypeError, ValueError)),
    ],
)
def test_a_metric_that_is_no_number_changes_nothing(metric, error):
    schedule = ReduceLROnPlateau(make_optimizer(1.0), patience=0)
    schedule.step(1.0)
    before = schedule.state_dict(), present(schedule)
    with pytest.raises(error):
        schedule.step(metric)
    assert (schedule.state_dict(), present(schedule)) == before


@settings(deadline=None)
@given(
    metrics=st.lists(st.sampled_from([1.0, 0.9, 2.0, 0.5, math.nan, -1.0]), max_size=25),
    cut=st.integers(0, 25),
    patience=st.integers(0, 3),
    cooldown=st.integers(0, 3),
    mode=st.sampled_from(["min", "max"]),
)
def test_a_plateau_resumes_exactly_wherever_it_was_saved(metrics, cut, patience, cooldown, mode):
    options = {"gamma": 0.5, "patience": patience, "cooldown": cooldown, "mode": mode, "min_fraction": 0.1}
    whole = ReduceLROnPlateau(make_optimizer(1.0), **options)
    expected = rates_on(whole, metrics)
    first = ReduceLROnPlateau(make_optimizer(1.0), **options)
    rates = rates_on(first, metrics[:cut])
    second = ReduceLROnPlateau(make_optimizer(7.0))
    second.load_state_dict(through_pickle(first.state_dict()))
    assert rates + rates_on(second, metrics[cut:]) == expected
    assert repr(second.state_dict()) == repr(whole.state_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"bad_epochs": -1},
        {"bad_epochs": 0.5},
        {"cooldown_left": None},
        {"reductions": -2},
        {"best": "low"},
        {"best": math.nan},
        {"best": None},
        {"mode": "least"},
        {"patience": -1},
        {"gamma": 1.0},
    ],
)
def test_a_plateau_refuses_a_state_that_does_not_fit(change):
    schedule = ReduceLROnPlateau(make_optimizer(1.0), gamma=0.5, patience=1)
    rates_on(schedule, [1.0, 2.0])
    before = schedule.state_dict()
    with pytest.raises((ValueError, TypeError)):
        schedule.load_state_dict({**before, **change})
    assert schedule.state_dict() == before


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"gamma": 0.0}, ValueError, "gamma"),
        ({"gamma": 1.0}, ValueError, "gamma"),
        ({"gamma": 1.5}, ValueError, "gamma"),
        ({"gamma": "half"}, TypeError, "gamma"),
        ({"patience": -1}, ValueError, "patience"),
        ({"patience": 1.5}, TypeError, "patience"),
        ({"patience": True}, TypeError, "patience"),
        ({"threshold": -0.1}, ValueError, "threshold"),
        ({"threshold": None}, TypeError, "threshold"),
        ({"mode": "least"}, ValueError, "mode"),
        ({"mode": None}, ValueError, "mode"),
        ({"cooldown": -1}, ValueError, "cooldown"),
        ({"cooldown": 0.0}, TypeError, "cooldown"),
        ({"min_fraction": 1.5}, ValueError, "min_fraction"),
        ({"min_fraction": -1}, ValueError, "min_fraction"),
    ],
)
def test_a_plateau_refuses_what_makes_no_sense(options, error, message):
    with pytest.raises(error, match=message):
        ReduceLROnPlateau(make_optimizer(1.0), **options)


# The search for a rate


def quadratic(optimizer: Optimizer, seen: list | None = None):
    """A closure: the sum of squares of all parameters; `seen` gathers the rates it was called at."""

    def closure():
        optimizer.zero_grad()
        loss = sum(((p * p).sum() for p in optimizer.parameters), Variable(np.array(0.0)))
        loss.backward()
        if seen is not None:
            seen.append(optimizer.learning_rate)
        return loss

    return closure


def test_the_search_tries_rates_in_equal_ratios():
    p = parameter(np.full(3, 2.0))
    optimizer, seen = SGD([p]), []
    search = find_learning_rate(optimizer, quadratic(optimizer, seen), smallest=1e-4, largest=1e-1, steps=31)
    assert isinstance(search, LearningRateSearch)
    np.testing.assert_allclose(search.rates, [10 ** (-4 + i / 10) for i in range(31)], rtol=1e-12)
    np.testing.assert_allclose(seen, search.rates, rtol=1e-15)
    here, losses = 2.0, []
    for rate in search.rates:  # each step multiplies every coordinate by 1 − 2·rate
        losses.append(3 * here**2)
        here *= 1 - 2 * rate
    np.testing.assert_allclose(search.losses, losses, rtol=1e-10)


def test_the_search_ends_soon_after_the_loss_explodes():
    """Above a rate of 1 descent on p² overshoots by more than it gains."""
    optimizer = SGD([parameter(np.full(3, 2.0))])
    search = find_learning_rate(optimizer, quadratic(optimizer), smallest=1e-3, largest=1e6, steps=90)
    assert 1.0 < search.rates[-1] < 1000.0 and len(search.rates) == len(search.losses) < 90
    assert np.all(np.isfinite(search.losses)) and search.losses[-1] > search.losses[0]
    assert 1e-3 < search.suggestion < 1.0


def test_a_loss_that_is_not_finite_ends_the_search_and_is_left_out():
    p = parameter(1.0)
    optimizer = SGD([p])
    losses = iter([5.0, 4.0, 3.0, math.nan, 1.0])

    def closure():
        p.grad = Variable(np.array(0.0))
        return next(losses)

    search = find_learning_rate(optimizer, closure, steps=5)
    assert search.losses.tolist() == [5.0, 4.0, 3.0] and len(search.rates) == 3


@pytest.mark.parametrize("slope", [0.0, 0.125])
def test_without_a_fall_there_is_no_suggestion(slope):
    p = parameter(1.0, 0.0)
    losses = itertools.count(1.0, slope)
    search = find_learning_rate(SGD([p]), lambda: next(losses), steps=10)
    assert math.isnan(search.suggestion) and len(search.rates) == 10


def test_a_search_shorter_than_a_decade_is_looked_at_as_a_whole():
    """Averages 3, then (.27 + .1) / .19, then (.333 + .2) / .271: from .1 to .4, whose middle is .2."""
    p = parameter(1.0, 0.0)
    losses = iter([3.0, 1.0, 2.0])
    search = find_learning_rate(SGD([p]), lambda: next(losses), smallest=0.1, largest=0.4, steps=3)
    assert search.suggestion == pytest.approx(0.2, rel=1e-12)


def test_the_suggestion_is_the_middle_of_the_decade_with_the_largest_fall():
    """Ten rates a decade over three decades; the loss falls slowly, fast, slowly, and rises a little."""
    p = parameter(1.0, 0.0)
    losses = [9 - 0.02 * i - 4 / (1 + math.exp(15 - i)) + max(i - 26, 0) / 4 for i in range(31)]
    averages = moving_averages(losses, 0.9, debias=True)
    falls = [averages[i] - averages[i + 10] for i in range(21)]
    steepest = falls.index(max(falls))
    assert 10 < steepest < 20, "at an end of the range the test would say little"
    rest = iter(losses)
    search = find_learning_rate(SGD([p]), lambda: next(rest), smallest=1e-3, largest=1.0, steps=31)
    assert search.suggestion == pytest.approx(10 ** (-3 + (steepest + 5) / 10), rel=1e-9)


def test_two_losses_are_enough_for_a_search():
    p = parameter(1.0, 0.0)
    losses = iter([3.0, 2.0, math.inf])
    search = find_learning_rate(SGD([p]), lambda: next(losses), smallest=0.1, largest=0.4, steps=3)
    assert search.losses.tolist() == [3.0, 2.0] and search.suggestion == pytest.approx(0.1 * math.sqrt(2))


def trained(make) -> tuple[Optimizer, list[Variable]]:
    """An optimizer of two groups in the middle of its training; one parameter has no gradient."""
    variables = [parameter(np.linspace(1, 2, 4).reshape(shape)) for shape in ((4,), (2, 2), (1, 4))]
    optimizer = make([{"parameters": variables[:2]}, {"parameters": variables[2:], "learning_rate": 0.03}])
    for step in range(3):
        for i, variable in enumerate(variables[:2]):
            run(optimizer, variable, [np.full(variable.shape, 0.3 + step - i)])
    variables[2].grad = None
    set_gradient(variables[0], np.arange(4.0))
    return optimizer, variables


def everything(optimizer: Optimizer) -> tuple:
    """What the search must put back: values, gradients and state bit for bit, and the very objects."""
    return (
        snapshot(optimizer),
        [bits(None if p.grad is None else p.grad.data.data) for p in optimizer.parameters],
        [id(p.data) for p in optimizer.parameters],
        [id(value(p)) for p in optimizer.parameters],
        [id(p.grad) for p in optimizer.parameters],
        optimizer.step_count,
        sorted(map(id, optimizer.state)),
    )


SEARCHED = {
    "SGD": SGD,
    "SGD with momentum": functools.partial(SGD, momentum=0.9),
    "Adam": Adam,
    "AdamW": functools.partial(AdamW, weight_decay=0.3),
    "NAdam": NAdam,
    "decoupled L1": functools.partial(SGD, weight_decay=WeightDecay(0.3, norm="l1")),
}


@pytest.mark.parametrize("make", SEARCHED.values(), ids=SEARCHED.keys())
def test_the_search_puts_everything_back(make):
    optimizer, variables = trained(make)
    before = everything(optimizer)
    search = find_learning_rate(optimizer, quadratic(optimizer), smallest=1e-4, steps=20)
    assert len(set(search.losses)) > 3, "nothing moved during the search: the test says nothing"
    assert everything(optimizer) == before
    twin, others = trained(make)
    for group in (variables, others):
        for variable in group:
            set_gradient(variable, np.full(variable.shape, 0.5))
    optimizer.step(), twin.step()
    assert [bits(value(a)) for a in variables] == [bits(value(b)) for b in others]


class Interruption(BaseException):
    """What Ctrl-C is: no Exception."""


@pytest.mark.parametrize("error", [ZeroDivisionError, Interruption, TypeError])
@pytest.mark.parametrize("after", [1, 2, 7])
def test_the_search_puts_everything_back_also_after_an_error(after, error):
    optimizer, _ = trained(functools.partial(SGD, momentum=0.9))
    before = everything(optimizer)
    compute, calls = quadratic(optimizer), []

    def closure():
        calls.append(None)
        loss = compute()
        if len(calls) == after:
            raise error("on the way")
        return loss

    with pytest.raises(error, match="on the way"):
        find_learning_rate(optimizer, closure)
    assert everything(optimizer) == before and len(calls) == after


@pytest.mark.parametrize("returned", [None, "low", [1.0], True])
def test_the_search_puts_everything_back_where_the_closure_returns_no_number(returned):
    optimizer, _ = trained(SGD)
    before = everything(optimizer)
    compute = quadratic(optimizer)

    def closure():
        compute()
        return returned

    with pytest.raises(TypeError, match="loss"):
        find_learning_rate(optimizer, closure)
    assert everything(optimizer) == before


def test_the_search_puts_back_what_a_closure_assigned_and_what_gradients_it_added_to():
    """A closure that adds to old gradients and halves them in place, and gives a parameter another array."""
    optimizer, variables = trained(SGD)
    before, gradient = everything(optimizer), variables[0].grad.data.data

    def closure():
        if variables[2].grad is None:
            variables[0].grad.data.data *= 0.5
        variables[1].data = Tensor(value(variables[1]) + 1.0)
        loss = sum(((p * p).sum() for p in variables), Variable(np.array(0.0)))
        loss.backward()
        for p in variables:
            p.grad.data.data *= 0.5
        return loss

    find_learning_rate(optimizer, closure, steps=5)
    assert everything(optimizer) == before and variables[0].grad.data.data is gradient


def test_the_search_makes_no_state_where_there_was_none():
    p = parameter(2.0)
    optimizer = Adam([p])
    find_learning_rate(optimizer, quadratic(optimizer), steps=5)
    assert optimizer.state == {} and optimizer.step_count == 0 and p.grad is None


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"smallest": 0.0}, ValueError, "smallest"),
        ({"smallest": -1.0}, ValueError, "smallest"),
        ({"smallest": "tiny"}, TypeError, "smallest"),
        ({"largest": math.inf}, ValueError, "largest"),
        ({"largest": None}, TypeError, "largest"),
        ({"smallest": 1.0, "largest": 1.0}, ValueError, "smallest < largest"),
        ({"smallest": 2.0, "largest": 1.0}, ValueError, "smallest < largest"),
        ({"steps": 1}, ValueError, "steps"),
        ({"steps": 10.0}, TypeError, "steps"),
        ({"steps": True}, TypeError, "steps"),
        ({"closure": None}, TypeError, "closure"),
        ({"closure": 3.0}, TypeError, "closure"),
        ({"optimizer": None}, TypeError, "[Oo]ptimizer"),
        ({"closure": lambda: math.nan}, ValueError, "finite"),
        ({"closure": lambda: math.inf}, ValueError, "finite"),
    ],
)
def test_the_search_refuses_what_it_cannot_do(change, error, message):
    optimizer, _ = trained(SGD)
    before = everything(optimizer)
    with pytest.raises(error, match=message) as refusal:
        find_learning_rate(**{"optimizer": optimizer, "closure": quadratic(optimizer), **change})
    assert "\n" not in str(refusal.value) and everything(optimizer) == before

"""The adaptive rules of the package: averages, worked numbers, refusals, what every optimizer promises."""

from __future__ import annotations

import copy
import dataclasses
import doctest
import functools
import itertools
import math
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import array_path, moving_averages
from test_optimizers import (
    LARGE,
    LAYOUTS,
    bits,
    edited,
    laid_out,
    make_training,
    numpy_counts,
    parameter,
    run,
    set_gradient,
    snapshot,
    through_npz,
    through_pickle,
    train,
    value,
    without,
)
from tinytorch.core import adaptive_optimizers
from tinytorch.core.adaptive_optimizers import (
    AdaGrad,
    AdamW,
    AdaptiveOptimizer,
    AMSGrad,
    MomentumSGD,
    NAdam,
    RAdam,
    RMSprop,
    WeightDecay,
    ewma,
    moving_average,
)
from tinytorch.core.autograd import Variable
from tinytorch.core.optimizers import SGD, Adam, Optimizer
from tinytorch.core.tensor import Tensor

RULES = {
    "SGD": SGD,
    "Adam": Adam,
    "MomentumSGD": MomentumSGD,
    "RMSprop": RMSprop,
    "AdaGrad": AdaGrad,
    "AdamW": AdamW,
    "NAdam": NAdam,
    "AMSGrad": AMSGrad,
    "RAdam": RAdam,
}
OPTIONS = {
    "heavy ball": ("MomentumSGD", {"learning_rate": 0.1}),
    "dampening": ("MomentumSGD", {"learning_rate": 0.1, "momentum": 0.8, "dampening": 0.6}),
    "nesterov": ("MomentumSGD", {"learning_rate": 0.1, "nesterov": True}),
    "average": ("MomentumSGD", {"learning_rate": 0.1, "average": True}),
    "debiased average": ("MomentumSGD", {"learning_rate": 0.1, "average": True, "debias": True}),
    "dampening and L2": ("MomentumSGD", {"learning_rate": 0.1, "dampening": 0.3, "weight_decay": 0.2}),
    "RMSprop": ("RMSprop", {"learning_rate": 0.1}),
    "centered RMSprop": ("RMSprop", {"learning_rate": 0.1, "alpha": 0.7, "epsilon": 0.1, "centered": True}),
    "RMSprop with momentum and L2": ("RMSprop", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.2}),
    "RMSprop with everything": (
        "RMSprop",
        {
            "learning_rate": 0.05,
            "alpha": 0.6,
            "epsilon": 0.2,
            "centered": True,
            "momentum": 0.8,
            "weight_decay": 0.1,
        },
    ),
    "AdaGrad": ("AdaGrad", {"learning_rate": 0.1}),
    "AdaGrad with L2": ("AdaGrad", {"learning_rate": 0.1, "epsilon": 0.5, "weight_decay": 0.2}),
    "AdamW": ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.3}),
    "NAdam": ("NAdam", {"learning_rate": 0.1}),
    "NAdam with L2": (
        "NAdam",
        {"learning_rate": 0.1, "beta1": 0.7, "momentum_decay": 0.2, "weight_decay": 0.2},
    ),
    "AMSGrad": ("AMSGrad", {"learning_rate": 0.1, "beta2": 0.5}),
    "AMSGrad with L2": ("AMSGrad", {"learning_rate": 0.1, "beta2": 0.8, "weight_decay": 0.2}),
    "RAdam": ("RAdam", {"learning_rate": 0.1, "beta2": 0.8}),
    "RAdam with L2": ("RAdam", {"learning_rate": 0.1, "weight_decay": 0.2}),
    "decoupled L1": ("NAdam", {"learning_rate": 0.1, "weight_decay": WeightDecay(0.3, norm="l1")}),
}
MAKERS = {name: functools.partial(RULES[rule], **options) for name, (rule, options) in OPTIONS.items()}
every_rule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def reference_path(name: str, start, gradients) -> np.ndarray:
    """The path of `MAKERS[name]` by unrolled sums."""
    rule, options = OPTIONS[name]
    return array_path(rule, start, gradients, **in_plain_words(options))


def in_plain_words(options: dict) -> dict:
    """Options with a WeightDecay taken apart, as the reference has them."""
    decay = options.get("weight_decay")
    return {**options, **dataclasses.asdict(decay)} if isinstance(decay, WeightDecay) else options


# Moving averages


def test_moving_average_worked_numbers():
    """4; (4 + 2) / 2; (4 + 2 + 9) / 3; (4 + 2 + 9 + 5) / 4."""
    assert moving_average([4, 2, 9, 5]).tolist() == [4.0, 3.0, 5.0, 5.0]


@pytest.mark.parametrize(
    "beta, debias, expected",
    [
        (0.5, False, [2.0, 2.0, 5.5]),  # .5·4; .5·2 + .5·2; .5·2 + .5·9
        (0.5, True, [4.0, 2 / 0.75, 5.5 / 0.875]),  # divided by 1 − .5, 1 − .25, 1 − .125
        (0.75, False, [1.0, 1.25, 3.1875]),  # .25·4; .75 + .5; .9375 + 2.25
        (0.0, False, [4.0, 2.0, 9.0]),
        (0.0, True, [4.0, 2.0, 9.0]),
    ],
)
def test_ewma_worked_numbers(beta, debias, expected):
    assert ewma([4, 2, 9], beta, debias).tolist() == pytest.approx(expected, abs=1e-15)


def test_ewma_remembers_nine_tenths_and_is_not_corrected_unless_told():
    assert ewma([1.0, 1.0]).tolist() == pytest.approx([0.1, 0.19], abs=1e-15)


numbers_lists = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)


@settings(deadline=None)
@given(values=numbers_lists, beta=st.floats(0, 0.999), debias=st.booleans())
def test_ewma_is_the_weighted_sum_of_all_values(values, beta, debias):
    np.testing.assert_allclose(
        ewma(values, beta, debias), moving_averages(values, beta, debias), rtol=1e-9, atol=1e-9
    )


@settings(deadline=None)
@given(values=numbers_lists)
def test_moving_average_is_the_mean_of_all_values(values):
    means = [math.fsum(values[:i]) / i for i in range(1, len(values) + 1)]
    np.testing.assert_allclose(moving_average(values), means, rtol=1e-9, atol=1e-9)


@given(x=st.floats(-1e6, 1e6), beta=st.floats(0, 0.999))
def test_the_first_debiased_value_is_the_first_observation_and_a_constant_stays(x, beta):
    assert ewma([x] * 4, beta, debias=True).tolist() == pytest.approx([x] * 4, rel=1e-9)


AVERAGES = {
    "moving_average": moving_average,
    "ewma": ewma,
    "ewma, debiased": lambda values: ewma(values, 0.8, debias=True),
}
every_average = pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES.keys())


@every_average
def test_an_iterator_gives_the_values_of_the_array_one_at_a_time(average):
    values = [4.0, -2.0, 9.5, 5.0, 5.0]
    asked = []

    def source():
        for x in values:
            asked.append(x)
            yield x

    stream = average(source())
    assert asked == [] and iter(stream) is stream
    expected = average(values).tolist()
    for i, wanted in enumerate(expected):
        assert next(stream) == wanted and asked == values[: i + 1]
    with pytest.raises(StopIteration):
        next(stream)


@every_average
def test_a_stream_keeps_no_value(average):
    """Of arrays that come and go, at most the newest is alive: memory does not grow with the length."""
    alive = []

    def source():
        for i in range(50):
            array = np.full(1000, float(i))
            alive.append(weakref.ref(array))
            yield array
            del array

    for _ in average(source()):
        assert sum(reference() is not None for reference in alive) <= 2
    assert len(alive) == 50


@every_average
def test_a_stream_may_be_endless(average):
    assert len(list(itertools.islice(average(iter(itertools.count())), 1000))) == 1000


@every_average
def test_what_a_stream_gave_does_not_change_afterwards(average):
    values = np.arange(12.0).reshape(4, 3)
    given_out = list(average(iter(values)))
    np.testing.assert_array_equal(given_out, average(values))
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations([*given_out, values], 2))


@every_average
def test_averages_run_along_the_first_axis(average):
    values = np.random.default_rng(1).standard_normal((6, 2, 3))
    together = average(values)
    assert together.shape == values.shape
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(together[(slice(None), *index)], average(values[(slice(None), *index)]))


@every_average
@pytest.mark.parametrize(
    "values, dtype",
    [
        (np.ones(3, np.float32), np.float32),
        (np.ones(3, np.float64), np.float64),
        (np.ones(3, np.int32), np.float64),
        (np.ones(3, np.uint8), np.float64),
        ([1, 2], np.float64),
        ((1.0, 2.0), np.float64),
        (range(3), np.float64),
    ],
)
def test_averages_keep_floating_types_and_make_float64_of_integers(average, values, dtype):
    before = np.array(values)
    result = average(values)
    assert result.dtype == dtype and result.shape == before.shape
    np.testing.assert_array_equal(values, before)


@every_average
def test_averages_of_float32_are_computed_in_float32_even_under_a_numpy_beta(average):
    values = np.linspace(-1, 1, 7, dtype=np.float32)
    assert all(item.dtype == np.float32 for item in average(iter(values.reshape(7, 1))))


def test_a_numpy_beta_widens_nothing():
    values = np.linspace(-1, 1, 7, dtype=np.float32)
    plain, numpy = (list(ewma(iter(values.reshape(7, 1)), beta)) for beta in (0.9, np.float64(0.9)))
    assert bits(plain) == bits(numpy)


@every_average
def test_the_average_of_nothing_is_nothing(average):
    assert average([]).shape == (0,) and average(np.zeros((0, 3))).shape == (0, 3)
    assert list(average(iter([]))) == []


@every_average
@pytest.mark.parametrize(
    "values", ["12", ["1", "2"], 3.0, None, [None], [True, False], [1j], np.array(1.0), {}], ids=repr
)
def test_averages_of_what_is_no_list_of_numbers_are_refused(average, values):
    with pytest.raises(TypeError, match="values") as refusal:
        average(values)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "beta, error",
    [
        (1.0, ValueError),
        (-0.1, ValueError),
        (1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("0.9", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
@pytest.mark.parametrize("values", [[1.0, 2.0], iter([1.0, 2.0])], ids=["list", "iterator"])
def test_a_bad_beta_is_refused_at_once(values, beta, error):
    """Also of an iterator, whose first value may be asked for much later."""
    with pytest.raises(error, match="beta"):
        ewma(values, beta)


@pytest.mark.parametrize("debias", [1, 0, "yes", None, 0.5])
def test_debias_is_true_or_false(debias):
    with pytest.raises(TypeError, match="debias"):
        ewma(iter([1.0]), 0.9, debias)


# Momentum


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [0.9, 0.71, 0.439]),
        ({"momentum": 0.0}, [0.9, 0.8, 0.7]),
        ({"nesterov": True}, [0.81, 0.539, 0.1951]),
        ({"average": True}, [0.99, 0.971, 0.9439]),
        ({"average": True, "debias": True}, [0.9, 0.8, 0.7]),
        ({"momentum": 0.5, "dampening": 0.5}, [0.9, 0.8, 0.7]),  # b stays 1
        ({"momentum": 0.5, "dampening": 0.75}, [0.9, 0.825, 0.7625]),  # b = 1, .5 + .25, .375 + .25
        ({"momentum": 0.5, "nesterov": True}, [0.85, 0.675, 0.4875]),  # b = 1, 1.5, 1.75; 1 + b / 2
    ],
)
def test_momentum_table(options, expected):
    """p = 1, gradient 1 at each step, rate 0.1."""
    p = parameter(1.0)
    assert run(MomentumSGD([p], learning_rate=0.1, **options), p, [1.0] * 3) == pytest.approx(
        expected, abs=1e-14
    )


def test_momentum_defaults():
    p = parameter(1.0)
    assert MomentumSGD([p]).param_groups == [
        {
            "parameters": [p],
            "learning_rate": 0.01,
            "weight_decay": 0.0,
            "momentum": 0.9,
            "dampening": 0.0,
            "nesterov": False,
            "average": False,
            "debias": False,
        }
    ]


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_options_it_is_the_sgd_of_before_bit_for_bit(momentum, dtype):
    """Also what is remembered of each parameter, but for the count that the other forms need."""
    runs = []
    for rule in (SGD, MomentumSGD):
        optimizer, variables = make_training(
            lambda groups, rule=rule: rule(groups, learning_rate=0.1, momentum=momentum, weight_decay=0.1),
            dtype,
        )
        train(optimizer, variables, range(9))
        runs.append(
            ([bits(value(p)) for p in variables], [bits(b) for b in optimizer.momentum_buffers.values()])
        )
    assert runs[0] == runs[1]


@settings(deadline=None)
@given(gradients=st.lists(st.floats(-10, 10), min_size=1, max_size=20), momentum=st.floats(0.05, 0.95))
def test_the_average_form_is_the_heavy_ball_at_a_smaller_rate(gradients, momentum):
    """As long as rate and momentum stay the same: the average is 1 − momentum times the velocity."""
    average, ball = parameter(1.0), parameter(1.0)
    first = run(MomentumSGD([average], 0.5, momentum, average=True), average, gradients)
    second = run(SGD([ball], 0.5 * (1 - momentum), momentum), ball, gradients)
    assert first == pytest.approx(second, rel=1e-9, abs=1e-9)


def test_but_not_when_the_rate_changes_on_the_way():
    """The ball's velocity knows nothing of rates, so both stay equal; a changed momentum parts them."""
    average, ball = parameter(1.0), parameter(1.0)
    first, second = MomentumSGD([average], 0.5, 0.9, average=True), SGD([ball], 0.05, 0.9)
    run(first, average, [1.0]), run(second, ball, [1.0])
    first.learning_rate, second.learning_rate = 0.25, 0.025
    assert run(first, average, [1.0]) == pytest.approx(run(second, ball, [1.0]), abs=1e-14)
    first.param_groups[0]["momentum"] = second.param_groups[0]["momentum"] = 0.5
    second.learning_rate = 0.25 * 0.5
    assert run(first, average, [0.0]) != pytest.approx(run(second, ball, [0.0]), abs=1e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"nesterov": True, "momentum": 0.0}, "nesterov.*momentum"),
        ({"average": True, "momentum": 0.0}, "average.*momentum"),
        ({"dampening": 0.5, "momentum": 0.0}, "dampening.*momentum"),
        ({"nesterov": True, "dampening": 0.5}, "nesterov"),
        ({"average": True, "dampening": 0.5}, "average"),
        ({"average": True, "nesterov": True}, "average"),
        ({"average": True, "momentum": 1.0}, "below 1"),
        ({"average": True, "momentum": 1.5}, "below 1"),
        ({"debias": True}, "debias.*average"),
        ({"debias": True, "nesterov": True}, "debias.*average"),
        ({"dampening": 1.0}, "dampening"),
        ({"dampening": 1.5}, "dampening"),
    ],
)
def test_forms_of_momentum_that_do_not_go_together_are_refused(options, message):
    for make in (
        lambda: MomentumSGD([parameter(1.0)], **options),
        lambda: MomentumSGD([{"parameters": [parameter(1.0)], **options}]),
        lambda: MomentumSGD([{"parameters": [parameter(1.0)]}, {"parameters": [parameter(1.0)], **options}]),
    ):
        with pytest.raises(ValueError, match=message) as refusal:
            make()
        assert "\n" not in str(refusal.value)


def test_a_combination_that_only_the_loaded_state_has_is_refused_too():
    optimizer = MomentumSGD([parameter(1.0)], nesterov=True)
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="average"):
        optimizer.load_state_dict(edited("param_groups", 0, "average", True)(optimizer.state_dict()))
    assert snapshot(optimizer) == before


@pytest.mark.parametrize(
    "rule, name",
    [
        ("MomentumSGD", "nesterov"),
        ("MomentumSGD", "average"),
        ("MomentumSGD", "debias"),
        ("RMSprop", "centered"),
    ],
)
@pytest.mark.parametrize("bad", [1, 0, 1.0, "yes", None, [True]])
def test_a_switch_is_true_or_false(rule, name, bad):
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        RULES[rule]([parameter(1.0)], **{name: bad})
    with pytest.raises(TypeError, match=name):
        RULES[rule]([{"parameters": [parameter(1.0)], name: bad}])


def test_a_switch_becomes_a_plain_bool():
    group = MomentumSGD([parameter(1.0)], nesterov=np.bool_(True)).param_groups[0]
    assert group["nesterov"] is True and group["average"] is False


@pytest.mark.parametrize(
    "options",
    [{"dampening": 0.4}, {"nesterov": True}, {"average": True}, {"average": True, "debias": True}],
    ids=str,
)
def test_momentum_switched_on_later_starts_then(options):
    """The first buffer, the count of the correction: as of an optimizer that starts at that point."""
    p, fresh = parameter(1.0), parameter(1.0)
    optimizer = MomentumSGD([p], 0.1, momentum=0.0)
    run(optimizer, p, [0.5, -1.0, 2.0])
    fresh.data = Tensor(value(p).copy())
    optimizer.param_groups[0].update(momentum=0.8, **options)
    gradients = [1.0, -0.5, 2.0, 3.0]
    expected = run(MomentumSGD([fresh], 0.1, 0.8, **options), fresh, gradients)
    assert run(optimizer, p, gradients) == expected
    assert optimizer.state[p]["update_count"] == 7


@pytest.mark.parametrize(
    "options", [{"dampening": 0.4}, {"nesterov": True}, {"average": True, "debias": True}], ids=str
)
def test_momentum_switched_off_is_plain_descent(options):
    p = parameter(1.0)
    optimizer = MomentumSGD([p], 0.5, momentum=0.9, **options)
    [before] = run(optimizer, p, [1.0])
    optimizer.param_groups[0]["momentum"] = 0.0
    assert run(optimizer, p, [1.0, -1.0]) == [before - 0.5, before]


# RMSprop and AdaGrad


def test_rmsprop_worked_by_hand():
    """alpha .75, epsilon 1, rate .1, gradients 2, 2: v = 1, step 2 / 2; v = 1.75, step 2 / (1 + √1.75)."""
    p = parameter(1.0)
    values = run(RMSprop([p], learning_rate=0.1, alpha=0.75, epsilon=1.0), p, [2.0, 2.0])
    assert values == pytest.approx([0.9, 0.9 - 0.2 / (1 + math.sqrt(1.75))], abs=1e-15)


def test_rmsprop_centered_worked_by_hand():
    """alpha .5, epsilon 1, rate 1, gradients 2, 4: v = 2, m = 1, step 2 / (1 + √1); v = 9, m = 2.5."""
    p = parameter(0.0)
    values = run(RMSprop([p], learning_rate=1.0, alpha=0.5, epsilon=1.0, centered=True), p, [2.0, 4.0])
    assert values == pytest.approx([-1.0, -1.0 - 4 / (1 + math.sqrt(2.75))], abs=1e-15)


def test_rmsprop_momentum_worked_by_hand():
    """alpha 0, epsilon 0: each step is the sign; b = 1, 1.5, −.25."""
    p = parameter(0.0)
    optimizer = RMSprop([p], learning_rate=1.0, alpha=0.0, epsilon=0.0, momentum=0.5)
    assert run(optimizer, p, [3.0, 0.01, -7.0]) == pytest.approx([-1.0, -2.5, -2.25], abs=1e-15)


def test_the_first_step_of_rmsprop_is_too_big():
    """Without correction v = (1 − alpha) g², so the first step is 1 / sqrt(1 − alpha) = 3.16 rates."""
    p = parameter([0.0, 0.0])
    [moved] = run(RMSprop([p], learning_rate=0.1, epsilon=0.0), p, [[1e-3, -1e3]])
    assert moved == pytest.approx([-0.1 * math.sqrt(10), 0.1 * math.sqrt(10)], rel=1e-12)


def test_epsilon_stands_outside_the_root():
    """v = g² = 1e-8 under alpha 0: 1e-4 / (1e-4 + 1e-2) is 1 / 101; inside the root it would be 1e-3."""
    for make in (
        functools.partial(RMSprop, alpha=0.0),
        AdaGrad,
        functools.partial(AMSGrad, beta1=0.0, beta2=0.0),
    ):
        p = parameter(0.0)
        [moved] = run(make([p], learning_rate=1.0, epsilon=1e-2), p, [1e-4])
        assert moved == pytest.approx(-1 / 101, rel=1e-9)


def test_adagrad_worked_by_hand():
    """Gradients 3, 4, 12: roots 3, 5, 13."""
    p = parameter(1.0)
    values = run(AdaGrad([p], learning_rate=0.1, epsilon=0.0), p, [3.0, 4.0, 12.0])
    assert values == pytest.approx([0.9, 0.82, 0.82 - 1.2 / 13], abs=1e-15)


def test_a_variance_that_rounding_makes_negative_gives_no_nan():
    """A constant gradient: v − m² is 0 but for rounding, now and then below 0; PyTorch has nan there."""
    p = parameter(np.zeros(64), dtype=np.float32)
    gradient = np.linspace(0.1, 3.0, 64).astype(np.float32)
    optimizer = RMSprop([p], learning_rate=1e-6, alpha=0.5, epsilon=1.0, centered=True)
    below = 0
    for _ in range(200):
        set_gradient(p, gradient)
        optimizer.step()
        state = optimizer.state[p]
        below += np.sum(state["second_moment"] - state["first_moment"] ** 2 < 0)
        assert np.all(np.isfinite(value(p)))
    assert below > 0, "no variance went below 0: the test says nothing"


@pytest.mark.parametrize(
    "option, made", [({"centered": True}, "first_moment"), ({"momentum": 0.9}, "momentum_buffer")]
)
def test_an_option_of_rmsprop_may_be_switched_on_later(option, made):
    """What is new starts at 0; what there was is kept."""
    p = parameter([1.0, 2.0])
    optimizer = RMSprop([p], learning_rate=0.1, alpha=0.5, epsilon=1.0)
    run(optimizer, p, [[1.0, 2.0]])
    second = optimizer.state[p]["second_moment"].copy()
    optimizer.param_groups[0].update(option)
    run(optimizer, p, [[1.0, 1.0]])
    np.testing.assert_allclose(optimizer.state[p]["second_moment"], 0.5 * second + 0.5)
    m, v = np.array([0.5, 0.5]), np.array([0.75, 1.5])
    spread = v - m**2 if made == "first_moment" else v
    wanted = m if made == "first_moment" else 1 / (np.sqrt(v) + 1)
    np.testing.assert_allclose(optimizer.state[p][made], wanted)
    steps = np.array([1 / (1 + math.sqrt(0.5)), 2 / (1 + math.sqrt(2.0))]) + 1 / (np.sqrt(spread) + 1)
    np.testing.assert_allclose(value(p), np.array([1.0, 2.0]) - 0.1 * steps)


# Around Adam


def test_amsgrad_never_forgets_the_largest_square():
    """beta2 .5, beta1 0, gradients 4, 1: averages 8, 4.5; v_hat = 8 / .5, then 8 / .75, not 4.5 / .75."""
    p = parameter(0.0)
    optimizer = AMSGrad([p], learning_rate=1.0, beta1=0.0, beta2=0.5, epsilon=0.0)
    assert run(optimizer, p, [4.0, 1.0]) == pytest.approx([-1.0, -1.0 - math.sqrt(0.75 / 8)], abs=1e-14)
    assert optimizer.state[p]["largest_second_moment"].tolist() == 8.0
    assert optimizer.state[p]["second_moment"].tolist() == 4.5


def test_nadam_worked_by_hand():
    """momentum_decay 0: mu = beta1 / 2 = .25 always; beta2 0, epsilon 0, so the root is |g|; g = 1, 1.

    t = 1: m = .5, product .25: (.75 / .75) · 1 + .25 / (1 − .0625) · .5 = 1.1333…
    t = 2: m = .75, product .0625: .75 / .9375 + .25 / (1 − .015625) · .75 = .8 + .190476…
    """
    p = parameter(0.0)
    optimizer = NAdam([p], learning_rate=1.0, beta1=0.5, beta2=0.0, epsilon=0.0, momentum_decay=0.0)
    first, second = run(optimizer, p, [1.0, 1.0])
    assert first == pytest.approx(-(1 + 0.125 / 0.9375), abs=1e-15)
    assert second - first == pytest.approx(-(0.8 + 0.1875 / 0.984375), abs=1e-15)
    assert optimizer.state[p]["momentum_product"] == pytest.approx(0.0625, abs=1e-16)


def test_the_momentum_of_nadam_rises_towards_beta1():
    """mu_t = beta1 (1 − .96^(t·decay) / 2): with decay 10, mu_1 = .9 · (1 − .5 · .96^10)."""
    p = parameter(0.0)
    optimizer = NAdam([p], momentum_decay=10.0)
    run(optimizer, p, [1.0])
    assert optimizer.state[p]["momentum_product"] == pytest.approx(0.9 * (1 - 0.5 * 0.96**10), abs=1e-15)


def test_radam_rectifies_from_the_sixth_update_on():
    """The length of the average is 4.995… after five updates and 5.994… after six, for beta2 .999.

    Until then the step is that of the debiased average momentum; a constant gradient of 2 moves 2 rates.
    """
    p = parameter(0.0)
    values = run(RAdam([p], learning_rate=0.1), p, [2.0] * 6)
    assert values[:5] == pytest.approx([-0.2, -0.4, -0.6, -0.8, -1.0], abs=1e-13)
    longest, t = 1999.0, 6
    length = longest - 2 * t * 0.999**t / (1 - 0.999**t)
    assert 5 < length < 6
    r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
    assert values[5] - values[4] == pytest.approx(-0.1 * r, rel=1e-6) and r < 0.05


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.6, 2 / 3])
def test_radam_with_a_short_memory_is_never_rectified(beta2):
    """The longest average, 2 / (1 − beta2) − 1, is at most 5."""
    p, other = parameter(0.0), parameter(0.0)
    gradients = [1.0, -2.0, 0.5, 3.0, 1.0, 1.0, 4.0, -1.0, 2.0, 0.0]
    first = run(RAdam([p], learning_rate=0.1, beta1=0.8, beta2=beta2), p, gradients)
    second = run(MomentumSGD([other], 0.1, 0.8, average=True, debias=True), other, gradients)
    assert first == pytest.approx(second, abs=1e-13)


@pytest.mark.parametrize(
    "rule, expected",
    [
        (
            "RMSprop",
            {
                "learning_rate": 0.01,
                "alpha": 0.9,
                "epsilon": 1e-5,
                "centered": False,
                "momentum": 0.0,
                "weight_decay": 0.0,
            },
        ),
        ("AdaGrad", {"learning_rate": 0.01, "epsilon": 1e-10, "weight_decay": 0.0}),
        (
            "AdamW",
            {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
        ),
        (
            "NAdam",
            {
                "learning_rate": 0.002,
                "beta1": 0.9,
                "beta2": 0.999,
                "epsilon": 1e-8,
                "weight_decay": 0.0,
                "momentum_decay": 0.004,
            },
        ),
        (
            "AMSGrad",
            {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
        ),
        (
            "RAdam",
            {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
        ),
    ],
)
def test_defaults(rule, expected):
    [group] = RULES[rule]([parameter(1.0)]).param_groups
    assert {name: option for name, option in group.items() if name != "parameters"} == expected


def test_adam_without_correction_is_momentum_and_rmsprop_together():
    """alpha = beta2, the average of RMSprop's own gradients for m: m / (√v + ε) with m and v not corrected.

    Both corrections are 1 to the last digit after 400 updates with betas of .9 and .95.
    """
    p, other = parameter(np.zeros(3)), parameter(np.zeros(3))
    adam, rmsprop = Adam([p], 0.01, beta1=0.0, beta2=0.95, epsilon=1e-3), RMSprop([other], 0.01, 0.95, 1e-3)
    generator = np.random.default_rng(3)
    for step in range(450):
        gradient = generator.standard_normal(3)
        run(adam, p, [gradient]), run(rmsprop, other, [gradient])
        if step == 400:
            at_400 = value(p).copy(), value(other).copy()
    np.testing.assert_allclose(value(p) - at_400[0], value(other) - at_400[1], rtol=0, atol=1e-10)


# What any optimizer promises, of every rule


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(OPTIONS)),
    gradients=st.lists(st.one_of(st.none(), st.floats(-100, 100).map(lambda x: round(x, 3))), max_size=12),
    start=st.floats(-10, 10),
)
def test_every_rule_follows_its_reference(name, gradients, start):
    p = parameter(start)
    expected = reference_path(name, np.array(start), gradients).reshape(-1)
    np.testing.assert_allclose(run(MAKERS[name]([p]), p, gradients), expected, rtol=1e-9, atol=1e-9)


@every_rule
def test_every_rule_moves_and_remembers_in_the_parameters_type(make):
    """The same numbers, bit for bit, whether the rate came from Python or from NumPy."""
    plain, numpy = parameter([1.0, -2.0], dtype=np.float32), parameter([1.0, -2.0], dtype=np.float32)
    first, second = make([plain]), make([numpy])
    for name, option in first.param_groups[0].items():
        if isinstance(option, float):
            checked = second.check_hyperparameter(name, np.float64(option))
            assert type(checked) is float
            second.param_groups[0][name] = checked
    for step in range(8):
        gradient = [[1.0, 0.3], [0.7, -1.1]][step % 2]
        assert run(first, plain, [gradient]) == run(second, numpy, [gradient])
    assert value(numpy).dtype == np.float32 and value(numpy).tolist() != [1.0, -2.0]
    kept = [array for array in second.state[numpy].values() if isinstance(array, np.ndarray)]
    assert kept and all(array.dtype == np.float32 for array in kept)


@every_rule
def test_gradients_are_only_read(make):
    p = parameter([1.0, 2.0, 3.0], [0.5, 0.0, -1.0])
    gradient = p.grad.data.data
    gradient.flags.writeable = False
    optimizer = make([p])
    for _ in range(8):
        optimizer.step()
    assert gradient.tolist() == [0.5, 0.0, -1.0] and p.grad.data.data is gradient
    kept = [array for array in optimizer.state[p].values() if isinstance(array, np.ndarray)]
    assert not any(np.shares_memory(array, gradient) for array in kept)


@every_rule
def test_the_array_is_updated_in_place_and_read_afresh_at_each_step(make):
    p = parameter([1.0, 2.0], [1.0, 1.0])
    first = value(p)
    optimizer = make([p])
    optimizer.step()
    assert value(p) is first and first.tolist() != [1.0, 2.0]
    after_first = first.tolist()
    assigned = np.array([10.0, 20.0])
    p.data = Tensor.from_numpy(assigned)
    optimizer.step()
    assert first.tolist() == after_first
    assert value(p) is assigned and assigned[0] != 10.0


@every_rule
def test_each_parameter_counts_its_own_updates(make):
    """One whose gradients come late and with gaps goes exactly the way it would go alone without them."""
    early, late, alone = (parameter([1.0, -1.0]) for _ in range(3))
    optimizer, single = make([early, late]), make([alone])
    generator = np.random.default_rng(5)
    for step in range(14):
        gradient = generator.standard_normal(2)
        set_gradient(early, generator.standard_normal(2))
        late.grad = None
        if step >= 5 and step % 3:
            set_gradient(late, gradient)
            run(single, alone, [gradient])
        before = bits(value(late))
        optimizer.step()
        assert late.grad is not None or bits(value(late)) == before
        assert bits(value(late)) == bits(value(alone))
    assert bits(optimizer.state[late]) == bits(single.state[alone])


@pytest.mark.parametrize(
    "first, second",
    [
        ("heavy ball", "nesterov"),
        ("average", "dampening"),
        ("RMSprop", "centered RMSprop"),
        ("AdaGrad", "AdaGrad with L2"),
        ("NAdam", "NAdam with L2"),
        ("NAdam", "decoupled L1"),
        ("AMSGrad", "AMSGrad with L2"),
        ("RAdam", "RAdam with L2"),
    ],
)
def test_groups_go_as_they_would_go_alone(first, second):
    rule = RULES[OPTIONS[first][0]]
    together, apart = [parameter(np.ones(3)) for _ in range(2)], [parameter(np.ones(3)) for _ in range(2)]
    optimizer = rule([{"parameters": [p], **OPTIONS[name][1]} for p, name in zip(together, (first, second))])
    singles = [MAKERS[name]([p]) for p, name in zip(apart, (first, second))]
    for step in range(8):
        gradient = np.random.default_rng(step).standard_normal(3)
        for p in (*together, *apart):
            set_gradient(p, gradient)
        optimizer.step()
        for single in singles:
            single.step()
    assert [bits(value(p)) for p in together] == [bits(value(p)) for p in apart]
    assert bits(value(together[0])) != bits(value(together[1]))


@every_rule
def test_two_parameters_of_one_shape_share_no_state(make):
    optimizer, variables = make_training(make, np.float64)
    train(optimizer, variables, range(6))
    arrays = [
        array
        for state in optimizer.state.values()
        for array in state.values()
        if isinstance(array, np.ndarray)
    ]
    assert arrays and not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@every_rule
def test_gradients_that_are_not_finite_spoil_only_their_own_coordinate(make, bad):
    clean, spoilt = parameter([1.0, 1.0]), parameter([1.0, 1.0])
    first, second = make([clean]), make([spoilt])
    with np.errstate(invalid="ignore", over="ignore"):
        run(first, clean, [[0.5, 0.5]] * 2)
        run(second, spoilt, [[0.5, bad], [0.5, 0.5]])
    assert value(spoilt)[0] == value(clean)[0]
    assert bad == math.inf or not np.isfinite(value(spoilt)[1])


@every_rule
def test_a_coordinate_without_gradient_stays_where_nothing_decays(make):
    """0 / (0 + epsilon) is 0, also at the first update and under every epsilon that is allowed."""
    p = parameter([1.0, 1.0])
    optimizer = make([p], weight_decay=0.0)
    values = run(optimizer, p, [[1.0, 0.0]] * 8)
    assert [second for _, second in values] == [1.0] * 8


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    layout=st.sampled_from(sorted(LAYOUTS)),
    gradient_layout=st.sampled_from(sorted(LAYOUTS)),
    slice_size=st.integers(1, 30),
    name=st.sampled_from(sorted(MAKERS)),
    seed=st.integers(0, 1000),
)
def test_slices_and_layouts_change_no_bit(shape, layout, gradient_layout, slice_size, name, seed):
    generator = np.random.default_rng(seed)
    start, *gradients = generator.standard_normal((8, *shape))
    whole, sliced = Variable(start), Variable(Tensor.from_numpy(laid_out(start, layout)))
    array = value(sliced)
    first, second = MAKERS[name]([whole]), MAKERS[name]([sliced])
    second.slice_size = slice_size
    for gradient in gradients:
        whole.grad = Variable(gradient)
        sliced.grad = Variable(Tensor.from_numpy(laid_out(gradient, gradient_layout)))
        first.step()
        second.step()
    assert value(sliced) is array
    np.testing.assert_array_equal(array, value(whole))
    assert {
        name: kept for name, kept in second.state.get(sliced, {}).items() if not isinstance(kept, np.ndarray)
    } == {name: kept for name, kept in first.state.get(whole, {}).items() if not isinstance(kept, np.ndarray)}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_large_array_is_sliced_and_agrees_with_the_reference(name):
    """200,001 numbers with three gradients in turn: each number follows the path it would take alone."""
    p = parameter(np.ones(200_001))
    optimizer = MAKERS[name]([p])
    assert p.data.data.size > optimizer.slice_size
    pattern, scales = np.array([1.0, -0.5, 0.0]), (1.0, 2.0, -1.0, 0.5, 1.0, 3.0, -2.0)
    for scale in scales:
        set_gradient(p, scale * np.tile(pattern, 66_667))
        optimizer.step()
    expected = reference_path(name, np.ones(3), [scale * pattern for scale in scales])[-1]
    np.testing.assert_allclose(value(p).reshape(-1, 3), np.tile(expected, (66_667, 1)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("layout", LARGE)
@every_rule
def test_a_steady_step_allocates_nothing_of_the_parameters_size(make, layout):
    array = LARGE[layout]()
    p = Variable(Tensor.from_numpy(array))
    p.grad = Variable(Tensor.from_numpy(np.ones(array.shape, np.float32)))
    optimizer = make([p])
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < array.size * array.itemsize / 4, f"a step held {peak / 2**20:.1f} MiB"


@pytest.mark.parametrize(
    "rule, name",
    [
        (rule, name)
        for rule, names in {
            "MomentumSGD": ["learning_rate", "momentum", "dampening", "weight_decay"],
            "RMSprop": ["learning_rate", "alpha", "epsilon", "momentum", "weight_decay"],
            "AdaGrad": ["learning_rate", "epsilon", "weight_decay"],
            "AdamW": ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay"],
            "NAdam": ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "momentum_decay"],
            "AMSGrad": ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay"],
            "RAdam": ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay"],
        }.items()
        for name in names
    ],
)
@pytest.mark.parametrize(
    "bad, error",
    [
        (-0.1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("0.1", TypeError),
        (None, TypeError),
        (True, TypeError),
        ([0.1], TypeError),
        (1j, TypeError),
    ],
)
def test_a_bad_hyperparameter_is_refused_by_name(rule, name, bad, error):
    with pytest.raises(error, match=name):
        RULES[rule]([parameter(1.0)], **{name: bad})
    with pytest.raises(error, match=name):
        RULES[rule]([{"parameters": [parameter(1.0)], name: bad}])


@pytest.mark.parametrize(
    "rule, name",
    [
        ("RMSprop", "alpha"),
        ("AdamW", "beta1"),
        ("NAdam", "beta1"),
        ("NAdam", "beta2"),
        ("AMSGrad", "beta2"),
        ("RAdam", "beta1"),
        ("RAdam", "beta2"),
    ],
)
def test_the_memory_of_an_average_lies_below_one(rule, name):
    for bad in (1.0, 1, 1.5):
        with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\)"):
            RULES[rule]([parameter(1.0)], **{name: bad})
    RULES[rule]([parameter(1.0)], **{name: 0.0})


@pytest.mark.parametrize("rule", ["MomentumSGD", "RMSprop", "AdaGrad", "AdamW", "NAdam", "AMSGrad", "RAdam"])
def test_an_unknown_hyperparameter_of_a_group_is_refused(rule):
    with pytest.raises(ValueError, match="'lr'"):
        RULES[rule]([{"parameters": [parameter(1.0)], "lr": 0.1}])


# The base of adaptive rules


def test_a_rule_of_its_own_needs_only_its_mathematics():
    class Largest(AdaptiveOptimizer):
        slice_size = 2

        def buffers(self, group):
            return ("largest",)

        def step_param(self, state, group, gradient, parameter):
            np.maximum(state["largest"], np.abs(gradient), out=state["largest"])
            parameter -= group["learning_rate"] * gradient / (state["largest"] + group["epsilon"])

    p = parameter(np.zeros(3))
    optimizer = Largest([p], learning_rate=1.0, epsilon=1.0)
    assert run(optimizer, p, [[1.0, -3.0, 0.0], [0.5, 5.0, 1.0]]) == [
        [-0.5, 0.75, 0.0],
        [-0.75, 0.75 - 5 / 6, -0.5],
    ]
    with pytest.raises(ValueError, match="beta"):
        Largest([p], beta=1.0)
    with pytest.raises(ValueError, match="alpha"):
        Largest([p], alpha=1.0)


def test_the_base_of_adaptive_rules_remembers_two_moments_and_has_no_rule():
    class Keeping(AdaptiveOptimizer):
        def step_param(self, state, group, gradient, parameter):
            state["first_moment"] += 1.0

    p = parameter([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(NotImplementedError, match="AdaptiveOptimizer"):
        AdaptiveOptimizer([p]).step()
    optimizer = Keeping([p])
    optimizer.step()
    optimizer.step()
    assert optimizer.first_moment[p].tolist() == [2.0, 2.0] and optimizer.second_moment[p].tolist() == [
        0.0,
        0.0,
    ]
    assert value(p).tolist() == [1.0, 2.0] and optimizer.state[p]["update_count"] == 2


@pytest.mark.parametrize(
    "rule, kept",
    [
        ("MomentumSGD", {"momentum_buffer"}),
        ("RMSprop", {"second_moment"}),
        ("AdaGrad", {"sum_of_squares"}),
        ("AdamW", {"first_moment", "second_moment"}),
        ("NAdam", {"first_moment", "second_moment"}),
        ("AMSGrad", {"first_moment", "second_moment", "largest_second_moment"}),
        ("RAdam", {"first_moment", "second_moment"}),
    ],
)
def test_each_rule_remembers_no_array_it_does_not_need(rule, kept):
    p = parameter([1.0, 2.0], [1.0, 1.0])
    optimizer = RULES[rule]([p])
    optimizer.step()
    assert {name for name, array in optimizer.state[p].items() if isinstance(array, np.ndarray)} == kept


def test_moments_are_shown_of_the_parameters_that_have_them():
    p, q = parameter([1.0], [2.0]), parameter([1.0])
    centered, plain, adagrad = RMSprop([p, q], alpha=0.5, centered=True), RMSprop([p, q]), AdaGrad([p, q])
    for optimizer in (centered, plain, adagrad):
        optimizer.step()
    assert centered.first_moment == {p: [1.0]} and centered.second_moment == {p: [2.0]}
    assert plain.first_moment == {} and list(plain.second_moment) == [p]
    assert adagrad.first_moment == adagrad.second_moment == {}


# Weight decay


def test_the_worked_numbers_of_decoupled_decay():
    """p = 1, g = 1, rate = decay = .1: p shrinks to .99, then moves by .1; with g = 0 it only shrinks."""
    for make in (
        AdamW,
        lambda parameters, **options: Adam(parameters, learning_rate=0.1, weight_decay=WeightDecay(0.1)),
    ):
        for gradients, expected in (([1.0], [0.89]), ([0.0, 0.0], [0.99, 0.9801])):
            p = parameter(1.0)
            optimizer = make([p], learning_rate=0.1, weight_decay=0.1)
            assert run(optimizer, p, gradients) == pytest.approx(expected, abs=1e-8)


def test_under_l2_adam_walks_on_without_gradient():
    p = parameter(1.0)
    optimizer = Adam([p], learning_rate=0.1, weight_decay=WeightDecay(0.1, decoupled=False))
    assert run(optimizer, p, [0.0, 0.0]) == pytest.approx([0.9, 0.8], abs=2e-3)


@pytest.mark.parametrize(
    "decay, moved, used",
    [
        (WeightDecay(0.5), [1.9, -3.8, 0.0], [1.0, 1.0, 1.0]),  # p · (1 − .1 · .5)
        (WeightDecay(0.5, absolute=True), [1.0, -2.0, 0.0], [1.0, 1.0, 1.0]),  # p · (1 − .5)
        (WeightDecay(0.5, norm="l1"), [1.95, -3.95, 0.0], [1.0, 1.0, 1.0]),  # p − .1 · .5 · sign(p)
        (WeightDecay(0.5, absolute=True, norm="l1"), [1.5, -3.5, 0.0], [1.0, 1.0, 1.0]),
        (WeightDecay(0.5, decoupled=False), [2.0, -4.0, 0.0], [2.0, -1.0, 1.0]),  # g + .5 · p
        (WeightDecay(0.5, decoupled=False, norm="l1"), [2.0, -4.0, 0.0], [1.5, 0.5, 1.0]),
        (WeightDecay(0.0), [2.0, -4.0, 0.0], [1.0, 1.0, 1.0]),
    ],
    ids=str,
)
def test_what_each_decay_does(decay, moved, used):
    array, gradient = np.array([2.0, -4.0, 0.0]), np.ones(3)
    result = decay.apply(gradient, {"learning_rate": 0.1}, array)
    np.testing.assert_allclose(array, moved, rtol=0, atol=1e-15)
    np.testing.assert_allclose(result, used, rtol=0, atol=1e-15)
    assert gradient.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("absolute", [False, True])
def test_decoupled_l1_stops_at_zero(absolute):
    """.3 away at each step: .5 becomes .2, then 0, and stays; −.3 is there at once."""
    p = parameter([0.5, -0.3, 0.0])
    rate, decay = (0.5, 0.6) if not absolute else (0.5, 0.3)
    optimizer = SGD([p], learning_rate=rate, weight_decay=WeightDecay(decay, absolute=absolute, norm="l1"))
    values = run(optimizer, p, [[0.0, 0.0, 0.0]] * 3)
    np.testing.assert_allclose(values, [[0.2, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], atol=1e-15)


DECAYS = [
    WeightDecay(0.3, decoupled, absolute, norm)
    for norm in ("l1", "l2")
    for decoupled, absolute in ((False, False), (True, False), (True, True))
]


@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_any_optimizer_takes_any_decay(rule, decay):
    """Against the reference, on an array in slices; a coordinate at 0 and one without gradient among them."""
    start = np.array([1.0, -2.0, 0.05, 0.0, 3.0])
    gradients = [
        np.where([1, 1, 1, 1, 0], np.random.default_rng(i).standard_normal(5), 0.0) for i in range(12)
    ]
    p = parameter(start)
    optimizer = RULES[rule]([p], learning_rate=0.05, weight_decay=decay)
    optimizer.slice_size = 2
    expected = (
        array_path(rule, start, gradients, **in_plain_words({"learning_rate": 0.05, "weight_decay": decay}))
        if rule != "AdamW"
        else array_path(
            "Adam", start, gradients, **in_plain_words({"learning_rate": 0.05, "weight_decay": decay})
        )
    )
    np.testing.assert_allclose(run(optimizer, p, gradients), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adamw_is_adam_with_decoupled_decay_bit_for_bit(dtype):
    runs = []
    for make in (
        functools.partial(AdamW, learning_rate=0.1, beta1=0.8, weight_decay=0.3),
        functools.partial(Adam, learning_rate=0.1, beta1=0.8, weight_decay=WeightDecay(0.3)),
    ):
        optimizer, variables = make_training(make, dtype)
        train(optimizer, variables, range(12))
        runs.append([bits(value(p)) for p in variables])
    assert runs[0] == runs[1]


def test_a_number_given_to_adamw_later_stays_decoupled():
    """By assignment, in a group, from a loaded state: p = 1, rate .1, gradient 0, so 1 − .1 · decay."""
    assigned, grouped, loaded = (parameter(1.0) for _ in range(3))
    first = AdamW([assigned], learning_rate=0.1)
    first.param_groups[0]["weight_decay"] = 0.5
    second = AdamW([{"parameters": [grouped], "weight_decay": 0.5}], learning_rate=0.1)
    third = AdamW([loaded], learning_rate=0.1)
    third.load_state_dict(first.state_dict())
    for optimizer, p in ((first, assigned), (second, grouped), (third, loaded)):
        assert run(optimizer, p, [0.0]) == pytest.approx([0.95], abs=1e-15)


def test_adamw_takes_another_decay_as_it_is():
    p, q = parameter(1.0), parameter(1.0)
    first = AdamW([p], learning_rate=0.1, weight_decay=WeightDecay(0.2, decoupled=False))
    second = Adam([q], learning_rate=0.1, weight_decay=0.2)
    assert run(first, p, [0.5, 0.0, 1.0]) == run(second, q, [0.5, 0.0, 1.0])


def test_decoupled_decay_follows_the_present_rate_and_absolute_decay_does_not():
    for absolute, expected in ((False, [0.5, 0.375]), (True, [0.5, 0.25])):
        p = parameter(1.0)
        optimizer = SGD([p], learning_rate=1.0, weight_decay=WeightDecay(0.5, absolute=absolute))
        values = run(optimizer, p, [0.0])
        optimizer.learning_rate = 0.5
        assert values + run(optimizer, p, [0.0]) == expected


def test_a_parameter_without_gradient_does_not_decay():
    p = parameter(1.0)
    for optimizer in (SGD([p], weight_decay=WeightDecay(0.5)), AdamW([p], weight_decay=0.5)):
        assert run(optimizer, p, [None, None]) == [1.0, 1.0]


def test_weight_decay_cannot_be_changed_and_compares_by_value():
    decay = WeightDecay(0.1, norm="l1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        decay.weight_decay = 0.2
    assert decay == WeightDecay(np.float64(0.1), True, False, "l1") != WeightDecay(0.1)
    assert hash(decay) == hash(WeightDecay(0.1, norm="l1"))
    assert type(WeightDecay(np.float64(0.1)).weight_decay) is float and WeightDecay(1).weight_decay == 1.0
    assert type(WeightDecay(0.1, decoupled=np.bool_(True)).decoupled) is bool
    assert repr(decay) == "WeightDecay(weight_decay=0.1, decoupled=True, absolute=False, norm='l1')"
    assert pickle.loads(pickle.dumps(decay)) == decay and copy.deepcopy(decay) == decay


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"weight_decay": -0.1}, ValueError, "weight_decay"),
        ({"weight_decay": math.nan}, ValueError, "weight_decay"),
        ({"weight_decay": math.inf}, ValueError, "weight_decay"),
        ({"weight_decay": "0.1"}, TypeError, "weight_decay"),
        ({"weight_decay": True}, TypeError, "weight_decay"),
        ({"weight_decay": None}, TypeError, "weight_decay"),
        ({"decoupled": 1}, TypeError, "decoupled"),
        ({"absolute": "no"}, TypeError, "absolute"),
        ({"norm": "l3"}, ValueError, "norm.*l1.*l2"),
        ({"norm": 2}, ValueError, "norm"),
        ({"norm": "L2"}, ValueError, "norm"),
        ({"norm": None}, ValueError, "norm"),
        ({"norm": []}, ValueError, "norm"),
        ({"decoupled": False, "absolute": True}, ValueError, "absolute.*decoupled"),
        ({"weight_decay": 1.5, "absolute": True}, ValueError, r"\[0, 1\]"),
    ],
)
def test_a_weight_decay_that_makes_no_sense_is_refused(options, error, message):
    with pytest.raises(error, match=message) as refusal:
        WeightDecay(**{"weight_decay": 0.1, **options})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("decay", DECAYS, ids=str)
def test_decay_survives_saving_with_its_optimizer(decay):
    optimizer, variables = make_training(functools.partial(RMSprop, weight_decay=decay), np.float32)
    train(optimizer, variables, range(3))
    saved, arrays = through_pickle(optimizer.state_dict()), [value(v).copy() for v in variables]
    train(optimizer, variables, range(3, 8))
    resumed, others = make_training(RMSprop, np.float32)
    for variable, array in zip(others, arrays):
        variable.data = Tensor(array)
    resumed.load_state_dict(saved)
    assert resumed.param_groups[0]["weight_decay"] == decay
    train(resumed, others, range(3, 8))
    assert [bits(value(a)) for a in others] == [bits(value(b)) for b in variables]


# Saving and resuming


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("carry", [copy.deepcopy, through_pickle, through_npz, numpy_counts])
@pytest.mark.parametrize("before", [0, 1, 7])
@every_rule
def test_training_resumes_bit_for_bit(make, before, carry, dtype):
    optimizer, variables = make_training(make, dtype)
    train(optimizer, variables, range(before))
    saved, arrays = carry(optimizer.state_dict()), [value(v).copy() for v in variables]
    train(optimizer, variables, range(before, 15))

    resumed, others = make_training(make, dtype)
    resumed.learning_rate = 7.0  # what is loaded replaces it
    for variable, array in zip(others, arrays):
        variable.data = Tensor(array)
    resumed.load_state_dict(saved)
    train(resumed, others, range(before, 15))
    assert snapshot(resumed) == snapshot(optimizer)


@every_rule
def test_the_state_dictionary_shares_no_memory(make):
    optimizer, variables = make_training(make, np.float64)
    train(optimizer, variables, range(5))
    saved = optimizer.state_dict()
    frozen = bits(saved)
    train(optimizer, variables, range(5, 8))
    assert bits(saved) == frozen
    other, _ = make_training(make, np.float64)
    other.load_state_dict(saved)
    train(other, other.parameters, range(5, 8))
    assert bits(saved) == frozen


@every_rule
def test_an_optimizer_in_training_can_be_copied_and_pickled(make):
    for carry in (copy.deepcopy, through_pickle):
        optimizer, variables = make_training(make, np.float64)
        train(optimizer, variables, range(4))
        twin = carry(optimizer)
        train(optimizer, variables, range(4, 8))
        train(twin, twin.parameters, range(4, 8))
        assert snapshot(twin) == snapshot(optimizer)


@pytest.mark.parametrize(
    "name, missing",
    [
        ("dampening", "momentum_buffer"),
        ("debiased average", "momentum_start"),
        ("RMSprop", "second_moment"),
        ("centered RMSprop", "first_moment"),
        ("RMSprop with momentum and L2", "momentum_buffer"),
        ("AdaGrad", "sum_of_squares"),
        ("AdamW", "second_moment"),
        ("NAdam", "momentum_product"),
        ("NAdam", "first_moment"),
        ("AMSGrad", "largest_second_moment"),
        ("RAdam", "second_moment"),
    ],
)
def test_a_state_without_what_the_rule_needs_is_refused(name, missing):
    """Or, where an option may be switched on later, never breaks the next step; nothing is half loaded."""
    optimizer, variables = make_training(MAKERS[name], np.float64)
    train(optimizer, variables, range(5))
    saved = without("state", 3, missing)(optimizer.state_dict())
    before = snapshot(optimizer)
    try:
        optimizer.load_state_dict(saved)
    except ValueError as refusal:
        assert missing in str(refusal) and snapshot(optimizer) == before
    else:
        train(optimizer, variables, range(5, 7))
        assert missing in optimizer.state[variables[3]]


@pytest.mark.parametrize(
    "first, second",
    list(itertools.permutations(["heavy ball", "RMSprop", "AdaGrad", "AdamW", "NAdam", "AMSGrad"], 2)),
)
def test_the_state_of_another_rule_changes_nothing_or_is_taken_whole(first, second):
    """AMSGrad has the options of AdamW, which has no use for its third array and lacks it the other way."""
    source, variables = make_training(MAKERS[first], np.float64)
    train(source, variables, range(3))
    target, others = make_training(MAKERS[second], np.float64)
    train(target, others, range(3))
    before = snapshot(target)
    try:
        target.load_state_dict(source.state_dict())
    except (ValueError, TypeError) as refusal:
        assert "\n" not in str(refusal) and snapshot(target) == before
    else:
        assert {first, second} == {"AdamW", "AMSGrad"}
        train(target, others, range(3, 5))


# The package

EXPORTED = [
    "moving_average",
    "ewma",
    "MomentumSGD",
    "AdaptiveOptimizer",
    "RMSprop",
    "AdaGrad",
    "AdamW",
    "NAdam",
    "AMSGrad",
    "RAdam",
    "WeightDecay",
    "ExponentialLR",
    "CosineAnnealingLR",
    "LinearWarmup",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "LearningRateSearch",
    "find_learning_rate",
]


def test_the_package_exports_what_it_promises():
    assert sorted(adaptive_optimizers.__all__) == sorted(EXPORTED)


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_is_documented_with_an_example(name):
    documentation = getattr(adaptive_optimizers, name).__doc__
    assert documentation and (">>>" in documentation or name == "LearningRateSearch")


def test_the_examples_of_the_documentation_are_true():
    result = doctest.testmod(adaptive_optimizers)
    assert result.failed == 0 and result.attempted >= 60


@pytest.mark.parametrize("rule", [name for name in RULES if name not in ("SGD", "Adam")])
def test_the_rules_stand_on_the_one_base(rule):
    """No rule has a loop, a saving or a decay of its own; AdamW alone says what a number means as decay."""
    own = {
        name
        for name in ("step", "update", "state_dict", "load_state_dict", "check_step", "zero_grad")
        if getattr(RULES[rule], name) is not getattr(Optimizer, name)
    }
    assert own == set()
    assert (RULES[rule].decayed_gradient is Optimizer.decayed_gradient) == (rule != "AdamW")
    assert repr(RULES[rule]([parameter(1.0)], learning_rate=0.125)).startswith(
        f"{rule}(1 parameter, learning_rate=0.125"
    )

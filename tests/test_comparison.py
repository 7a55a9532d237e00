"""Fair comparisons: problems with known numbers, tuning as good as a search of everything, ties told as ties."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from tinytorch.core.autograd import Variable
from tinytorch.core.optimizers import SGD, Adam, Optimizer
from tinytorch.lesson.problems import (
    BEALE,
    NOISY_BOWL,
    RAVINE,
    REGRESSION,
    ROSENBROCK,
    SADDLE,
    SURFACES,
    TURNED_RAVINE,
    LinearData,
    X,
)
from tinytorch.lesson.tuning import (
    RATES,
    Tuned,
    follow,
    minimize,
    outcome,
    ranking,
    ranking_table,
    steps_to_tolerance,
    tune,
)

ALL_SURFACES = (*SURFACES, TURNED_RAVINE)


def heavy_ball(parameters, learning_rate):
    return SGD(parameters, learning_rate, momentum=0.9)


class Recorder(Optimizer):
    """Never moves; keeps the gradients it is given."""

    def __init__(self, parameters, learning_rate):
        super().__init__(parameters, learning_rate)
        self.gradients = []

    def step(self, closure=None):
        self.gradients.append(self.parameters[0].grad.data.data.copy())


# ---------------------------------------------------------------------------------------- the problems
def test_the_regression_is_the_one_of_the_lesson():
    assert X.tolist() == [[0.7, 0.3, 0.7], [0.4, 1, 0.4], [0.2, 1.1, 0.1], [0.4, 0.7, 0.2], [0.1, 0.5, 0.3]]
    assert REGRESSION.y.shape == (5, 1)
    assert REGRESSION.y[:, 0] == pytest.approx([4.6334, 4.3512, 4.1774, 4.2002, 4.1758], abs=1e-12)
    for (x3, x2, x1), target in zip(X, REGRESSION.y[:, 0]):
        assert 0.8 * x3**3 + 0.1 * x2**2 + 0.5 * x1 + 4 == pytest.approx(target, abs=1e-12)


def network_outputs(parameters):
    """The 3-3-1 network by plain loops."""
    w1, b1, w2, b2 = (parameter.data.data.tolist() for parameter in parameters)
    outputs = []
    for example in X.tolist():
        hidden = [max(sum(example[i] * w1[i][j] for i in range(3)) + b1[j], 0.0) for j in range(3)]
        outputs.append(sum(hidden[j] * w2[j][0] for j in range(3)) + b2[0])
    return outputs


def test_the_network_computes_its_loss():
    parameters = REGRESSION.parameters(seed=4)
    parameters[1].data.data[...] = [0.1, -0.2, 0.3]
    parameters[3].data.data[...] = 0.5
    outputs, targets = network_outputs(parameters), REGRESSION.y[:, 0].tolist()
    expected = sum((a - b) ** 2 for a, b in zip(outputs, targets)) / 5
    assert REGRESSION.value(parameters) == pytest.approx(expected, rel=1e-12)
    assert REGRESSION.loss(parameters).data.item() == pytest.approx(expected, rel=1e-12)
    assert [p.shape for p in parameters] == [(3, 3), (3,), (3, 1), (1,)]


def test_targets_as_a_row_broadcast_to_all_pairs():
    """The silent mistake the lesson shows: 25 errors, whose best answer is the mean for every example."""
    mistaken = replace(REGRESSION, y=REGRESSION.y.T)
    parameters = REGRESSION.parameters(seed=0)
    outputs, targets = network_outputs(parameters), REGRESSION.y[:, 0].tolist()
    pairs = [(a - b) ** 2 for a in outputs for b in targets]
    assert len(pairs) == 25
    assert mistaken.value(parameters) == pytest.approx(sum(pairs) / 25, rel=1e-12)


@pytest.mark.parametrize("surface", ALL_SURFACES, ids=lambda surface: surface.name)
def test_a_surface_is_lowest_at_its_minima(surface):
    around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for x, y in surface.minima:
        assert surface.height(x, y) == pytest.approx(surface.lowest, abs=1e-12)
        assert (surface.height(x + 0.1 * np.cos(around), y + 0.1 * np.sin(around)) > surface.lowest).all()
    x, y = np.meshgrid(np.linspace(*surface.x_range, 60), np.linspace(*surface.y_range, 60))
    assert (surface.height(x, y) >= surface.lowest).all()
    assert surface.goal == pytest.approx(surface.lowest + surface.tolerance)
    assert surface.height(*surface.start) > surface.goal


@pytest.mark.parametrize(
    "surface, height",
    [
        (RAVINE, 0.1 * 4 + 2 * 9),
        (ROSENBROCK, 9 + 100 * 1),
        (BEALE, (1.5 + 2 + 6) ** 2 + (2.25 + 2 - 18) ** 2 + (2.625 + 2 + 54) ** 2),
        (SADDLE, 2 + 81 / 4 - 9 / 2),
        (NOISY_BOWL, 2 + 2 * 9),
        (TURNED_RAVINE, 0.1 * 25 / 2 + 2 * 1 / 2),
    ],
    ids=lambda s: getattr(s, "name", ""),
)
def test_heights_by_hand(surface, height):
    """At (-2, -3), but for Rosenbrock (-2, 3): there y - x² is -1."""
    x, y = (-2.0, 3.0) if surface is ROSENBROCK else (-2.0, -3.0)
    assert surface.height(x, y) == pytest.approx(height)
    point = Variable(np.array([x, y]))
    assert surface.loss([point]).data.item() == pytest.approx(height)
    assert surface.value([point]) == pytest.approx(height)


@pytest.mark.parametrize("surface", ALL_SURFACES, ids=lambda surface: surface.name)
def test_the_slope_is_the_gradient_that_the_graph_finds(surface):
    for x, y in np.random.default_rng(0).uniform(-3, 3, size=(5, 2)):
        by_graph, by_formula = Variable(np.array([x, y])), Variable(np.array([x, y]))
        surface.loss([by_graph]).backward()
        replace(surface, noise=0.0).differentiate([by_formula], np.random.default_rng(0))
        assert by_formula.grad.data.data == pytest.approx(by_graph.grad.data.data, rel=1e-9)


def test_a_seed_fixes_the_start():
    for problem in (*ALL_SURFACES, REGRESSION):
        first, again, other = (
            np.concatenate([p.data.data.ravel() for p in problem.parameters(seed)]) for seed in (1, 1, 2)
        )
        assert first.tolist() == again.tolist() != other.tolist()
        assert first.dtype == np.float64
    offsets = np.array([RAVINE.parameters(seed)[0].data.data for seed in range(300)]) - RAVINE.start
    assert offsets.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.15)
    assert offsets.mean(axis=0) == pytest.approx([0, 0], abs=0.06)


def test_noise_is_added_to_the_gradient_and_not_to_the_height():
    made = []
    follow(NOISY_BOWL, lambda p, rate: made.append(Recorder(p, rate)) or made[0], 1.0, steps=2000)
    x, y = NOISY_BOWL.parameters(0)[0].data.data
    noise = np.array(made[0].gradients) - [x, 4 * y]
    assert noise.mean(axis=0) == pytest.approx([0, 0], abs=0.2)
    assert noise.std(axis=0) == pytest.approx([2, 2], rel=0.06)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(0, abs=0.08)
    losses = follow(NOISY_BOWL, Recorder, 1.0, steps=3)
    assert losses == pytest.approx([x**2 / 2 + 2 * y**2] * 4)


def test_the_noise_of_a_run_does_not_depend_on_the_optimizer():
    paths = []
    for make in (SGD, heavy_ball, Adam):
        made = []
        follow(
            NOISY_BOWL, lambda p, rate: made.append(make(p, 0.0)) or Recorder(p, rate), 1.0, steps=5, seed=3
        )
        paths.append(minimize(NOISY_BOWL, make, 0.0, steps=5, seed=3))
    assert all((path == paths[0]).all() for path in paths)


@pytest.mark.parametrize("batch_size", [1, 16, None])
def test_linear_data_come_in_batches(batch_size):
    data = LinearData(batch_size)
    weights = np.linalg.solve(data.x.T @ data.x, data.x.T @ data.y)
    assert data.value([Variable(weights)]) == pytest.approx(data.lowest, rel=1e-9)
    assert data.value([Variable(weights + 0.01)]) > data.lowest
    assert data.value(data.parameters()) == pytest.approx(float((data.y**2).mean()))
    whole = -2 / 512 * data.x.T @ data.y
    parameters, draw, seen = data.parameters(), np.random.default_rng(0), []
    for _ in range(2000):
        data.differentiate(parameters, draw)
        seen.append(parameters[0].grad.data.data.copy())
    spread = np.std(seen, axis=0)
    assert np.mean(seen, axis=0) == pytest.approx(whole, abs=5 * spread.max() / math.sqrt(2000) + 1e-12)
    each = 2 * np.std(data.x * data.y, axis=0)[:, None]  # of the gradients of single examples
    assert spread == pytest.approx(
        each / math.sqrt(batch_size) if batch_size else 0 * each, rel=0.12, abs=1e-12
    )
    assert (data.x == LinearData(4).x).all()


# ---------------------------------------------------------------------------------------- runs
def test_follow_tells_the_loss_after_each_step():
    """Gradient descent on the ravine multiplies x by 1 - 0.2 η and y by 1 - 4 η."""
    x, y = RAVINE.parameters(2)[0].data.data
    expected = [0.1 * (0.94**k * x) ** 2 + 2 * ((-0.2) ** k * y) ** 2 for k in range(6)]
    assert follow(RAVINE, SGD, 0.3, steps=5, seed=2) == pytest.approx(expected)
    assert follow(RAVINE, SGD, 0.3, steps=0, seed=2) == pytest.approx(expected[:1])


def test_follow_ends_at_the_goal_or_when_it_was_held():
    losses = follow(RAVINE, SGD, 0.3, steps=300)
    for goal, hold in ((losses[7], 1), (losses[7], 4)):
        assert follow(RAVINE, SGD, 0.3, 300, goal=goal, hold=hold).tolist() == losses[: 7 + hold].tolist()
    swinging = follow(RAVINE, heavy_ball, 0.1, steps=300)
    goal = 0.1
    first = int(np.argmax(swinging <= goal))
    held = follow(RAVINE, heavy_ball, 0.1, 300, goal=goal, hold=20)
    assert (swinging[first : first + 20] > goal).any(), "this test needs a run that leaves the goal again"
    assert (held[-20:] <= goal).all() and len(held) > first + 20
    assert steps_to_tolerance(held, goal, hold=20) == len(held) - 20


@pytest.mark.parametrize("problem", [ROSENBROCK, BEALE, REGRESSION], ids=lambda problem: problem.name)
def test_a_run_that_diverges_ends_without_warnings(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = follow(problem, heavy_ball, 50.0, steps=5000)
        assert len(losses) < 5000 and not np.isfinite(losses[-1]) and np.isfinite(losses[:-1]).all()
        if problem is not REGRESSION:
            path = minimize(problem, heavy_ball, 50.0, steps=5000)
            assert 1 < len(path) < 5000 and np.isfinite(path).all()


def test_minimize_returns_the_way():
    x, y = RAVINE.parameters(1)[0].data.data
    expected = [(0.94**k * x, (-0.2) ** k * y) for k in range(5)]
    path = minimize(RAVINE, SGD, 0.3, steps=4, seed=1)
    assert path.shape == (5, 2)
    assert path == pytest.approx(np.array(expected))


def test_turning_the_ravine_turns_gradient_descent_with_it():
    surfaces = [replace(surface, spread=0.0) for surface in (RAVINE, TURNED_RAVINE)]
    for make, rate in ((SGD, 0.4), (heavy_ball, 0.05)):
        straight, turned = (follow(surface, make, rate, steps=30) for surface in surfaces)
        assert turned == pytest.approx(straight)
    straight, turned = (follow(surface, Adam, 0.5, steps=30) for surface in surfaces)
    assert abs(turned - straight).max() > 0.5


@pytest.mark.parametrize(
    "losses, hold, expected",
    [
        ([3, 2, 1], 1, 1),
        ([2, 3], 1, 0),
        ([3, 4], 1, None),
        ([3, 2, 3, 2, 2], 2, 3),
        ([3, 2], 2, None),
        ([math.nan, 2, math.inf], 1, 1),
        ([], 1, None),
    ],
)
def test_steps_to_a_loss_of_two(losses, hold, expected):
    assert steps_to_tolerance(losses, 2.0, hold) == expected


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: follow(RAVINE, SGD, 0.1, steps=-1), ValueError),
        (lambda: follow(RAVINE, SGD, 0.1, steps=1.5), TypeError),
        (lambda: minimize(RAVINE, SGD, 0.1, steps=-1), ValueError),
        (lambda: steps_to_tolerance([1.0], 1.0, hold=0), ValueError),
        (lambda: tune(RAVINE, SGD, rates=()), ValueError),
        (lambda: tune(RAVINE, SGD, seeds=()), ValueError),
    ],
)
def test_what_makes_no_sense_is_refused(call, error):
    with pytest.raises(error):
        call()


# ---------------------------------------------------------------------------------------- tuning
def search_everything(problem, make, rates, seeds, steps):
    """Every rate with every seed to the end of the budget, and the best picked afterwards."""
    table = {}
    for rate in rates:
        runs = [follow(problem, make, rate, steps + problem.hold - 1, seed) for seed in seeds]
        table[rate] = [steps_to_tolerance(run, problem.goal, problem.hold) for run in runs]
    most = max(len(counts) - counts.count(None) for counts in table.values())
    finalists = {
        rate: sum(count for count in counts if count is not None)
        for rate, counts in table.items()
        if len(counts) - counts.count(None) == most
    }
    fewest = min(finalists.values())
    best = min(rate for rate, total in finalists.items() if total == fewest)
    return best, tuple(table[best])


@pytest.mark.parametrize(
    "problem, make",
    [
        (RAVINE, SGD),
        (RAVINE, Adam),
        (replace(NOISY_BOWL, hold=20), heavy_ball),
        (REGRESSION, Adam),
        (replace(NOISY_BOWL, hold=3, tolerance=0.04), SGD),
    ],
    ids=["descent", "Adam", "noise", "regression", "not all seeds"],
)
def test_tuning_finds_what_a_search_of_everything_finds(problem, make):
    rates, seeds, steps = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), (0, 1, 2), 120
    tuned = tune(problem, make, rates, seeds, steps)
    assert (tuned.rate, tuned.steps) == search_everything(problem, make, rates, seeds, steps)
    assert tuned.at_edge == (tuned.rate in (0.003, 1.0))


def test_the_best_rate_at_the_edge_of_the_grid_is_said():
    assert tune(RAVINE, SGD, rates=(0.01, 0.03), seeds=(0,)).at_edge
    assert tune(RAVINE, SGD, rates=(0.4, 0.5, 0.6), seeds=(0,)).at_edge
    assert not tune(RAVINE, SGD, rates=(0.01, 0.4, 0.6), seeds=(0,)).at_edge


def test_where_no_rate_gets_there_the_lowest_last_loss_decides():
    tuned = tune(ROSENBROCK, SGD, rates=(1e-5, 1e-3, 1.0), steps=50)
    assert tuned.steps == (None, None, None) and not tuned.solved
    assert tuned.rate == 1e-3
    lasts = [follow(ROSENBROCK, SGD, 1e-3, 50 + 99, seed)[-1] for seed in (0, 1, 2)]
    assert tuned.last_loss == max(lasts)


def test_the_budget_counts_steps_to_the_goal():
    needed = tune(RAVINE, SGD, rates=(0.4,), seeds=(0,)).steps[0]
    assert tune(RAVINE, SGD, rates=(0.4,), seeds=(0,), steps=needed).steps == (needed,)
    assert tune(RAVINE, SGD, rates=(0.4,), seeds=(0,), steps=needed - 1).steps == (None,)


def test_the_grid_is_four_rates_a_decade():
    assert len(RATES) == 33 and (RATES[0], RATES[4], RATES[16], RATES[-1]) == (1e-4, 1e-3, 1.0, 10_000.0)
    assert np.diff(np.log10(RATES)) == pytest.approx([0.25] * 32, abs=0.01)


# ---------------------------------------------------------------------------------------- ranks and ties
def test_overlapping_ranges_share_a_place():
    results = {
        "never": Tuned(1.0, (None, 5, 5)),
        "slow": Tuned(1.0, (30, 31, 32)),
        "best": Tuned(1.0, (10, 12, 20)),
        "touches": Tuned(1.0, (20, 25, 29)),
        "next": Tuned(1.0, (21, 21, 21)),
        "lost": Tuned(1.0, (None, None, None)),
    }
    assert [(place, name) for place, name, _ in ranking(results)] == [
        (1, "best"),
        (1, "touches"),
        (3, "next"),
        (4, "slow"),
        (5, "never"),
        (5, "lost"),
    ]


def test_a_tie_is_with_the_best_of_its_place_not_with_a_neighbor():
    """b overlaps with a and c overlaps with b, but c does not overlap with a."""
    results = {"a": Tuned(1.0, (1, 3)), "b": Tuned(1.0, (2, 6)), "c": Tuned(1.0, (5, 9))}
    assert [(place, name) for place, name, _ in ranking(results)] == [(1, "a"), (1, "b"), (3, "c")]


@pytest.mark.parametrize(
    "tuned, text",
    [
        (Tuned(0.1, (5, 7, 6)), "5–7 @ 0.1"),
        (Tuned(0.1, (5, 5)), "5 @ 0.1"),
        (Tuned(100.0, (5, 5), at_edge=True), "5 @ 100*"),
        (Tuned(0.1, (None, None)), "never"),
        (Tuned(0.032, (None, 4)), "never (1 of 2 seeds @ 0.032)"),
    ],
)
def test_an_outcome_in_words(tuned, text):
    assert outcome(tuned) == text


def test_the_table_states_ties_budget_and_edges():
    table = ranking_table(
        {
            "bowl": {"a": Tuned(0.1, (5, 7, 6)), "b": Tuned(0.2, (7, 9, 8)), "c": Tuned(0.3, (None,) * 3)},
            "hill": {"a": Tuned(1.0, (9, 9, 9), at_edge=True)},
        },
        steps=2000,
    )
    lines = table.splitlines()
    assert lines[:5] == [
        "|  | bowl | hill |",
        "| --- | --- | --- |",
        "| a | **1=** 5–7 @ 0.1 | **1** 9 @ 1* |",
        "| b | **1=** 7–9 @ 0.2 |  |",
        "| c | never |  |",
    ]
    for word in ("over the seeds", "overlaps", "ties", "2,000 steps", "edge of the grid"):
        assert word in lines[-1]


# ---------------------------------------------------------------------------------------- without matplotlib
def run_without(missing: str, code: str) -> subprocess.CompletedProcess:
    """A fresh interpreter in which a package cannot be imported."""
    prefix = f"import sys; sys.modules[{missing!r}] = None\n"
    return subprocess.run([sys.executable, "-c", prefix + code], capture_output=True, text=True, timeout=60)


def test_the_numbers_need_no_matplotlib():
    done = run_without(
        "matplotlib",
        "from tinytorch.lesson import problems, tuning; import tinytorch.core.optimizers as o\n"
        "print(tuning.tune(problems.RAVINE, o.SGD, rates=(0.04, 0.4, 4.0), seeds=(0,)).rate)",
    )
    assert (done.stdout.strip(), done.returncode) == ("0.4", 0), done.stderr


def test_pictures_without_matplotlib_end_in_one_line_that_says_what_to_do():
    done = run_without("matplotlib", "import tinytorch.lesson.comparison")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: figures need matplotlib") and "pip install" in last
    assert "During handling" not in done.stderr and "direct cause" not in done.stderr


def test_pictures_need_no_notebook():
    done = run_without(
        "IPython",
        "from tinytorch.lesson.comparison import compare_optimizers\n"
        "from tinytorch.core.optimizers import SGD\nprint(len(compare_optimizers([SGD], steps=3).axes))",
    )
    assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr


# ---------------------------------------------------------------------------------------- pictures
@pytest.fixture
def comparison(tmp_path, monkeypatch):
    """The drawing half, in an empty folder that has to stay empty."""
    module = pytest.importorskip("tinytorch.lesson.comparison")
    monkeypatch.chdir(tmp_path)
    yield module
    assert not list(tmp_path.iterdir()), "a file was written unasked"


def curves(axes):
    """The labeled lines of a panel: name -> (x, y)."""
    return {
        line.get_label().partition(":")[0]: line.get_data()
        for line in axes.lines
        if ":" in str(line.get_label())
    }


def test_compare_optimizers_draws_four_panels_from_one_start(comparison):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = comparison.compare_optimizers([SGD, Adam], steps=60)
        figure.canvas.draw()
    assert [axes.get_title("left") for axes in figure.axes] == [
        f"learning rate {rate}" for rate in ("0.001", "0.01", "0.1", "1")
    ]
    start = REGRESSION.value(REGRESSION.parameters(seed=0))
    for axes, rate in zip(figure.axes, (0.001, 0.01, 0.1, 1.0)):
        assert axes.get_ylim() == (0, 30)
        lines = curves(axes)
        assert list(lines) == ["SGD", "Adam"]
        for make in (SGD, Adam):
            x, y = lines[make.__name__]
            assert y[0] == start and list(x) == list(range(len(x)))
            assert y.tolist() == follow(REGRESSION, make, rate, 60, seed=0, goal=0.1).tolist()
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels[0] == f"SGD: {len(follow(REGRESSION, SGD, 0.1, 60, goal=0.1)) - 1} steps"


def test_a_curve_says_how_it_ended(comparison):
    makers = {
        "still": lambda p, rate: SGD(p, 0.0),
        "wild": lambda p, rate: heavy_ball(p, 50.0),
        "quick": lambda p, rate: SGD(p, 0.1),
    }
    figure = comparison.compare_optimizers(makers, rates=(0.5,), steps=3000, seed=0)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    start = REGRESSION.value(REGRESSION.parameters(0))
    taken = steps_to_tolerance(follow(REGRESSION, SGD, 0.1, 100), 0.1)
    assert labels == [f"still: ends at {start:.3g}", "wild: diverges", f"quick: {taken} steps"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[taken]]
    assert np.isfinite(curves(axes)["wild"][1]).all()


def test_many_curves_look_different(comparison):
    looks = [(look["color"], look["linestyle"]) for look in comparison.line_looks()]
    assert len(set(looks)) == len(looks) == 32
    assert len({style for _, style in looks[:4]}) == 4


@pytest.mark.parametrize(
    "optimizers, error, word",
    [
        ([], ValueError, "empty"),
        ({}, ValueError, "empty"),
        (SGD, TypeError, "list"),
        ("SGD", TypeError, "list"),
        ([lambda p, rate: SGD(p, rate)], TypeError, "name it"),
        ([SGD, SGD], ValueError, "same name"),
        ({"a": 3}, TypeError, "'a'"),
    ],
)
def test_optimizers_that_cannot_be_compared_are_refused(comparison, optimizers, error, word):
    with pytest.raises(error, match=word):
        comparison.compare_optimizers(optimizers, steps=2)


def test_without_rates_there_is_nothing_to_compare(comparison):
    with pytest.raises(ValueError, match="no learning rates"):
        comparison.compare_optimizers([SGD], rates=[])
    assert len(comparison.compare_optimizers([SGD], rates=[0.1, 0.2, 0.3], steps=2).axes) == 3


def test_paths_are_drawn_from_start_to_end(comparison):
    paths = {"descent": minimize(BEALE, SGD, 0.01, steps=7), "Adam": minimize(BEALE, Adam, 0.1, steps=7)}
    figure = comparison.plot_paths(BEALE, paths)
    (axes,) = figure.axes
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines if line.get_label() in paths}
    assert all((drawn[name] == paths[name]).all() for name in paths)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["descent", "Adam"]
    ends = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "s"]
    assert ends == [path[-1].tolist() for path in paths.values()]
    stars = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "*"]
    assert stars == [[[3.0, 0.5]]]
    assert (axes.get_xlim(), axes.get_ylim()) == (BEALE.x_range, BEALE.y_range)


def test_an_animation_moves_everybody_and_is_saved_where_asked(comparison, tmp_path):
    paths = {"descent": minimize(SADDLE, SGD, 0.5, steps=20), "short": minimize(SADDLE, Adam, 0.1, steps=5)}
    animation = comparison.animate_paths(SADDLE, paths, frames=5)
    target = tmp_path / "paths.gif"
    animation.save(target, writer="pillow", dpi=40)
    from PIL import Image

    with Image.open(target) as picture:
        assert (picture.format, picture.n_frames) == ("GIF", 5)
    target.unlink()
    (axes,) = animation._fig.axes
    heads = {
        line.get_label(): line.get_xydata()[-1].tolist() for line in axes.lines if line.get_label() in paths
    }
    assert heads == {name: path[-1].tolist() for name, path in paths.items()}, (
        "the short one waits at its end"
    )
    assert "saddle, step 20" in axes.get_title("left")

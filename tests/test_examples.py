"""Example answers: read, put into the release, graded; and what the examples of module 08 must come to."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import nbformat
import pytest

from tinytorch.course import examples
from tinytorch.course.project import CourseError, Module, Project

NAME = "01_doubling"

GOOD = """\
# A student who keeps a plain float
# and multiplies.

# %% number-class: Number.__init__
self.value = float(value)

# %% number-class: Number.double
if self.value == 0:
    return 0.0

return 2 * self.value
"""
FORGOT = """\
# Forgot to double.
# based on: good
# %% number-class: Number.double
return self.value
"""


@pytest.fixture
def project(released_course: Project, tmp_path: Path) -> Project:
    copied = tmp_path / "the course"
    shutil.copytree(released_course.root, copied, symlinks=True)
    return Project(copied)


def keep(project: Project, **texts: str) -> Module:
    module = project.module(NAME)
    folder = examples.folder(project, module)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return module


def released(project: Project):
    return nbformat.read(project.release_dir / NAME / "doubling_dev.ipynb", as_version=4)


def test_an_example_is_read_with_the_answers_it_builds_on(project: Project):
    module = keep(project, good=GOOD, forgot=FORGOT, blank="# Nothing.\n")
    found = {example.name: example for example in examples.read_examples(project, module)}
    assert list(found) == ["blank", "forgot", "good"]
    assert found["good"].about == "A student who keeps a plain float and multiplies."
    assert found["blank"].answers == {}
    assert found["forgot"].answers == {
        ("number-class", "Number.__init__"): ["self.value = float(value)"],
        ("number-class", "Number.double"): ["return self.value"],
    }


def test_answers_take_the_indentation_of_their_stub(project: Project):
    module = keep(project, good=GOOD)
    [example] = examples.read_examples(project, module)
    notebook = examples.splice(released(project), example)
    [cell] = [cell for cell in notebook.cells if cell.id == "number-class"]
    assert cell.source.endswith('''
        """Twice the number."""
        if self.value == 0:
            return 0.0

        return 2 * self.value''')
    others = [(cell.id, cell.source) for cell in notebook.cells if cell.id != "number-class"]
    assert others == [(cell.id, cell.source) for cell in released(project).cells if cell.id != "number-class"]


def test_examples_are_graded_away_from_the_real_course(project: Project):
    module = keep(project, good=GOOD, forgot=FORGOT, blank="# Nothing.\n")
    before = (project.course_root / "gradebook.db").read_bytes()
    out = io.StringIO()
    examples.run(project, [module, project.module("02")], out=out)
    assert out.getvalue().endswith("""
01_doubling

student  number  double  total
------------------------------
blank         0       0      0
forgot        3       0      3
good          3       2      5
------------------------------
maximum       3       2      5
""")
    assert (project.course_root / "gradebook.db").read_bytes() == before
    assert not (project.course_root / "submitted").exists()
    assert (project.build_dir / "examples" / "gradebook.db").is_file()


def test_a_module_without_examples_is_no_failure(project: Project):
    out = io.StringIO()
    examples.run(project, [project.module("02")], out=out)
    assert out.getvalue() == "no example submissions for 02_counting\n"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"good": GOOD.replace("Number.double", "Number.twice")},
            "example 'good' answers number-class: Number.twice, but the release has no line ",
        ),
        (
            {"good": GOOD[: GOOD.index("# %% number-class: Number.double")]},
            "example 'good' has no answer to number-class: Number.double, which the release leaves",
        ),
        (
            {"odd": FORGOT},
            "modules/examples/01_doubling/odd.py: is based on 'good', which is not there; there are odd",
        ),
        ({"odd": FORGOT.replace("good", "odd")}, "modules/examples/01_doubling/odd.py: builds on itself"),
        (
            {"good": GOOD.replace("class: Number.d", "class Number.d")},
            "modules/examples/01_doubling/good.py:7: not a section; write '# %% grade_id: Class.function'",
        ),
        (
            {"good": "return 1\n" + GOOD},
            "modules/examples/01_doubling/good.py:1: an answer before the first ",
        ),
        (
            {"good": GOOD + "# %% number-class: Number.half\n\n"},
            "modules/examples/01_doubling/good.py: the answer to number-class: Number.half is empty",
        ),
        (
            {"good": GOOD + GOOD[GOOD.index("# %%") :]},
            "example 'good' answers number-class: Number.__init__, but the rel",
        ),
    ],
)
def test_answers_that_do_not_fit(project: Project, texts, message):
    module = keep(project, **texts)
    with pytest.raises(CourseError) as error:
        examples.run(project, [module], out=io.StringIO())
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
    assert not (project.build_dir / "examples").exists(), "nothing half-written"


def test_a_release_that_is_missing(project: Project):
    module = keep(project, good=GOOD)
    shutil.rmtree(project.release_dir)
    with pytest.raises(
        CourseError, match="^01_doubling has not been released; run `make release MODULE=01` first$"
    ):
        examples.run(project, [module], out=io.StringIO())


# ---------------------------------------------------------------------- the examples of module 08


@pytest.fixture(scope="module")
def real_examples(real_course: Project) -> dict[str, dict[str, float | None]]:
    """The points of the bundled examples against today's module 08."""
    report = examples.run(real_course, [real_course.module("08")], out=io.StringIO())
    return {row.student: row.points for row in report.rows}


HUNTS = {"test-hunt-settings", "test-hunt-decay", "test-hunt-state", "test-hunt-interference"}


def lost(real_examples, student: str) -> set[str]:
    """The graded cells on which a student has less than the good one; each of them gives nothing then."""
    full, points = real_examples["good"], real_examples[student]
    assert {name: value for name, value in points.items() if value not in (0.0, full[name])} == {}
    return {name for name, value in points.items() if value == 0.0}


def test_the_good_example_has_every_point(real_examples):
    from conftest import ROOT

    from tinytorch.course.notebooks import grade_id, is_graded, read_source

    cells = read_source(Project(ROOT).module("08")).cells
    maxima = {grade_id(cell): float(cell.metadata["nbgrader"]["points"]) for cell in cells if is_graded(cell)}
    assert real_examples["good"] == maxima


def test_the_blank_example_has_none(real_examples):
    assert set(real_examples["blank"].values()) == {0.0}


def test_without_bias_correction_only_what_needs_it_is_lost(real_examples):
    # The hunts too: the student's own check, which is right, accuses the student's own Adam.
    assert lost(real_examples, "no_bias_correction") == {"test-adam", "test-training-integration", *HUNTS}


def test_what_does_not_need_the_method_that_raises_still_counts(real_examples):
    assert lost(real_examples, "raises_midway") == {
        "test-sgd-momentum",
        "test-sgd",
        "test-training-integration",
    }


def test_the_good_example_is_not_the_reference(real_examples):
    """It must show that other right answers pass: hardly a line of it is the reference's."""
    from conftest import ROOT

    from tinytorch.course.leaks import Secrets

    project = Project(ROOT)
    [good] = [e for e in examples.read_examples(project, project.module("08")) if e.name == "good"]
    secrets = Secrets.of([project.module("08")]).lines
    lines = [
        "".join(line.split())
        for bodies in good.answers.values()
        for body in bodies
        for line in body.split("\n")
    ]
    same = [line for line in lines if line in secrets]
    assert len(same) < len(lines) / 5

"""The ``tinytorch`` command: one sub-command for each target of the Makefile."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tinytorch.course.project import CourseError, Module, Project, find_project, printable

Command = Callable[[Project, argparse.Namespace], None]

_WRITABLE = "make it readable and writable for yourself, then run this again"
_REMEDIES = {
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EROFS: _WRITABLE,
    errno.ENOSPC: "make room on this disk, then run this again",
    errno.EDQUOT: "make room on this disk, then run this again",
    errno.EISDIR: "a file belongs there: move the folder away, then run this again",
    errno.EEXIST: "move what is there away, then run this again",
    errno.ENOTDIR: "a folder belongs there: move the file away, then run this again",
    errno.ENOENT: "restore it, then run this again",
}


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        argv: the words after ``tinytorch``; by default those of the command line.

    Returns:
        The exit status: 0, or 1 after a mistake told in one line on standard error, or 130 when interrupted.
    """
    arguments = _parser().parse_args(argv)
    try:
        # A student exports from a notebook anywhere; everything else works on the checkout it is started in.
        if getattr(arguments, "notebook", None):
            _export_own(arguments)
        else:
            arguments.run(_project(arguments), arguments)
    except CourseError as error:
        for line in str(error).splitlines():
            print(f"tinytorch: {line}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "tinytorch").partition(".")[0] == "tinytorch":
            raise
        print(
            f"tinytorch: this needs {error.name}, which is not installed; in the checkout run `make setup`, "
            "or install the extra: pip install '.[course]'",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"tinytorch: {_os_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinytorch: interrupted", file=sys.stderr)
        return 130
    return 0


def _os_error(error: OSError) -> str:
    """What the system refused, as one line: where, why, and what to do about it."""
    # Of two names the second is the place something was to be moved to; the first is a scratch file.
    path = error.filename2 or error.filename
    where = f"{printable(_short(os.fsdecode(path)))}: " if isinstance(path, (str, bytes, Path)) else ""
    reason = error.strerror or printable(str(error)) or type(error).__name__
    return f"{where}{reason}; {_REMEDIES.get(error.errno, 'put this right, then run this again')}"


def _short(path: str) -> str:
    """A path below the current folder without that folder."""
    return path.removeprefix(str(Path.cwd()) + os.sep)


def _project(arguments: argparse.Namespace) -> Project:
    try:
        return find_project()
    except CourseError as error:
        if arguments.command != "export":
            raise
        raise CourseError(f"{error}; to export your own notebook: tinytorch export --notebook FILE") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinytorch", description="Build, check, release and grade the course."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str, modules: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if modules:
            command.add_argument(
                "name", nargs="?", metavar="MODULE", help="08 or 08_optimizers; default: all modules"
            )
            command.add_argument("--module", metavar="MODULE", help="the same as an option")
        return command

    add("notebooks", _notebooks, "build the notebooks from their percent sources")
    add("execute", _execute, "run the built notebooks whole, into build/executed")
    export = add("export", _export, "write tinytorch/core from the sources, or from a student's own notebook")
    export.add_argument(
        "--notebook", metavar="FILE", type=Path, help="export this notebook of a student instead"
    )
    export.add_argument(
        "--into",
        metavar="FOLDER",
        type=Path,
        help="with --notebook: the package to write to (default: the tinytorch that is imported)",
    )
    add("check", _check, "check sources, metadata and the exported package")
    add("release", _release, "build and prove the student notebooks in modules/release")
    for name, text in (("autograde", "grade modules/submitted"), ("feedback", "write modules/feedback")):
        command = add(name, _autograde if name == "autograde" else _feedback, text)
        command.add_argument("--student", metavar="NAME", help="only this student; default: all")
        if name == "autograde":
            command.add_argument("--force", action="store_true", help="grade also what has not changed")
    grades = add("grades", _grades, "print the grades and write them as CSV")
    grades.add_argument("--csv", metavar="FILE", type=Path, help="default: modules/grades.csv")
    add("examples", _examples, "grade the bundled example submissions and print their table")
    mutants = add(
        "mutants", _mutants, "change the solutions one place at a time: do the graded tests notice?"
    )
    mutants.add_argument("--sample", metavar="N", type=int, help="only N mutants of each module")
    mutants.add_argument("--seed", metavar="N", type=int, default=0, help="which sample; default: 0")
    add("test", _test, "run the tests; with MODULE those that name it")
    add("bench", _bench, "time the optimizers", modules=False)
    add("experiments", _experiments, "run the sweeps that compare the optimizers", modules=False)
    add("figures", _figures, "compute the figures of README and docs", modules=False)
    add("course", _course, "everything from notebooks to graded examples")
    add("clean", _clean, "remove what was built; never submissions, grades or the gradebook", modules=False)
    add(
        "jupyter-config",
        _jupyter_config,
        "let every nbgrader of this environment find the course",
        modules=False,
    )
    return parser


def _picked(project: Project, arguments: argparse.Namespace) -> list[Module]:
    if arguments.name and arguments.module and arguments.name != arguments.module:
        raise CourseError(
            f"two modules named, {arguments.name} and {arguments.module}; name one, or none for all"
        )
    return project.select(arguments.module or arguments.name)


def _say(project: Project, what: str, paths: list[Path], nothing: str) -> None:
    for path in paths:
        print(f"{what} {project.relative(path)}")
    if not paths:
        print(nothing)


def _notebooks(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.notebooks import build

    _say(project, "built", build(project, _picked(project, arguments)), "notebooks: up to date")


def _execute(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.execute import execute

    _say(project, "executed", execute(project, _picked(project, arguments)), "nothing to execute")


def _export(project: Project, arguments: argparse.Namespace) -> None:
    if getattr(arguments, "into", None):
        raise CourseError("--into goes with --notebook; name the notebook to export")
    from tinytorch.course.export import export

    _say(project, "exported", export(project, _picked(project, arguments)), "package: up to date")


def _export_own(arguments: argparse.Namespace) -> None:
    from tinytorch.course.export import export_own

    done = export_own(arguments.notebook, arguments.into)
    print(f"exported {arguments.notebook} to {done.path}")
    if done.unwritten:
        print(f"still to write, and until then modules that use it stop there: {', '.join(done.unwritten)}")
    if done.lost:
        print(f"no longer exported: {', '.join(done.lost)}; if you did not mean that, a cell was deleted: copy it from a "
              "fresh notebook of the module")


def _check(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.check import check

    modules = _picked(project, arguments)
    found = check(project, modules)
    for line in found:
        print(line, file=sys.stderr)
    if found:
        raise CourseError(f"check found {len(found)} thing{'s'[: len(found) > 1]} to mend, listed above")
    print(f"check: {', '.join(module.name for module in modules)}: all well")


def _release(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.release import release

    _say(project, "released", release(project, _picked(project, arguments)), "nothing to release")


def _autograde(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course import grading

    grading.autograde(project, _picked(project, arguments), student=arguments.student, force=arguments.force)


def _feedback(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course import grading

    grading.feedback(project, _picked(project, arguments), student=arguments.student)


def _grades(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course import grading

    grading.grades(project, _picked(project, arguments), csv=arguments.csv)


def _examples(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course import examples

    examples.run(project, _picked(project, arguments))


def _mutants(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course import mutants

    mutants.run(project, _picked(project, arguments), count=arguments.sample, seed=arguments.seed)


def _test(project: Project, arguments: argparse.Namespace) -> None:
    import subprocess

    named = arguments.module or arguments.name
    chosen = []
    if named:
        short = project.module(named).short
        longer = [module.short for module in project.modules() if short in module.short and module.short != short]
        chosen = ["-k", " and not ".join([short, *longer])]  # "optimizers" is in "adaptive_optimizers" too
    status = subprocess.run([sys.executable, "-m", "pytest", *chosen], cwd=project.root, check=False).returncode
    if status:
        sys.exit(status)


def _bench(project: Project, arguments: argparse.Namespace) -> None:
    _run_scripts(project, "benchmarks", "bench_*.py")


def _experiments(project: Project, arguments: argparse.Namespace) -> None:
    _run_scripts(project, "experiments", "*.py")


def _run_scripts(project: Project, folder: str, pattern: str) -> None:
    """Run every script of a folder with this Python, in the order of their names; the first that fails ends it."""
    import subprocess

    scripts = sorted((project.root / folder).glob(pattern))
    if not scripts:
        raise CourseError(f"{folder}: no {pattern} here; restore them from the repository")
    for script in scripts:
        status = subprocess.run([sys.executable, str(script)], cwd=project.root, check=False).returncode
        if status:
            raise CourseError(f"{project.relative(script)} ended with status {status}; see above")


def _figures(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.figures import figures

    _say(project, "drew", figures(project), "figures: up to date")


def _course(project: Project, arguments: argparse.Namespace) -> None:
    # The package is exported before anything runs, because later modules import it.
    for title, step in (
        ("notebooks", _notebooks),
        ("export", _export),
        ("execute", _execute),
        ("check", _check),
        ("release", _release),
        ("examples", _examples),
    ):
        print(f"== {title}", flush=True)
        step(project, arguments)


def _clean(project: Project, arguments: argparse.Namespace) -> None:
    from tinytorch.course.notebooks import refuse_to_lose_edits

    modules = project.modules()
    refuse_to_lose_edits(project, modules)
    for module in modules:
        module.notebook.unlink(missing_ok=True)
    for folder in (
        project.build_dir,
        project.release_dir,
        *project.root.glob("modules/**/.ipynb_checkpoints"),
    ):
        if folder.exists():
            shutil.rmtree(folder)
    print("removed the built notebooks, build and modules/release")


def _jupyter_config(project: Project, arguments: argparse.Namespace) -> None:
    """A Jupyter server started anywhere with this environment must read the course's configuration too."""
    from tinytorch.course.project import write_if_changed

    if sys.prefix == sys.base_prefix:
        raise CourseError("this Python is not a virtual environment; run `make setup`, which makes one")
    write_if_changed(
        Path(sys.prefix) / "etc" / "jupyter" / "nbgrader_config.py", jupyter_config_text(project)
    )


def jupyter_config_text(project: Project) -> str:
    """A ``nbgrader_config.py`` for any folder that Jupyter reads, leading to the one of the project."""
    return f"load_subconfig('nbgrader_config.py', path={os.fspath(project.root)!r})\n"


if __name__ == "__main__":
    sys.exit(main())

"""Makes nbgrader work from this folder too: the configuration is the one of the project's root."""

from pathlib import Path

load_subconfig("nbgrader_config.py", path=str(Path(__file__).resolve().parent.parent))  # noqa: F821

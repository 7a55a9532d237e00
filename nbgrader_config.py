"""nbgrader's configuration; modules/nbgrader_config.py and the one in .venv load this file."""

import sys
from pathlib import Path

root = Path(__file__).resolve().parent
if str(root) not in sys.path:
    # nbgrader may be started by a Jupyter server that does not have this checkout installed.
    sys.path.insert(0, str(root))

from tinytorch.course.nbgrader_plugin import configure  # noqa: E402

configure(get_config(), root)  # noqa: F821 (get_config is given by the loader of traitlets)

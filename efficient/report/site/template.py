"""Templates to pages, and values to scripts: the only two places where a text becomes code."""

from __future__ import annotations

import functools
import json
from typing import Any

import jinja2
import markupsafe

from efficient.report.site.legible import legible, legible_all

#: What JSON has and a script in single quotes may not.
_JS = str.maketrans({"\\": "\\\\", "'": "\\'", "<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
#: Of the one style that Observable Plot puts into its drawings; the browser's test sees it change.
_PLOT_STYLE = "'sha256-jSYQUrW7J0b3jPqhZP9C2Xh1PyJKHKXd4s0fpGGKrww='"


def render(template: str, package: str = "efficient.report.site", **values: Any) -> str:
    """A page of a template that lies in `templates` of a package.

    Every text is made legible and escaped; a missing value is an error.
    """
    return _environment(package).get_template(template).render(values, plot_style=_PLOT_STYLE)


def script(function: str, *values: Any) -> str:
    """A script that calls a function with plain JSON values; a file needs no request to be read.

    The values are parsed as JSON, not as code, so that no name among them means anything. Nothing
    of a text can end the script or a tag around it: markup and all that is not ASCII is written as
    escapes. Non-finite numbers are refused.
    """
    plain = json.dumps(legible_all(values), allow_nan=False, separators=(",", ":"))
    return f"{function}(...JSON.parse('{plain.translate(_JS)}'));\n"


@functools.cache
def _environment(package: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """What stands between braces: a text of strangers unless a macro made it."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return legible(value)
    return value

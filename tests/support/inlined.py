"""
The C of a .pxd that is no module of its own, as functions that tests can call: its .py has their plain twins.

Only with a compiled build: what is tested then is what the compiled modules have in them.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import colo_twisted
from colo_twisted.packets import headers
from colo_twisted.packets.build import compiled
from tests.support.environments import ROOT

FIRST_LINE = "# inline"

_BUILD = """
import runpy, sys
from pathlib import Path
from Cython.Build import cythonize
from setuptools import setup
source, root, how = sys.argv[1:]
how = runpy.run_path(how)
extension = how["extension"](Path(source).stem, source)
made = cythonize([extension], include_path=[root], quiet=True, compiler_directives=how["DIRECTIVES"])
setup(name="inlined", ext_modules=made, script_args=["-q", "build_ext", "--inplace"])
"""


def sanitized() -> bool:
    """Whether the loaded build ends the process at a read or write out of bounds, and the like."""
    return compiled() and b"__asan_init" in Path(str(headers.__file__)).read_bytes()


def is_inline(pxd: Path) -> bool:
    """Whether its functions become part of whoever cimports it."""
    return pxd.read_text().startswith(f"{FIRST_LINE}\n")


@cache
def in_use(name: str) -> ModuleType:
    """The functions of the module with this full name as the loaded build has them: plain, or its .pxd's."""
    plain = importlib.import_module(name)
    return _built(plain) if compiled() else plain


def _built(plain: ModuleType) -> ModuleType:
    package, _, module = plain.__name__.rpartition(".")
    lines = [f"from {package} cimport {module} as inlined"]
    for function, what in inspect.getmembers(plain, inspect.isfunction):
        if what.__module__ != plain.__name__:
            continue
        taken = ", ".join(inspect.signature(what).parameters)
        lines.append(f"def {function}({taken}): return inlined.{function}({taken})")
    folder = Path(tempfile.mkdtemp(prefix="colo-inlined-"))
    source = folder / f"{module}_inlined.pyx"
    source.write_text("\n".join(lines) + "\n")
    root = str(Path(str(colo_twisted.__file__)).parent.parent)
    words = (sys.executable, "-c", _BUILD, str(source), root, str(ROOT / "setup.py"))
    around = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    around["COLO_COMPILE"] = "sanitized" if sanitized() else "required"
    subprocess.run(words, cwd=folder, env=around, check=True, timeout=300)
    (extension,) = folder.glob(f"{module}_inlined*.so")
    spec = importlib.util.spec_from_file_location(f"{module}_inlined", extension)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    shutil.rmtree(folder)
    return made

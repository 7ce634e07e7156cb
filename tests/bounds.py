"""Run the quick tests on the oldest, or on the newest, releases that setup.cfg allows and the registry has.

    python tests/bounds.py oldest
    python tests/bounds.py newest --only transformers,lightning tests/golden/test_by_hand.py

The environment is made in build/bounds-<which>. `--only` moves these packages alone and takes the others as they are in
constraints.txt. PTV2_SITE_PACKAGES names a folder of installed packages that the environment borrows all others from.
"""

import argparse
import configparser
import os
import re
import subprocess
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
QUICK = "not slow and not faults and not slurm"
FRAMEWORK = ("torch", "lightning", "transformers")


def requirements(extra: str | None = None) -> list[Requirement]:
    """Read what the package, or one of its extras, requires."""
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    text = setup["options.extras_require"][extra] if extra else setup["options"]["install_requires"]
    return [Requirement(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def oldest(requirement: Requirement) -> str:
    """Return the release that the lower bound names, as a pin; nothing without a bound."""
    lower = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
    return f"{requirement.name}=={lower[0]}" if lower else requirement.name


def wanted(which: str, only: list[str]) -> list[str]:
    """Return what pip is asked for: pins of the lower bounds, or the ranges, of which pip takes the newest."""
    chosen = [found for found in requirements() if not only or found.name in only]
    return [oldest(found) if which == "oldest" else str(found) for found in chosen]


def environment(which: str, only: list[str]) -> Path:
    """Make the environment and return its Python."""
    folder = ROOT / "build" / f"bounds-{which}"
    venv.create(folder, with_pip=True, clear=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    borrowed = os.environ.get("PTV2_SITE_PACKAGES")
    if borrowed:
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
    asked = wanted(which, only)
    upgrade = ["--upgrade"] if which == "newest" else []
    subprocess.run([*pip, *upgrade, *asked], check=True)
    if not borrowed:
        kept = folder / "constraints.txt"
        moved = {Requirement(word).name for word in asked}
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        kept.write_text("\n".join(line for line in lines if re.split("[=#]", line)[0] not in moved), encoding="utf-8")
        subprocess.run([*pip, "-c", str(kept) if only else os.devnull, *map(str, requirements("dev"))], check=True)
    subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("oldest", "newest"))
    parser.add_argument("--only", default="", help="names of packages, separated by commas; without: all")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files or folders of tests")
    options = parser.parse_intermixed_args()
    python = environment(options.which, [name for name in options.only.split(",") if name])
    said = "; ".join(f"print('{name}', version('{name}'))" for name in FRAMEWORK)
    subprocess.run([str(python), "-c", f"from importlib.metadata import version; {said}"], check=True)
    line = [str(python), "-m", "pytest", "-q", "-m", QUICK, *options.tests]
    raise SystemExit(subprocess.run(line, cwd=ROOT).returncode)


if __name__ == "__main__":
    main()

"""Build the release and use it as a stranger would: `python tests/release.py`, run by `make release-check`.

The sdist is built, the wheel from the sdist; `twine check` reads both. The wheel is installed into a fresh environment
outside of the checkout, where it lists its cards and trains, scores, predicts and loads with the demo weights.

PTV2_SITE_PACKAGES names a folder of installed packages that the environment borrows its requirements from, instead of
fetching gigabytes: then only the wheel itself is installed.
"""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from bounds import requirements

ROOT = Path(__file__).resolve().parent.parent
HELD = ("ptv2/py.typed", "ptv2/configs/quickstart.yaml", "ptv2/tasks/superglue/rte.yaml", "ptv2/configs/paper/")
ROW = '{"title": "Shares rise", "text": "The bank said profits doubled."}\n'
FEW = ["data.limit.train=32", "data.limit.validation=16", "data.limit.test=16", "trainer.max_epochs=1"]


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and return what it prints; a failure ends the check."""
    print("$", *words, flush=True)
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PTV2_TASKS", "PTV2_DATA")}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}failed with code {done.returncode}")
    return done.stdout


def built(folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel, and look at what the wheel holds."""
    run(sys.executable, "-m", "build", "--outdir", folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    names = ZipFile(wheel).namelist()
    if missing := [held for held in HELD if not any(name.startswith(held) for name in names)]:
        raise SystemExit(f"the wheel lacks {', '.join(missing)}")
    if stray := sorted({name.split("/")[0] for name in names if not name.startswith("ptv2")}):
        raise SystemExit(f"the wheel has stray folders: {', '.join(stray)}")
    return sdist, wheel


def installed(wheel: Path, folder: Path) -> Path:
    """Install the wheel into a fresh environment and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    borrowed = os.environ.get("PTV2_SITE_PACKAGES")
    if borrowed:
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
        return python
    run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, "gguf")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *(str(demo) for demo in requirements("demo")))
    return python


def try_it(python: Path, folder: Path) -> Iterator[str]:
    """Follow the quickstart with the installed package, from a folder of its own."""
    place = run(python, "-c", "import ptv2; print(ptv2.__file__)", cwd=folder).strip()
    if not Path(place).is_relative_to(python.parent.parent):
        raise SystemExit(f"not the wheel is imported, but {place}")
    configs = Path(place).parent / "configs"
    command = python.with_name("ptv2")
    yield run(command, "--help", cwd=folder)
    yield run(command, "tasks", "list", cwd=folder)
    yield run(command, "fit", "--config", configs / "quickstart.yaml", "run.name=try", *FEW, cwd=folder)
    yield run(command, "evaluate", "--artifact", "runs/try", "--limit", "16", cwd=folder)
    (folder / "rows.jsonl").write_text(ROW, encoding="utf-8")
    yield run(command, "predict", "--artifact", "runs/try", "--input", "rows.jsonl", cwd=folder)
    code = f"import ptv2; print(ptv2.load('runs/try').predict([{ROW.strip()}]))"
    yield run(python, "-c", code, cwd=folder)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptv2-release-") as scratch:
        sdist, wheel = built(Path(scratch) / "dist")
        python = installed(wheel, Path(scratch) / "venv")
        (Path(scratch) / "work").mkdir()
        for said in try_it(python, Path(scratch) / "work"):
            if not said.strip():
                raise SystemExit("a command printed nothing")
            print(said)
        print(f"{sdist.name} and {wheel.name} can be released")


if __name__ == "__main__":
    main()

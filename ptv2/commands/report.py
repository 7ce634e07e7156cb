"""Write runs and studies as one HTML file: `python -m ptv2.report RUN [RUN ...]`.

Of a run, its scores with intervals, curves, worst mistakes, config and environment; of several, also what differs
between them; of the folder of a study, its table and figure. The file holds all that it shows: it runs no script and
fetches nothing.
"""

import argparse
import sys
from pathlib import Path

from ptv2.commands import shell as command
from ptv2.errors import UserError

NAME = "report.html"


def main(options: argparse.Namespace) -> None:
    from ptv2.page.html import document, join, tag
    from ptv2.page.runs_part import runs_part
    from ptv2.page.study_part import is_study, study_part
    from ptv2.runtime.files import write_text
    from ptv2.study.finished import inside, read_run

    if not options.runs:
        raise UserError("nothing to report on", where="command line", do="give folders of runs or of studies")
    output = place_of(options.output, options.runs)
    folders = list(dict.fromkeys(options.runs))
    studies = [study_part(path) for path in folders if is_study(path)]
    found = {path: read_run(path) for path in folders if not is_study(path)}
    runs = [run for run in found.values() if run is not None]
    none = [path for path, run in found.items() if run is None]
    if not runs and not studies:
        within = inside(none[0])
        do = f"give the folders in it: {within}" if within else "give the folder of one"
        raise UserError("neither a run nor a study here", where=none[0], do=do)
    for path in none:
        print(f"warning: {path}: neither a run nor a study, left out", file=sys.stderr)
    names = [*(run.name for run in runs), *(name for name, _ in studies)]
    parts = [runs_part(runs, options.mistakes)] if runs else []
    parts += [part if len(names) == 1 else join([tag("h2", name), part]) for name, part in studies]
    several = "Runs and studies" if runs and studies else "Studies" if studies else f"{len(runs)} runs"
    title = names[0] if len(names) == 1 else several
    try:
        write_text(output, document(title, *parts))
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=output, do="choose another --output") from error
    print(f"report: {output}")


def place_of(output: Path | None, folders: list[Path]) -> Path:
    """Return the file that is written: the one asked for, or in the only folder, or where the command runs.

    Raises:
        UserError: it is no HTML file, or cannot be one.
    """
    if output is None:
        return folders[0] / NAME if len(folders) == 1 else Path(NAME)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"'{output.suffix}' is no ending of an HTML file", where=output, do="end it in .html")
    if output.is_dir():
        raise UserError("is a folder", where=output, do="give a file")
    if not output.parent.is_dir():
        raise UserError("no such folder", where=output.parent, do="make it, or choose another --output")
    return output


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.report", __doc__)
    made.add_argument(
        "--output", type=Path, metavar="FILE", help=f"HTML file ({NAME} in the folder, or here for several)"
    )
    made.add_argument(
        "--mistakes", type=command.number_from(0), default=10, metavar="N", help="mistakes shown of each task (10)"
    )
    made.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folder of a run or of a study")
    return made

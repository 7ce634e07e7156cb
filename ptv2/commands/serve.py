"""Serve artifacts over HTTP: `python -m ptv2.serve --artifacts FOLDER`.

One frozen backbone is loaded once, and every artifact in the folder that was made for it answers rows
(docs/serving.md). SIGTERM or Ctrl-C end it: what was taken is answered first.
"""

import argparse
import sys
from pathlib import Path

from ptv2.commands import shell as command
from ptv2.errors import UserError
from ptv2.service.limits import Limits


def main(options: argparse.Namespace) -> None:
    try:
        from ptv2.service.server import bound, make_server, read_tokens, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "starlette", "pydantic", "uvicorn", "h11"):
            raise
        what = f"the server needs {error.name}, which is not installed"
        raise UserError(what, where="ptv2.serve", do="pip install 'ptv2[serve]'") from error
    from ptv2.backbone import quiet_transformers
    from ptv2.service.folder import ArtifactFolder
    from ptv2.service.start import start

    quiet_transformers()
    limits = Limits(**{name: getattr(options, f"limit_{name}") for name in Limits.options()})
    tokens, folder = read_tokens(options.token_file, options.host), ArtifactFolder(options.artifacts)
    at = bound(options.host, options.port)
    service, left_out = start(
        folder,
        limits,
        overrides=options.overrides,
        imports=options.imports,
        device=options.device,
        allow_other_precision=options.allow_other_precision,
    )
    for why in left_out:
        print(f"left out: {why}", file=sys.stderr)
    host, port = at.getsockname()[:2]
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"{len(service.held)} artifacts of {service.residents.backbone.name} on {where}", flush=True)
    serve(make_server(service, tokens), at)
    print("stopped")


def port(text: str) -> int:
    """Parse `--port`."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port, 0 to 65535")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.serve", __doc__, imports=True)
    made.add_argument(
        "--artifacts", required=True, metavar="FOLDER", help="folder of run folders or artifacts, one backbone's"
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen to (127.0.0.1: this machine alone)")
    made.add_argument("--port", default=8000, type=port, help="8000; 0: any that is free")
    made.add_argument("--token-file", type=Path, metavar="FILE", help="a token a line; requests have to show one")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    command.add_precision(made)
    for name, (default, about) in Limits.options().items():
        made.add_argument(
            f"--limit-{name.replace('_', '-')}",
            default=default,
            type=command.number_from(1),
            metavar="N",
            help=f"{about} ({default})",
        )
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of every artifact's config")
    return made

"""Export an artifact: `python -m ptv2.export --artifact DIR --form FORM --output DIR`, or `--push ORG/NAME`.

Forms: `peft` and `peft-cartridge` for `PeftModel.from_pretrained` (prefix tuning, prompt tuning, LoRA), `transformers`
(slots, maps and LoRA merged into plain weights), `kv` (keys and values of each layer), `cartridge` (the same for
Tokasaurus), `llama-state` (for llama.cpp), `onnx` (encoder, prompt and head in one graph). What a form cannot hold is
said, or refused. `--push` shares the artifact itself on the hub, where `--artifact hub:ORG/NAME` reads it.
"""

import argparse

from ptv2.commands import shell as command
from ptv2.errors import UserError


def main(options: argparse.Namespace) -> None:
    if options.push is not None:
        return share(options)
    for name in ("form", "output"):
        if getattr(options, name) is None:
            raise UserError(f"--{name} is missing", where="command line", do="give it, or --push ORG/NAME")
    from ptv2.backbone import quiet_transformers
    from ptv2.exchange.export import export

    quiet_transformers()
    exported = export(
        options.artifact,
        options.form,
        options.output,
        task=options.task,
        overrides=options.overrides,
        imports=options.imports,
        allow_other_precision=options.allow_other_precision,
    )
    for note in exported.notes:
        print(note)
    print(f"written: {exported.folder}")


def share(options: argparse.Namespace) -> None:
    """Put the artifact on the hub."""
    for name in ("form", "output", "task"):
        if getattr(options, name) is not None:
            do = "leave it out: --push shares the artifact itself"
            raise UserError(f"--{name} is given with --push", where="command line", do=do)
    from ptv2.exchange.push import push

    address = push(options.artifact, options.push, licence=options.license, private=options.private)
    if options.license is None:
        print("no licence is stated: give --license ID, such as apache-2.0")
    print(f"pushed: {address}")


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.export", __doc__, imports=True)
    made.add_argument(
        "--artifact", required=True, metavar="DIR", help="a run folder, or its prompt/ folder, or hub:ORG/NAME"
    )
    made.add_argument("--form", help="peft, peft-cartridge, transformers, kv, cartridge, llama-state or onnx")
    made.add_argument("--output", metavar="DIR", help="folder to make")
    made.add_argument("--task", help="which of several tasks, whose prompt and head are exported")
    made.add_argument("--push", metavar="ORG/NAME", help="put the artifact on the hub, instead of a form into a folder")
    made.add_argument("--license", metavar="ID", help="with --push: the hub's name of the licence")
    made.add_argument("--private", action="store_true", help="with --push: a repository that only its owners see")
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the artifact's config")
    return made

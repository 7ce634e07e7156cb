"""Export an artifact: `python -m ptv2.export --artifact DIR --form FORM --output DIR`.

Forms: `peft` (prefix tuning) and `peft-cartridge` for `PeftModel.from_pretrained`, `transformers` (slots, maps and LoRA
merged into plain weights), `kv` (keys and values of each layer), `cartridge` (the same for Tokasaurus),
`onnx` (encoder, prompt and head in one graph). What a form cannot hold is said, or refused.
"""

import argparse

from ptv2.commands import shell as command


def main(options: argparse.Namespace) -> None:
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


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.export", __doc__, imports=True)
    made.add_argument("--artifact", required=True, metavar="DIR", help="a run folder, or its prompt/ folder")
    made.add_argument("--form", required=True, help="peft, peft-cartridge, transformers, kv, cartridge or onnx")
    made.add_argument("--output", required=True, metavar="DIR", help="folder to make")
    made.add_argument("--task", help="which of several tasks, whose prompt and head are exported")
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the artifact's config")
    return made

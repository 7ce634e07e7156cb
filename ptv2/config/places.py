"""Templates with virtual tokens: the values of `ptuning.template`.

`"{prompt:3} {text} It was {mask}."` is three virtual tokens, the card's input `text`, words, and the place of the
answer.
"""

import string
from dataclasses import dataclass

from ptv2.errors import UserError

WHERE = "ptuning.template"
MOST = 4096  # virtual tokens at a place
EXAMPLE = 'write e.g. "{prompt:3} {text} {prompt:2} {mask}"'


@dataclass(frozen=True)
class Piece:
    """A piece of a template: words as they stand, virtual tokens, the mask, or an input."""

    words: str = ""
    virtual: int = 0  # how many
    mask: bool = False
    name: str | None = None  # of an input


def parse_template(template: str) -> list[Piece]:
    """Parse a template.

    Raises:
        UserError: not a template, virtual tokens without a number, or another number of masks than one.
    """
    pieces = []
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"'{template}' is not a template ({error})", where=WHERE, do=EXAMPLE) from error
    for words, name, spec, conversion in parsed:
        pieces += [Piece(words=words)] if words else []
        if name is not None and (conversion or (spec and name != "prompt")):
            end = f"!{conversion}" if conversion else f":{spec}"
            what = f"'{{{name}{end}}}' has something behind its name, and only {{prompt:3}} takes that"
            raise UserError(what, where=WHERE, do=f"write {{{name}}}")
        if name == "prompt":
            number = int(spec) if spec and spec.isascii() and spec.isdigit() else None
            if number is None or not 0 < number <= MOST:
                what = f"'{{prompt{':' + spec if spec else ''}}}' does not say how many virtual tokens stand there"
                do = "write e.g. {prompt:3}" if not number else f"write a number from 1 to {MOST:,}"
                raise UserError(what, where=WHERE, do=do)
            pieces.append(Piece(virtual=number))
        elif name == "mask":
            pieces.append(Piece(mask=True))
        elif name is not None:
            pieces.append(Piece(name=name))
    if (masks := sum(piece.mask for piece in pieces)) != 1:
        what = f"'{template}' has {masks or 'no'} '{{mask}}'" + ("s" if masks else ", where the answer is read")
        raise UserError(what, where=WHERE, do=EXAMPLE)
    return pieces


def virtual_tokens(template: str) -> int:
    """Count the virtual tokens of a template.

    Raises:
        UserError: see `parse_template`.
    """
    return sum(piece.virtual for piece in parse_template(template))

"""Figures in a page of the documentation, between two marks that stand in it."""


def filled(page: str, marks: tuple[str, str], text: str) -> str:
    """Put a text between the marks of a page; a page without them stays as it is."""
    before, first, rest = page.partition(marks[0])
    _, last, after = rest.partition(marks[1])
    return f"{before}{first}\n{text}\n{last}{after}" if first and last else page

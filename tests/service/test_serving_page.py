"""docs/serving.md names every route, limit and code that there is, and the README's request fits its artifact."""

import json
import re
from pathlib import Path

from ptv2.config.cards import make_card, read_card
from ptv2.kinds.templates import names_of
from ptv2.service.app import make_app
from ptv2.service.limits import Limits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S)[1]


def test_every_route_is_explained(client):
    app = make_app(client.service)
    routes = {f"{method} {route.path}" for route in app.routes for method in getattr(route, "methods", None) or ()}
    named = {
        line.replace("NAME", "{name}") for line in re.findall(r"^\| `([A-Z]+ /\S+)`", section("Routes"), flags=re.M)
    }
    assert named == {route for route in routes if not route.startswith(("HEAD", "OPTIONS"))}


def test_every_limit_is_explained_with_its_default():
    named = {}
    for options, defaults in re.findall(r"^\| (`--limit.*?`) \| ([\d, ]+) \|", section("Limits"), flags=re.M):
        numbers = [int(number.replace(",", "")) for number in defaults.split(", ")]
        named |= dict(zip(re.findall(r"--limit-([\w-]+)", options), numbers, strict=True))
    assert named == {name.replace("_", "-"): default for name, (default, _) in Limits.options().items()}


def test_every_code_is_listed_with_its_status():
    listed = {}
    for statuses, codes in re.findall(r"^\| ([\d, ]+) \| (.*) \|$", section("Errors"), flags=re.M):
        for code in re.findall(r"`([a-z_]+)`", codes):
            listed.setdefault(code, set()).update(map(int, statuses.split(", ")))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ptv2" / "service").glob("*.py"))
    raised = re.findall(r'Refused\(\s*(\d+), "(\w+)"', source)
    assert len(raised) > 20
    for status, code in raised:
        assert code == "gone" or int(status) in listed[code], code
    assert set(listed) == {code for _, code in raised if code != "gone"} | {"no_such_route", "wrong_method"}


def test_the_request_of_the_readme_fits_the_demo():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    body = json.loads(re.search(r"v1/predict \\\n +-d '(.*)'", readme)[1])
    card = make_card(read_card("demo/bbc_topic"))
    read = {name for template in card.inputs.values() for name in names_of(template)}
    assert set(body["rows"][0]) == read
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"run.name={body['artifact']}" in makefile and "ptv2.serve --artifacts runs/serve-demo" in makefile

"""What a release says of itself agrees: version, changelog, citation; bounds and pins belong together."""

import re
from pathlib import Path

import bounds
import yaml
from packaging.requirements import Requirement

import ptv2

ROOT = Path(__file__).parents[2]


def test_version_changelog_and_citation_agree():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", changelog, flags=re.M)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert released[0] == (ptv2.__version__, citation["date-released"])
    assert citation["version"] == ptv2.__version__


def test_what_the_results_ran_on_is_within_the_bounds():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {pin.name: pin for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))}
    for extra in (None, "dev", "docs", "release", "peft", "search", "experiments", "quantize"):
        for wanted in bounds.requirements(extra):
            (pin,) = pins[wanted.name].specifier
            assert wanted.specifier.contains(pin.version), wanted


def test_the_oldest_are_the_lower_bounds():
    assert bounds.oldest(Requirement("torch>=2.10,<3")) == "torch==2.10"
    assert bounds.oldest(Requirement("regex")) == "regex"
    assert {word.partition("==")[0] for word in bounds.wanted("oldest", ["torch", "lightning"])} == {
        "torch",
        "lightning",
    }
    assert bounds.wanted("newest", ["numpy"]) == [str(r) for r in bounds.requirements() if r.name == "numpy"]

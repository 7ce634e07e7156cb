"""The compatibility matrix: which family is compared with an independent computation in which respect.

The tests say it themselves: the families are the parameters of the tests named in `TABLES`, read from their decorators.

Run: python docs/compatibility.py, which writes docs/compatibility.md.
"""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).with_name("compatibility.md")
FOLDERS = ("tests", "tests/e2e", "tests/distributed", "tests/golden")
HEAD = """\
# Compatibility

✓: a test compares this family, as a tiny model with random weights, with an independent computation (written out by
hand, PEFT, plain transformers, or the same run in another way). An empty cell was not compared; it may work. The tables
are made of the tests' own parameters by `docs/compatibility.py`. Families in no row that use transformers' attention
interface are taken, others are refused by name. `deberta-v2` stands for v1 to v3, `albert-groups` for ALBERT with
several groups of layers.
"""
TAIL = """\
## What is refused

- `prompt.token_gate` in a decoder: its first token knows nothing of the text.
- `prompt.position_offset` where the model numbers its positions itself (encoder-decoders) or has no table of them
  (`deberta-v2`).
- `slots` in cross attention; `text:` and `vocab` starts of forms outside of the softmax ([forms.md](forms.md)).
- Under `trainer.strategy: fsdp2`: methods that train the backbone, `backbone.compile` and `backbone.quantize`
  ([cluster.md](cluster.md)).
- `backbone.unpad` where layers need rows: DeBERTa, T5, BART, GPT-2; with `backbone.compile`.
- What an export cannot hold exactly: [export.md](export.md).

`backbone.quantize: int8` has tests of its own, for all encoders here, GPT-2, Llama, Mistral, T5 and BART, where torchao
is installed (`tests/golden/test_quantized.py`), and so has `int4`, where bitsandbytes is
(`tests/golden/test_four_bits.py`). Not tested: `int4` on GPUs, flash attention kernels, several GPUs, several nodes.
"""


SINGLE = ("opt",)
"""Families that single tests run, and not the tables of all."""


@dataclass(frozen=True)
class Test:
    """A test whose parameter `family`, or the beginning of `name`, says what it covers, or one of a fixed family."""

    file: str  # <folder>/<subject>: tests/<folder>/test_<subject>.py
    name: str
    where: dict[str, Any] = field(default_factory=dict)  # only with this value of a parameter, or a list that holds it
    families: tuple[str, ...] = ()  # of a test that has no such parameter

    def covered(self) -> Iterator[str]:
        """Yield the families.

        Raises:
            LookupError: there is no such test, or none with these values.
        """
        folder, _, file = self.file.rpartition("/")
        assert (ROOT / "tests" / folder / f"test_{file}.py").exists()
        found = getattr(import_module(f"test_{file}"), self.name, None)
        if not inspect.isfunction(found):
            raise LookupError(f"tests/{folder}/test_{file}.py has no test {self.name}")
        sets = [values for values in parameter_sets(found) if all(fits(values, *item) for item in self.where.items())]
        if not sets:
            raise LookupError(f"{self.name} has no parameters {self.where}")
        for values in sets:
            yield from self.families or (values.get("family") or values["name"].partition("-")[0],)


def parameter_sets(test: Any) -> Iterator[dict[str, Any]]:
    """Yield what each run of a test is given, as its decorators say."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names, values = mark.args
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        plain = [getattr(value, "values", value) for value in values] if not isinstance(values, dict) else list(values)
        choices.append([dict(zip(names, one if len(names) > 1 else (one,), strict=True)) for one in plain])
    for chosen in product(*choices):
        yield {name: value for part in chosen for name, value in part.items()}


def fits(values: dict[str, Any], name: str, wanted: Any) -> bool:
    """Tell whether a run of a test has this value of a parameter, alone or in a list."""
    given = values[name]
    return wanted in given if isinstance(given, list) and not isinstance(wanted, list) else given == wanted


CAPPED = "golden/capped_families"
FORMS: dict[str, list[Test]] = {
    "kv": [
        Test("golden/by_hand", "test_injector_equals_concatenation"),
        Test("golden/deberta", "test_injector_equals_concatenation", families=("deberta-v2",)),
        Test("golden/seq2seq_injection", "test_injector_equals_concatenation"),
        Test(CAPPED, "test_injector_equals_concatenation"),
    ],
    "hidden": [
        Test("golden/hidden_form", "test_hidden_form_equals_kv_form_of_its_projected_vectors"),
        Test("golden/seq2seq_prompts", "test_the_hidden_form_goes_through_the_layers_own_projections"),
        Test("golden/seq2seq_prompts", "test_both_forms_start_from_the_same_keys_and_values"),
    ],
    **{
        form: [Test("golden/forms", "test_maps_and_memory_equal_their_definition", {"form": form})]
        for form in ("memory", "values", "queries")
    },
    "slots": [Test("golden/slots", "test_slots_are_more_neurons_of_the_feed_forward_layers")],
    "gate": [
        Test("golden/zero_gate", "test_an_untrained_gated_prompt_changes_no_bit"),
        Test("golden/seq2seq_injection", "test_a_closed_gate_leaves_the_model_as_it_was"),
        Test(CAPPED, "test_an_untrained_gated_prompt_changes_no_bit"),
    ],
    "token gate": [Test("golden/token_gate", "test_positions_are_weighted_by_the_first_tokens_state")],
}
READS: dict[str, list[Test]] = {
    "states": [
        Test("golden/padding", "test_logits_do_not_depend_on_padding"),
        Test("golden/inner_stack", "test_heads_of_states_read_the_same_stack", families=("opt",)),
    ],
    "logits": [
        Test("golden/seq2seq_loss", "test_the_loss_is_that_of_transformers"),
        Test(CAPPED, "test_gradients_equal_those_of_concatenation"),
    ],
    "one place (verbalizer)": [
        Test("golden/ptuning_vectors", "test_logits_are_the_mean_of_the_words_logits_at_the_mask"),
        Test("golden/ptuning_vectors", "test_a_causal_model_answers_with_the_next_word", families=("gpt2",)),
        Test("golden/inner_stack", "test_the_answer_of_a_template_is_read_at_its_place", families=("opt",)),
    ],
    "written text": [
        Test("golden/seq2seq_generation", "test_greedy_is_the_argmax_by_hand"),
        Test(CAPPED, "test_generation_with_a_cache_reads_as_without"),
    ],
}
RUNNING: dict[str, list[Test]] = {
    "checkpointing": [
        Test("golden/gradient_checkpointing", "test_gradients_are_the_same"),
        Test("golden/seq2seq_prompts", "test_checkpointing_changes_no_gradient"),
        Test(CAPPED, "test_gradient_checkpointing_changes_no_gradient"),
    ],
    "unpad": [
        Test("golden/unpadded", "test_families"),
        Test("golden/inner_stack", "test_targets_are_as_likely_without_padding", families=("opt",)),
    ],
    "compile": [
        Test("golden/compile", "test_one_graph_serves_every_batch_and_every_prompt"),
        Test("golden/seq2seq_generation", "test_compiled_as_not_compiled", families=("llama",)),
    ],
    "bf16": [
        Test("golden/bf16", "test_states_are_close_and_gradients_float32"),
        Test("golden/seq2seq_generation", "test_bfloat16_writes_the_same_with_the_cache_as_without"),
    ],
    "FSDP2": [
        Test("distributed/sharded", "test_it_is_ddp_with_a_smaller_backbone", {"strategy": "fsdp2"}, ("bert",)),
        Test("distributed/sharded_generation", "test_losses_weights_scores_and_texts_are_those_of_ddp_and_of_one"),
    ],
}
ELSEWHERE: dict[str, list[Test]] = {
    "attach": [
        Test("golden/attach", "test_every_family_is_prompted_and_itself_again"),
        Test("golden/attach_several", "test_each_row_of_a_batch_has_its_own_prompt"),
        Test("golden/attach", "test_generate_writes_what_predict_answers"),
    ],
    "PEFT": [
        Test("golden/export_peft", "test_logits_of_a_task_are_equal"),
        Test("golden/export_peft", "test_a_head_that_peft_cannot_hold_is_left_out_and_said", families=("roberta",)),
        Test("golden/export_peft", "test_logits_and_greedy_text_of_a_language_model_are_equal"),
    ],
    "plain weights": [
        Test("golden/export_plain", "test_slots_and_value_maps_are_plain_weights_of_an_encoder"),
        Test("golden/export_plain", "test_slots_and_value_maps_are_plain_weights_of_a_language_model"),
    ],
    "ONNX": [Test("golden/export_onnx", "test_logits_are_equal_for_any_batch")],
}
TABLES = {
    "Forms of deep prompts": FORMS,
    "What a head reads": READS,
    "How it runs": RUNNING,
    "In other programs": ELSEWHERE,
}


def page() -> str:
    """Write the page docs/compatibility.md."""
    for folder in FOLDERS:
        if str(ROOT / folder) not in sys.path:
            sys.path.append(str(ROOT / folder))
    groups = import_module("families"), import_module("seq2seq_models"), import_module("test_capped_families")
    rows = list(dict.fromkeys([*(family for group in groups for family in group.FAMILIES), *SINGLE]))
    lines = [HEAD]
    for title, columns in TABLES.items():
        cells = {heading: {family for test in tests for family in test.covered()} for heading, tests in columns.items()}
        if unknown := set().union(*cells.values()) - set(rows):
            raise LookupError(f"no row for {', '.join(sorted(unknown))}")
        lines += [f"## {title}\n", f"| family | {' | '.join(columns)} |", f"|---{'|:-:' * len(columns)}|"]
        shown = [row for row in rows if row not in SINGLE or any(row in covered for covered in cells.values())]
        lines += [
            f"| `{row}` | {' | '.join('✓' if row in cells[name] else ' ' for name in columns)} |" for row in shown
        ]
        files = sorted({tuple(test.file.split("/")) for tests in columns.values() for test in tests})
        named = ", ".join(f"`tests/{folder}/test_{file}.py`" for folder, file in files)
        lines += ["", f"Tests: {named}.\n"]
    return "\n".join([*lines, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""A card and rows of a span task in small."""

from ptv2.config.cards import make_card

CONTEXT = "Ann sees a red cow in Rome . Bob eats the big plum at Oslo ."


def card(max_length=32, **options):
    return make_card(
        {
            "name": "test/mrc",
            "kind": "span",
            "dataset": {"path": "json"},
            "inputs": {"question": "question", "context": "context"},
            "label": "answers",
            "metrics": ["squad_f1", "squad_em"],
            "max_length": max_length,
            "options": {"stride": 4} | options,
        }
    )


def row(answers=(), context=CONTEXT, question="  who eats ?"):
    return {
        "question": question,
        "context": context,
        "answers": {"text": [a for a in answers], "answer_start": [context.find(a) for a in answers]},
    }


def encode(features, example, **kwargs):
    return [f | {"row": 0} for f in features.encode(example, lambda: "rows.jsonl:1", **kwargs)]

"""Inputs of reports, and a parser of their pages."""

from html.parser import HTMLParser

HOSTILE = '<script>alert("x")</script>'


EDGES = {
    "ingest.mail": (),
    "profile.mail": ("ingest.mail",),
    "vocabulary": ("ingest.mail",),
    "tokenize.spam": ("ingest.mail", "vocabulary"),
    "train.spam": ("tokenize.spam", "vocabulary"),
    "evaluate.spam": ("ingest.mail", "tokenize.spam", "train.spam"),
    "export.spam": ("ingest.mail", "train.spam"),
    "validate.spam": ("export.spam",),
    "push.spam": ("export.spam", "evaluate.spam", "validate.spam"),
    "report": ("profile.mail", "train.spam", "evaluate.spam", "push.spam"),
}


EVALUATION = {
    "task": "classify",
    "split": "test",
    "rows": 1234,
    "metrics": {
        "accuracy": {"value": 0.71, "low": 0.69, "high": 0.73},
        "loss": {"value": 0.9, "low": 0.8, "high": 1.0},
    },
    "thresholds": [
        {
            "metric": "accuracy",
            "rule": ">= 0.60",
            "bound": 0.6,
            "value": 0.71,
            "passed": True,
        }
    ],
    "blessed": True,
    "baselines": {
        "majority": {
            "metrics": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
            "differences": {"accuracy": {"value": 0.21, "low": 0.1, "high": 0.3}},
        }
    },
    "calibration": {
        "ece": {"value": 0.07, "low": 0.05, "high": 0.09},
        "ece_by_chance": 0.03,
        "brier": {"value": 0.4, "low": 0.3, "high": 0.5},
        "reliability": [
            {
                "rows": 617,
                "confidence": c,
                "accuracy": c - 0.1,
                "lowest": c,
                "highest": c,
            }
            for c in (0.6, 0.9)
        ],
        "risk_coverage": {
            "aurc": {"value": 0.15, "low": 0.1, "high": 0.2},
            "curve": [[0.01, 0.0], [0.5, 0.1], [1.0, 0.29]],
        },
    },
    "labels": ["ham", HOSTILE],
    "confusion": [[600, 17], [40, 577]],
    "per_class": {
        label: {
            name: {"value": 0.7, "low": 0.6, "high": 0.8}
            for name in ("precision", "recall", "f1")
        }
        | {"support": 617}
        for label in ("ham", HOSTILE)
    },
    "slices": {
        "kind": {
            "list": {"rows": 9, "accuracy": {"value": 0.5, "low": 0.2, "high": 0.8}}
        }
    },
    "samples": ["Dear <b>friend</b>"],
}


PROFILE = {
    "splits": {
        "train": {
            "documents": 10_000,
            "words": 90_000,
            "bytes": 512_000,
            "labels": {"ham": 7000, HOSTILE: 3000},
            "lengths": {
                "words": {
                    "histogram": [
                        {"from": 0, "below": 1, "documents": 4},
                        {"from": 2, "below": 5, "documents": 8},
                    ],
                    **{"p5": 1, "p50": 3, "p95": 4},
                }
            },
            "top_terms": [
                {"term": "offer", "count": 5000},
                {"term": HOSTILE, "count": 2},
            ],
        }
    },
    "anomalies": [{"severity": "warning", "what": "many are short", "where": "train"}],
}


PREVIOUS = {
    "version": 2,
    "model": "cd" * 32,
    "metrics": {"accuracy": 0.68, "loss": 1.1},
    "same_documents": True,
}


PUSH = {
    "pushed": True,
    "version": 3,
    "destination": "pushed/spam/3",
    "reason": None,
    "previous": PREVIOUS,
}


SETTINGS = {
    "train": {"global_batch": 32, "optimizer": "adamw", "epochs": 3.0, "dropout": 0.0},
    "seed": 17,
    "strategy": "auto",
}


TEXTS = [
    {"id": "a", "text": "Dear friend, " + "an offer. " * 60, "label": HOSTILE},
    {"id": "b", "text": "Lunch at noon?", "label": "ham"},
    {"id": "c", "text": "Call <PHONE>\nnow", "label": HOSTILE},
    {"id": "d", "text": "Minutes of the meeting", "label": "ham"},
]


LOGS = [
    {"step": 10, "name": "train/loss", "value": 5.25},
    {"step": 20, "name": "train/loss", "value": 4.5},
    {"step": 20, "name": "eval/loss", "value": 4.75},
]


class Page(HTMLParser):
    """The tags, the attributes that could load something, and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        loads = ("src", "href", "srcset", "action", "data", "poster")
        self.links += [value for name, value in attrs if name in loads]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

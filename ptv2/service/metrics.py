"""What a server counts, as Prometheus reads it."""

from collections import Counter
from dataclasses import dataclass, field

BOUNDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)  # seconds


@dataclass
class Metrics:
    """Counts since the start; times are in seconds."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    rows: int = 0  # answered
    passes: int = 0
    features: int = 0  # of all passes
    artifacts: int = 0  # of all passes, the different ones of each
    busy: float = 0.0  # in passes
    gone: int = 0  # clients that hung up before their answer
    loads: int = 0
    slower: Counter[float] = field(default_factory=Counter)  # answers by the bound that they stay below
    seconds: float = 0.0  # of all answers
    answers: int = 0

    def answered(self, rows: int, seconds: float) -> None:
        """Count an answer."""
        self.rows, self.answers, self.seconds = self.rows + rows, self.answers + 1, self.seconds + seconds
        self.slower.update(bound for bound in BOUNDS if seconds <= bound)

    def passed(self, features: int, artifacts: int, seconds: float) -> None:
        """Count a pass through the backbone."""
        self.passes, self.features = self.passes + 1, self.features + features
        self.artifacts, self.busy = self.artifacts + artifacts, self.busy + seconds

    @property
    def rate(self) -> float:
        """Features per second of the passes so far."""
        return self.features / self.busy if self.busy else 100.0

    def text(self, **now: int) -> str:
        """Write all of it, with values as they are now."""
        lines = ["# TYPE ptv2_requests_total counter"]
        for (route, status), count in sorted(self.requests.items()):
            lines.append(f'ptv2_requests_total{{route="{route}",status="{status}"}} {count}')
        counts = {
            "rows": self.rows,
            "passes": self.passes,
            "pass_features": self.features,
            "pass_artifacts": self.artifacts,
            "pass_seconds": self.busy,
            "gone": self.gone,
            "loads": self.loads,
        }
        for name, count in counts.items():
            lines += [f"# TYPE ptv2_{name}_total counter", f"ptv2_{name}_total {count}"]
        lines.append("# TYPE ptv2_answer_seconds histogram")
        lines += [f'ptv2_answer_seconds_bucket{{le="{bound}"}} {self.slower[bound]}' for bound in BOUNDS]
        lines.append(f'ptv2_answer_seconds_bucket{{le="+Inf"}} {self.answers}')
        lines += [f"ptv2_answer_seconds_sum {self.seconds}", f"ptv2_answer_seconds_count {self.answers}"]
        for name, value in now.items():
            lines += [f"# TYPE ptv2_{name} gauge", f"ptv2_{name} {value}"]
        return "\n".join([*lines, ""])

"""The parts of the benchmark. Each is a module with `run(bench)`, which returns a `Result`."""

from dataclasses import dataclass, field


@dataclass
class Result:
    """`rows`: for each goal (see `goals`), with what it was measured on after a slash, the samples, one for each round.
    `figures`: whatever else is worth keeping."""

    rows: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)

    def add(self, goal, samples, *where):
        """Note samples of a goal, measured on e.g. "SQLite" and a number of questions."""
        place = ", ".join(f"{one:,} questions" if isinstance(one, int) else one for one in where)
        self.rows["/".join([goal, place] if place else [goal])] = samples if isinstance(samples, list) else [samples]

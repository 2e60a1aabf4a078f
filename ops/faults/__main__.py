"""Take things away from the running site, and print what readers saw, what editors saw, and what was lost.

python -m ops.faults [--only WORDS] [--kills NUMBER] [--seed NUMBER] [--load SECONDS]
"""

import argparse
import random
import sys
import textwrap
import traceback

from . import breaking, kills, load, trial

PORTS = (18100, 18199)


def main():
    options = _options()
    failed = []
    with breaking.scratch() as folder:
        ground = breaking.Ground(folder, PORTS)
        names = [name for name in breaking.FAULTS if options.only.lower() in name.lower()]
        try:
            if not options.no_faults:
                failed += _faults(ground, names)
            if options.kills:
                failed += kills.kill_all(ground, options.kills, options.seed)
            if options.load:
                failed += load.run(ground, options.load, seed=options.seed)
        finally:
            ground.close()
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only faults whose name has these words")
    parser.add_argument("--no-faults", action="store_true", help="only kills and load")
    parser.add_argument("--kills", type=int, default=0, metavar="NUMBER", help="how often to kill -9 what writes")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments of the kills")
    parser.add_argument("--load", type=int, default=0, metavar="SECONDS", help="how long editors and readers work")
    return parser.parse_args()


def _faults(ground, names):
    """Try each, and print the table. Returns sentences about what went wrong."""
    failed = []
    print("FAULT → what readers saw → what editors saw → lost\n")
    for name in names:
        try:
            with breaking.FAULTS[name](ground) as case:
                outcome = trial.try_out(name, case)
        except breaking.Impossible as why:
            outcome = trial.Outcome(name, str(why), "not shown on this machine", "", "?", [str(why)])
        except Exception:
            outcome = trial.Outcome(name, wrong=[traceback.format_exc()])
        show(outcome)
        failed += [f"{name}: {what}" for what in outcome.wrong]
    return failed


def show(outcome):
    print(outcome.fault)
    for label, text in (
        ("done", outcome.done), ("readers", outcome.readers), ("editors", outcome.editors), ("lost", outcome.lost),
        *(("WRONG", what) for what in outcome.wrong),
    ):  # fmt: skip
        print(textwrap.fill(text, 116, initial_indent=f"  {label:<8}", subsequent_indent=" " * 10))
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())

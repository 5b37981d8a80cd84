"""The proof: a session store under real processes and real faults, row by row.

    python -m seatperm.testing.soak --store sqlite --minutes 5

Any store that a URL names can be proved, a third party's too. Each row prints what was done, with figures, and
whether what must hold has held. Broken stores that fail the rows are in `broken`.
"""

from .table import Result, Verdict

__all__ = ["Result", "Verdict"]

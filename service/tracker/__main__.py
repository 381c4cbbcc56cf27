"""Makes MLflow's tables in the database of a tracking URI; see database.py."""

from __future__ import annotations

import sys

from goodfit.service.tracker.experiment import client_of, one_line

if __name__ == "__main__":
    try:
        client_of(sys.argv[1]).search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - the last line is what the parent tells
        sys.exit(one_line(error))

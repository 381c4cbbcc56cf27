"""Generated applications for credit, in which the past has been unfair: no data are downloaded.

Who pays back depends on income and debts, alike for all. But women have had lower incomes for the same reliability, and
a proxy of the sex, part-time work, is among the columns: a model that is trained for accuracy alone gives credit to
reliable men more often than to reliable women.
"""

import numpy as np
import pandas as pd


def applicants(rows: int = 5000, seed: int = 0) -> pd.DataFrame:
    """One applicant a row; `repaid` is the target, `sex` and `age` say whom the model must treat alike."""
    random = np.random.default_rng(seed)
    sex = random.choice(["female", "male"], rows, p=[0.4, 0.6])
    age = random.integers(20, 75, rows)
    reliable = random.normal(0, 1, rows)
    income = (
        2.6 + 0.45 * reliable + 0.5 * (sex == "male") + 0.008 * np.minimum(age - 20, 30) + random.normal(0, 0.3, rows)
    )
    debts = np.exp(0.4 - 0.45 * reliable + random.normal(0, 0.5, rows))
    part_time = random.random(rows) < np.where(sex == "female", 0.55, 0.1)
    late_payments = random.poisson(np.exp(-0.6 - 0.7 * reliable))
    repaid = reliable + 0.35 * (sex == "male") + random.normal(0, 0.7, rows) > -0.1
    return pd.DataFrame(
        {
            "sex": sex,
            "age": age,
            "income": income.round(3),
            "debts": debts.round(3),
            "part_time": part_time.astype(int),
            "late_payments": late_payments,
            "repaid": np.where(repaid, "yes", "no"),
        }
    )

"""How good the advice is: small real trainings, what is recommended for them, what people use today, and an oracle.

    python -m benchmarks.advice measure --seeds 0     # resumable; runs/advice.jsonl
    python -m benchmarks.advice keep                  # into benchmarks/advice/results.json.gz
    python -m benchmarks.advice page                  # docs/advice.md, from what is kept

The data come with scikit-learn (digits, iris, breast cancer, diabetes, two photographs; BSD-3-Clause, the photographs
CC BY) and with the interpreter (its own sources and its documentation; PSF-2.0). Nothing is downloaded.
"""

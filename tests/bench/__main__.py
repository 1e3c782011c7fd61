"""`python -m tests.bench [NAME]...`: all tables, or those named below."""

import sys

from tests.bench import cohort, exactness, networks, radiomics, training, viewer

TABLES = {
    "exactness": exactness.main,
    "radiomics": radiomics.main,
    "networks": networks.main,
    "cohort": cohort.main,
    "training": training.main,
    "viewer": viewer.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()
        print()

"""`python -m tests.bench [exactness] [radiomics] [networks] [cohort] [viewer]`: all tables, or those named."""

import sys

from tests.bench import cohort, exactness, networks, radiomics, viewer

TABLES = {
    "exactness": exactness.main,
    "radiomics": radiomics.main,
    "networks": networks.main,
    "cohort": cohort.main,
    "viewer": viewer.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()
        print()

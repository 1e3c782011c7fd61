"""`python -m tests.bench [radiomics] [networks] [cohort]`: all tables, or those named."""

import sys

from tests.bench import cohort, networks, radiomics

TABLES = {"radiomics": radiomics.main, "networks": networks.main, "cohort": cohort.main}

if __name__ == "__main__":
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()
        print()

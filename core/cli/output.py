"""What the verbs share: their types, and progress on standard error."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

Handler = Callable[[argparse.Namespace], Any]
Verb = Callable[[str, Handler, str], argparse.ArgumentParser]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

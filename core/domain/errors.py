"""The errors a user can cause: each carries one sentence that says what, where and what to do."""


class HepaBoardError(Exception):
    """Base of every error whose message is meant for the user."""


class InputError(HepaBoardError):
    """Something given was wrong and the user can mend it."""


class OutOfScopeError(HepaBoardError):
    """A model's card excludes this case: no number is shown."""


class UnavailableError(HepaBoardError):
    """Weights, a library or a service that this needs is missing."""


class StoreError(HepaBoardError):
    """The result could not be saved or found."""

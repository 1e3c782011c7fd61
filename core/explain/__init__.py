"""Why a model says what it says: class activation maps."""

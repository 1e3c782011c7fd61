"""Long work outside the page: progress and cancel."""

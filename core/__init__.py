"""HepaBoard without a browser: everything the pages can do."""

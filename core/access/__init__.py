"""Who may see what: browser sessions and signed links."""

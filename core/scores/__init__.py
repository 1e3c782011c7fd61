"""Published clinical scores."""

"""Hand-crafted and deep features behind one interface, with one cache."""

"""What things are: volumes, phases, clinical variables, predictions, errors."""

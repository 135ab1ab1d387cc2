"""What a person sees in a terminal: numbers with units, tables, refusals, signals."""

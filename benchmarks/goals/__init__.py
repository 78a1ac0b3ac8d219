"""What is to be reached, measured in one run and judged: one table, one JSON file, one picture."""

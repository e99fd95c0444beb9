"""From tensors to an architecture, for files that hold weights and nothing else. No framework is imported here."""

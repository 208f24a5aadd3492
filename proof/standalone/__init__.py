"""What runs without the rest of Counterfoil."""

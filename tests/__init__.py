"""The tests of Counterfoil: one folder per room, and the broker and browser that they use."""

"""Turns stored trials into figures, findings and verdicts; pure."""

"""History by the rules of now: channels, people, golden records, evidence of earlier versions."""

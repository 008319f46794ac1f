"""What is counted: events, explain, refused, outcomes."""

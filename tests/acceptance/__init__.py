"""What the project promises, a sentence each."""

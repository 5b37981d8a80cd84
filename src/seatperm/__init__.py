"""seatperm."""

"""What rows are for: their fields are looked at, a card is proposed, and every guess comes with its reason."""

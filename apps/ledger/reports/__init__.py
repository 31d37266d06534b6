"""What a report is made of, whoever asks for it: the times it covers, its table, its files."""

"""The reports on one client's books: each a page, a CSV file, an Excel file, and a print."""

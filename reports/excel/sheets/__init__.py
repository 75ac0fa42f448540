"""The other sheets of the workbook."""

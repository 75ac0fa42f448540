"""What each operator of torch costs and which shapes it returns: tables and formulas."""

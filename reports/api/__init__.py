"""What `import reports` offers: decisions and pages in Python, as the command has them."""

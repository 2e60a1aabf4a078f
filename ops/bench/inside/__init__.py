"""What is measured within the product's own process. Each module is run as a program, with the site's settings in the
environment, and prints one line of JSON."""

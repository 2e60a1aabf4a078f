"""Parse, compare, review and render the text of answers. These modules use no database."""

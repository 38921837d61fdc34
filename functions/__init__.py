"""What runs in AWS Lambda: a folder a function, each with its handler. docs/functions.md describes them."""

"""The whole system on AWS, as a Pulumi program. It imports nothing of the application."""

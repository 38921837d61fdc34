"""What an account needs before the system can be deployed to it: a project of its own, run once."""

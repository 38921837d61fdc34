"""Keeps a file equal to a secret of AWS Secrets Manager: python -c SOURCE SECRET_ID FILE SECONDS, beside
the API.

While the secret cannot be read, the file stays as it is.
"""

import os
import sys
import time

import boto3


def follow(secret_id: str, path: str, every_s: float) -> None:
    """Write the file where the secret has changed, as a whole, for its owner alone. Never returns."""
    client = boto3.client("secretsmanager")
    known = None
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
    while True:
        try:
            found = client.get_secret_value(SecretId=secret_id)
            if found["VersionId"] != known:
                descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
                    file.write(found["SecretString"])
                os.replace(path + ".new", path)  # noqa: PTH105
                known = found["VersionId"]
                print("keys written", known, flush=True)
        except Exception as error:  # whatever it is, the next round tries again
            print("keys not read:", error, file=sys.stderr, flush=True)
        time.sleep(every_s)


if __name__ == "__main__":
    follow(sys.argv[1], sys.argv[2], float(sys.argv[3]))

"""placeholder"""


def write_report() -> None: ...

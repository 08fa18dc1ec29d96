"""The tables of cases that were measured together."""

from bench_host import USERS

NAME_WIDTH = 36


class Table:
    """A row for each case: its name, what was measured, and columns of the
    table's own, as (heading, width, format, value). value(case) is None if the
    cell stays empty."""

    MEASURED = [("groups", 6, "d", lambda case: USERS[case.user]),
                ("logins", 6, "d", lambda case: len(case.times)),
                ("µs", 9, ",.0f", lambda case: case.median)]

    def __init__(self, cases, columns):
        self.cases, self.columns = cases, self.MEASURED + columns

    def row(self, case):
        cells = [f"{case.name:{NAME_WIDTH}}"]
        for _, width, form, value in self.columns:
            number = value(case)
            cells.append(" " * width if number is None else f"{number:{width}{form}}")
        return " ".join(cells).rstrip()

    def print(self, title):
        headings = " ".join(f"{heading:>{width}}" for heading, width, _, _ in self.columns)
        print(f"\n{title}\n\n{'':{NAME_WIDTH}} {headings}")
        for case in self.cases:
            print(self.row(case))


def against(aim, value):
    """A value, and whether it is within the aim."""
    return f"{value:.2f} (at most {aim:.2f}: {'met' if value <= aim else 'NOT met'})"

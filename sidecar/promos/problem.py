"""What is wrong in a file, told so that it can be found and mended."""

from dataclasses import dataclass

from .scan import Place

SHOWN = 120
"""Characters of a line in an excerpt; the place is in the middle of a longer one."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`file` as it was named, `pointer` (RFC 6901) to the value, `message` what is wrong, `remedy` what to do."""

    file: str
    place: Place
    pointer: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        said = f"{self.pointer}: {self.message}" if self.pointer else self.message
        return f"{where}: {said}" + (f"; {self.remedy}" if self.remedy else "")

    def facts(self) -> dict[str, object]:
        """For machines."""
        place = {"line": self.place.line, "column": self.place.column}
        return {"file": self.file, **place, "pointer": self.pointer, "message": self.message, "remedy": self.remedy}


def excerpt(problem: Problem, text: str) -> str:
    """The line with a caret below the place; empty when there is no such line."""
    # Lines are those that places count: other ends of lines may stand within strings.
    lines = text.split("\n", problem.place.line)
    if problem.place.line > len(lines) or not text:
        return ""
    line, number, at = lines[problem.place.line - 1].rstrip("\r"), str(problem.place.line), problem.place.column - 1
    begin = max(0, at - SHOWN // 2) if len(line) > SHOWN else 0
    shown = f"{'…' if begin else ''}{line[begin : begin + SHOWN]}{'…' if begin + SHOWN < len(line) else ''}"
    # It is shown in terminals, which do what control characters say.
    shown = "".join(c if c.isprintable() or c == "\t" else "�" for c in shown)
    # Tabs stay tabs, so that the caret stands below its place however wide they are shown.
    before = "".join("\t" if c == "\t" else " " for c in shown[: at - begin + bool(begin)])
    return f"  {number} | {shown}\n  {' ' * len(number)} | {before}^"

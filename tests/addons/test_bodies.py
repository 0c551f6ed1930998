from dataclasses import dataclass, field

from addons.bodies import PIECE_BYTES, Bodies


@dataclass(eq=False)
class Client:
    bodies: Bodies
    name: str
    out: list[str]
    whole: bool = field(default=False)

    def gives_way(self) -> bool:
        return not self.whole

    def crowd_out(self) -> None:
        self.out.append(self.name)
        self.bodies.drop(self)

    def sends(self, size: int, most: int = 1000) -> None:
        self.bodies.add(self, size - PIECE_BYTES, most)


def clients(*names: str) -> tuple[Bodies, list[str], list[Client]]:
    bodies, out = Bodies(), list[str]()
    return bodies, out, [Client(bodies, name, out) for name in names]


def test_the_largest_gives_way():
    bodies, out, (a, b, c) = clients("a", "b", "c")
    a.sends(300)
    b.sends(500)
    c.sends(200)
    assert (bodies.total, out) == (1000, [])
    c.sends(100)
    assert (bodies.total, out) == (600, ["b"])


def test_as_many_as_are_needed():
    bodies, out, (a, b, c) = clients("a", "b", "c")
    a.sends(450)
    b.sends(440)
    c.sends(100, most=500)
    assert (bodies.total, out) == (100, ["a", "b"])


def test_it_may_be_the_one_that_came():
    bodies, out, (a, b) = clients("a", "b")
    a.sends(400)
    b.sends(700)
    assert (bodies.total, out) == (400, ["b"])


def test_what_is_whole_stays_for_it_may_be_with_the_provider():
    bodies, out, (a, b) = clients("a", "b")
    a.sends(900)
    a.whole = True
    b.sends(50)
    b.sends(100)
    assert (bodies.total, out) == (900, ["b"])


def test_also_one_that_came_at_once_has_to_fit():
    bodies, out, (a,) = clients("a")
    a.whole = True
    a.sends(1001)
    assert (bodies.total, out) == (0, ["a"])


def test_dropped_makes_room():
    bodies, out, (a, b) = clients("a", "b")
    a.sends(900)
    bodies.drop(a)
    bodies.drop(a)
    b.sends(900)
    assert (bodies.total, out) == (900, [])

"""Lets an installed `holdover` answer a client twice: `python -m scripts.smoketest PATH_OF_HOLDOVER`."""

import http.client
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.rig import HOST, ROOT, emulator, running, write_house


def main(program: str) -> int:
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    # Its schemas are data of the package.
    subprocess.run([program, "promos", "lint", str(ROOT / "config" / "promos")], check=True)
    with tempfile.TemporaryDirectory() as folder, emulator(latency_p50_ms=0) as provider:
        house = write_house(Path(folder), provider.url, window_s=60, max_stale_s=60)
        house.program = (program,)
        with running(house):
            seen = [_ask(house.ports["reverse"]) for _ in range(2)]
        upstream = provider.odds_requests()
    good = seen[0][0] == seen[1][0] == 200 and "hit" in seen[1][1] and upstream == 1
    print(f"{version}: {seen}, {upstream} upstream request(s): {'good' if good else 'NOT good'}")
    return 0 if good else 1


def _ask(port: int) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/v4/sports/soccer_epl/odds?regions=us&apiKey=x", headers={"Host": HOST})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Cache-Status", "")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

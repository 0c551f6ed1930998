"""What the emulated provider covers: sports, teams, bookmakers and their regions."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR

REGIONS = ("us", "us2", "uk", "au", "eu")
FEATURED = ("h2h", "spreads", "totals")
LAY = {"h2h": "h2h_lay", "outrights": "outrights_lay"}


@dataclass(frozen=True, slots=True)
class Book:
    key: str
    title: str
    regions: tuple[str, ...]

    @property
    def is_exchange(self) -> bool:
        return self.key.startswith("betfair_ex_")


@dataclass(frozen=True, slots=True)
class Sport:
    """`teams` has an even length, so that the pairing of schedule.py never pairs a team with itself.

    `earliest_s` moves the whole programme of a sport later: 0 keeps events in play.
    `spread` and `total` are the typical handicap per unit of advantage and the typical total.
    """

    key: str
    group: str
    title: str
    description: str
    teams: tuple[str, ...] = ()
    active: bool = True
    has_outrights: bool = False
    draws: bool = False
    spread: float = 6.0
    total: float = 40.5
    earliest_s: int = 0
    duration_s: int = 9000
    repeat_s: int = 7 * DAY

    @property
    def markets(self) -> tuple[str, ...]:
        return ("outrights",) if self.has_outrights else FEATURED


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


EPL_TEAMS = _names(
    "Arsenal, Aston Villa, Bournemouth, Brentford, Brighton and Hove Albion, Burnley, Chelsea,"
    "Crystal Palace, Everton, Fulham, Leeds United, Liverpool, Manchester City, Manchester United,"
    "Newcastle United, Nottingham Forest, Sunderland, Tottenham Hotspur, West Ham United,"
    "Wolverhampton Wanderers"
)
NBA_TEAMS = _names(
    "Atlanta Hawks, Boston Celtics, Brooklyn Nets, Chicago Bulls, Dallas Mavericks, Denver Nuggets,"
    "Golden State Warriors, Houston Rockets, Indiana Pacers, Los Angeles Lakers, Memphis Grizzlies,"
    "Miami Heat, Milwaukee Bucks, New York Knicks, Orlando Magic, Phoenix Suns, Sacramento Kings,"
    "Toronto Raptors"
)
NFL_TEAMS = _names(
    "Arizona Cardinals, Baltimore Ravens, Buffalo Bills, Chicago Bears, Cincinnati Bengals, Dallas Cowboys,"
    "Denver Broncos, Detroit Lions, Green Bay Packers, Houston Texans, Kansas City Chiefs, Miami Dolphins,"
    "Minnesota Vikings, New York Jets, Philadelphia Eagles, San Francisco 49ers"
)
MLB_TEAMS = _names(
    "Atlanta Braves, Baltimore Orioles, Boston Red Sox, Chicago Cubs, Cleveland Guardians, Detroit Tigers,"
    "Houston Astros, Los Angeles Dodgers, Milwaukee Brewers, New York Mets, New York Yankees,"
    "Philadelphia Phillies, San Diego Padres, Seattle Mariners, Texas Rangers, Toronto Blue Jays"
)
NHL_TEAMS = _names(
    "Boston Bruins, Buffalo Sabres, Calgary Flames, Carolina Hurricanes, Colorado Avalanche, Dallas Stars,"
    "Detroit Red Wings, Edmonton Oilers, Florida Panthers, Montreal Canadiens, New York Rangers,"
    "Ottawa Senators, Seattle Kraken, Toronto Maple Leafs, Vancouver Canucks, Winnipeg Jets"
)
PLAYERS = tuple(f"Player {number:02d}" for number in range(1, 33))
GOLFERS = tuple(f"Golfer {number:02d}" for number in range(1, 41))

SPORTS: dict[str, Sport] = {
    sport.key: sport
    for sport in (
        Sport("americanfootball_ncaaf", "American Football", "NCAAF", "US College Football", active=False),
        Sport(
            "americanfootball_nfl",
            "American Football",
            "NFL",
            "US Football",
            NFL_TEAMS,
            spread=14.0,
            total=44.5,
            earliest_s=26 * HOUR,
        ),
        Sport(
            "baseball_mlb",
            "Baseball",
            "MLB",
            "Major League Baseball",
            MLB_TEAMS,
            spread=3.0,
            total=8.5,
            earliest_s=3 * HOUR,
        ),
        Sport("basketball_nba", "Basketball", "NBA", "US Basketball", NBA_TEAMS, spread=20.0, total=221.5),
        Sport(
            "golf_masters_tournament_winner",
            "Golf",
            "Masters Tournament Winner",
            "Tournament winner",
            GOLFERS,
            has_outrights=True,
            earliest_s=72 * HOUR,
            duration_s=4 * DAY,
            repeat_s=28 * DAY,
        ),
        Sport("icehockey_nhl", "Ice Hockey", "NHL", "US Ice Hockey", NHL_TEAMS, spread=3.0, total=6.5),
        Sport("rugbyleague_nrl", "Rugby League", "NRL", "Australian Rugby League"),
        Sport(
            "soccer_epl",
            "Soccer",
            "EPL",
            "English Premier League",
            EPL_TEAMS,
            draws=True,
            spread=3.0,
            total=2.5,
        ),
        Sport("tennis_atp", "Tennis", "ATP", "Singles tennis", PLAYERS, spread=8.0, total=22.5),
    )
}

BOOKS: dict[str, Book] = {
    key: Book(key, title, tuple(regions.split()))
    for key, title, regions in (
        ("betonlineag", "BetOnline.ag", "us us2 eu"),
        ("betmgm", "BetMGM", "us"),
        ("betrivers", "BetRivers", "us us2"),
        ("betus", "BetUS", "us us2"),
        ("bovada", "Bovada", "us us2"),
        ("draftkings", "DraftKings", "us"),
        ("fanatics", "Fanatics", "us"),
        ("fanduel", "FanDuel", "us"),
        ("lowvig", "LowVig.ag", "us us2"),
        ("mybookieag", "MyBookie.ag", "us eu"),
        ("williamhill_us", "Caesars", "us"),
        ("ballybet", "Bally Bet", "us2"),
        ("betparx", "betPARX", "us2"),
        ("espnbet", "ESPN BET", "us2"),
        ("fliff", "Fliff", "us2"),
        ("hardrockbet", "Hard Rock Bet", "us2"),
        ("betfair_ex_uk", "Betfair", "uk"),
        ("betvictor", "Bet Victor", "uk"),
        ("betway", "Betway", "uk au"),
        ("boylesports", "BoyleSports", "uk"),
        ("coral", "Coral", "uk"),
        ("ladbrokes_uk", "Ladbrokes", "uk"),
        ("paddypower", "Paddy Power", "uk"),
        ("skybet", "Sky Bet", "uk"),
        ("sport888", "888sport", "uk eu"),
        ("unibet_uk", "Unibet (UK)", "uk"),
        ("virginbet", "Virgin Bet", "uk"),
        ("williamhill", "William Hill", "uk eu"),
        ("betfair_ex_eu", "Betfair", "eu"),
        ("betsson", "Betsson", "eu"),
        ("coolbet", "Coolbet", "eu"),
        ("everygame", "Everygame", "eu"),
        ("gtbets", "GTbets", "eu"),
        ("marathonbet", "Marathon Bet", "eu"),
        ("nordicbet", "Nordic Bet", "eu"),
        ("onexbet", "1xBet", "eu"),
        ("pinnacle", "Pinnacle", "eu au"),
        ("unibet_nl", "Unibet (NL)", "eu"),
        ("betr_au", "Betr", "au"),
        ("ladbrokes_au", "Ladbrokes", "au"),
        ("neds", "Neds", "au"),
        ("playup", "PlayUp", "au"),
        ("pointsbetau", "PointsBet (AU)", "au"),
        ("sportsbet", "SportsBet", "au"),
        ("tab", "TAB", "au"),
        ("tabtouch", "TABtouch", "au"),
        ("unibet", "Unibet", "au"),
    )
}

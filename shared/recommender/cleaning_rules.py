"""What a row of logs must be to count, and what it counts: the rules of cleaning, as data.

Rules are tried in the order of REASONS; the first that a row breaks is the reason why it is dropped.
"""

# A change of any rule makes another version, and days that were cleaned by another one are cleaned again.
RULES_VERSION = 1

BROKEN_LINE = "broken_line"  # no JSON object, or one that names nothing known
MALFORMED_TIME = "malformed_time"
OTHER_DAY = "other_day"  # a well-formed time, but not of the day that the folder is named after
MALFORMED_USER = "malformed_user"
UNKNOWN_EVENT = "unknown_event"
MALFORMED_ITEM = "malformed_item"  # missing counts as malformed, but for a search
DUPLICATE = "duplicate"  # the event_id was there already that day, or, without one, the whole row
BOT = "bot"  # by a user_id with more events that day than a person can make

REASONS = (
    BROKEN_LINE,
    MALFORMED_TIME,
    OTHER_DAY,
    MALFORMED_USER,
    UNKNOWN_EVENT,
    MALFORMED_ITEM,
    DUPLICATE,
    BOT,
)

EVENTS_A_PERSON_CAN_MAKE = 1_000  # a day

# Characters that no id has. Asking for what must not be there and for the length, instead of stripping blanks or
# anchoring a pattern at both ends, means the same to every engine: a `$` of Java also matches before a last line break,
# and the blanks that Ibis strips on Spark include the letters v and f (ibis#11894).
NOT_IN_AN_ID = "[^A-Za-z0-9_.:-]"
LONGEST_ID = 64
NOT_A_LETTER = "[^A-Za-z]"

# Engines disagree on which other texts are times, so only this one shape is; the date is then the folder's, letter by
# letter, and nothing is left to be converted.
TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
TIME_LENGTH = 20

SEARCH = "search"
# Of one event, in halves: whole numbers add up to the same in any order. What was shown or dismissed says nothing of
# what somebody takes by themselves, and a click mostly answers the choice that a model made before.
HALF_WEIGHTS = {
    "search": 0,
    "view": 2,
    "install": 6,
    "use": 2,
    "uninstall": 0,
    "impression": 0,
    "click": 1,
    "dismiss": 0,
}

UNKNOWN_COUNTRY = "ZZ"  # as in Unicode's region codes
OTHER_NAMES = {"UK": "GB", "EL": "GR"}  # used, also by authorities, beside the codes of ISO 3166
_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = tuple(_CODES.split())  # ISO 3166, alpha-2
